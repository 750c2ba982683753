//! Conditions as Flux keeps them in a status.
//!
//! Follows: the conditions of `fluxcd/pkg/runtime`: the transition time moves when status, reason or message does.

use serde::{Deserialize, Serialize};

/// One condition of an object's status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// `metadata.generation` that this is about.
    #[serde(skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// RFC 3339 in UTC, whole seconds.
    pub last_transition_time: String,
    /// One word in camel case.
    pub reason: String,
    /// For people.
    pub message: String,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Longest message in bytes.
const LONGEST_MESSAGE: usize = 32_768;

/// Returns the condition of a type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// Returns true when the condition is there and `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == "True")
}

/// Sets a condition; its own transition time counts only when something but the generation changed.
pub fn set(conditions: &mut Vec<Condition>, mut condition: Condition) {
    shorten(&mut condition.message);
    if condition.status == "True" {
        match condition.kind.as_str() {
            "Reconciling" => remove(conditions, "Stalled"),
            "Stalled" => remove(conditions, "Reconciling"),
            _ => {}
        }
    }
    match conditions.iter_mut().find(|known| known.kind == condition.kind) {
        Some(known) => {
            let same = known.status == condition.status
                && known.reason == condition.reason
                && known.message == condition.message;
            if same {
                condition.last_transition_time = std::mem::take(&mut known.last_transition_time);
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
    sort(conditions);
}

/// Removes the condition of a type.
pub fn remove(conditions: &mut Vec<Condition>, kind: &str) {
    conditions.retain(|condition| condition.kind != kind);
}

/// Orders: `Stalled`, `Reconciling`, `Ready`, then the newest generation first, then by type.
fn sort(conditions: &mut [Condition]) {
    let rank = |kind: &str| match kind {
        "Stalled" => 0,
        "Reconciling" => 1,
        "Ready" => 2,
        _ => 3,
    };
    conditions.sort_by(|left, right| {
        let ranks = (rank(&left.kind), rank(&right.kind));
        if ranks != (3, 3) {
            return ranks.0.cmp(&ranks.1);
        }
        right.observed_generation.cmp(&left.observed_generation).then_with(|| left.kind.cmp(&right.kind))
    });
}

fn shorten(message: &mut String) {
    if message.len() > LONGEST_MESSAGE {
        let mut end = LONGEST_MESSAGE - 3;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: &str, status: &str, time: &str) -> Condition {
        Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            last_transition_time: time.to_owned(),
            ..Condition::default()
        }
    }

    #[test]
    fn time_moves_only_with_a_change() {
        let mut conditions = vec![condition("Ready", "True", "1")];
        set(&mut conditions, condition("Ready", "True", "2"));
        assert_eq!(conditions[0].last_transition_time, "1");
        set(&mut conditions, condition("Ready", "False", "3"));
        assert_eq!(conditions[0].last_transition_time, "3");
    }

    #[test]
    fn reconciling_and_stalled_exclude_each_other_and_come_first() {
        let mut conditions =
            vec![condition("Ready", "True", "1"), condition("ArtifactInStorage", "True", "1")];
        set(&mut conditions, condition("Stalled", "True", "2"));
        set(&mut conditions, condition("Reconciling", "True", "3"));
        let kinds: Vec<&str> = conditions.iter().map(|condition| condition.kind.as_str()).collect();
        assert_eq!(kinds, ["Reconciling", "Ready", "ArtifactInStorage"]);
    }
}
