//! Events that come again and again: counted up, combined, or left out.
//!
//! Follows: the correlator of client-go 0.36 with its defaults.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use crate::events::{Event, Severity};

/// How many events, kinds of events and objects are remembered.
const REMEMBERED: usize = 4096;
/// So many different messages of one kind are events of their own; further ones are combined.
const DIFFERENT: usize = 10;
/// Events are of one kind as long as no more than this lies between two of them.
const TOGETHER: Duration = Duration::from_secs(600);
/// So many events about an object at once, and then one each time this has passed.
const AT_ONCE: f64 = 25.0;
const ONE_EACH: Duration = Duration::from_secs(300);
/// How the message of those begins that are combined.
const COMBINED: &str = "(combined from similar events): ";

/// What was said until now.
#[derive(Default)]
pub(super) struct Crowd {
    hasher: RandomState,
    alike: Recent<Alike, Group>,
    said: Recent<Said, Told>,
    shares: Recent<Share, Bucket>,
}

/// Events that differ in their messages alone: of an object, a warning or not, with a reason.
type Alike = (String, bool, String);
/// An event: the kind and its message; those that are combined count as one without a message.
type Said = (Alike, Option<u64>);
/// Whose share an event takes: that of an object's warnings, or of the rest.
type Share = (String, bool);

struct Group {
    messages: HashSet<u64>,
    last: Instant,
}

struct Told {
    name: String,
    count: u64,
}

struct Bucket {
    left: f64,
    at: Instant,
}

/// How an event is written.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    /// The name of the object that tells it, and how often it was told by now.
    pub(super) name: String,
    pub(super) count: u64,
    /// What it says when it stands for others, too.
    pub(super) combined: Option<String>,
}

impl Crowd {
    /// Takes an event, with a name for when it is new; none when there were too many of its object.
    pub(super) fn hear(
        &mut self,
        event: &Event,
        name: impl FnOnce() -> String,
        now: Instant,
    ) -> Option<Heard> {
        let uid = event.about["uid"].as_str().unwrap_or_default().to_owned();
        let is_warning = event.severity == Severity::Error;
        let message = self.hasher.hash_one(&event.message);
        let kind = (uid.clone(), is_warning, event.reason.clone());
        let is_combined = self.is_combined(&kind, message, now);
        let said = (kind, (!is_combined).then_some(message));
        let told = self.said.get_or(said, || Told { name: name(), count: 0 });
        told.count += 1;
        let heard = Heard {
            name: told.name.clone(),
            count: told.count,
            combined: is_combined.then(|| format!("{COMBINED}{}", event.message)),
        };
        self.has_share((uid, is_warning), now).then_some(heard)
    }

    fn is_combined(&mut self, kind: &Alike, message: u64, now: Instant) -> bool {
        let group = self.alike.get_or(kind.clone(), || Group { messages: HashSet::new(), last: now });
        if now.duration_since(group.last) > TOGETHER {
            group.messages.clear();
        }
        group.last = now;
        group.messages.insert(message);
        if group.messages.len() < DIFFERENT {
            return false;
        }
        let any = group.messages.iter().next().copied();
        if let Some(any) = any {
            group.messages.remove(&any);
        }
        true
    }

    fn has_share(&mut self, share: Share, now: Instant) -> bool {
        let bucket = self.shares.get_or(share, || Bucket { left: AT_ONCE, at: now });
        let more = now.duration_since(bucket.at).as_secs_f64() / ONE_EACH.as_secs_f64();
        bucket.left = (bucket.left + more).min(AT_ONCE);
        bucket.at = now;
        let has = bucket.left >= 1.0;
        if has {
            bucket.left -= 1.0;
        }
        has
    }
}

/// A bounded number of things; the one used least lately makes place.
struct Recent<K, V> {
    kept: HashMap<K, (V, u64)>,
    used: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { kept: HashMap::new(), used: 0 }
    }
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    fn get_or(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.used += 1;
        if self.kept.len() >= REMEMBERED && !self.kept.contains_key(&key) {
            let oldest = self.kept.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.kept.remove(&oldest);
            }
        }
        let (value, used) = self.kept.entry(key).or_insert_with(|| (make(), 0));
        *used = self.used;
        value
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(uid: &str, severity: Severity, message: &str) -> Event {
        let about = json!({"uid": uid, "name": "app"});
        Event { about, severity, reason: "R".into(), message: message.into(), annotations: Vec::new() }
    }

    fn hear(crowd: &mut Crowd, event: &Event, now: Instant) -> Option<(u64, bool)> {
        let heard = crowd.hear(event, || "n".into(), now)?;
        Some((heard.count, heard.combined.is_some()))
    }

    #[test]
    fn the_same_is_counted_and_what_is_alike_is_combined() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        let same = event("u", Severity::Info, "same");
        assert_eq!(hear(&mut crowd, &same, now), Some((1, false)));
        assert_eq!(hear(&mut crowd, &same, now), Some((2, false)));
        for number in 0..8 {
            let other = event("u", Severity::Info, &format!("m{number}"));
            assert_eq!(hear(&mut crowd, &other, now), Some((1, false)), "{number}");
        }
        for count in 1..4 {
            let more = event("u", Severity::Info, &format!("more {count}"));
            assert_eq!(hear(&mut crowd, &more, now), Some((count, true)));
        }
        let failed = event("u", Severity::Error, "failed");
        assert_eq!(hear(&mut crowd, &failed, now), Some((1, false)), "warnings are a kind of their own");
        let later = now + TOGETHER + Duration::from_secs(1);
        let late = event("u", Severity::Info, "late");
        assert_eq!(hear(&mut crowd, &late, later), Some((1, false)));
        let text = crowd.hear(&event("v", Severity::Trace, "x"), || "n".into(), now);
        assert_eq!(text, Some(Heard { name: "n".into(), count: 1, combined: None }));
    }

    #[test]
    fn who_says_too_much_is_heard_again_after_a_while() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        let said = event("u", Severity::Error, "again");
        let heard = (0..40).filter_map(|_| hear(&mut crowd, &said, now)).count();
        assert_eq!(heard, 25);
        assert!(hear(&mut crowd, &event("v", Severity::Error, "again"), now).is_some());
        let later = now + ONE_EACH;
        assert_eq!(hear(&mut crowd, &said, later), Some((41, false)), "what nobody heard counts");
        assert_eq!(hear(&mut crowd, &said, later), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut crowd = Crowd::default();
        for number in 0..REMEMBERED + 10 {
            hear(&mut crowd, &event(&number.to_string(), Severity::Info, "x"), Instant::now());
        }
        assert_eq!((crowd.alike.kept.len(), crowd.said.kept.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(crowd.shares.kept.len(), REMEMBERED);
    }
}
