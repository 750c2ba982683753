//! A disruption budget's status: how many of its pods there are and may go.
//!
//! Follows: the disruption controller of kube-controller-manager 1.36. Where workloads are said to be ready and have
//! no pods, each counts for the pods that it says it has.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::write_status;
use crate::app::App;
use crate::clock;
use crate::conditions::holds;
use crate::fields::{self, get, text};
use crate::keys::{BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS};
use crate::kinds::Resource;
use crate::select;
use crate::storage::Key;

/// Where there are budgets; nothing is looked at elsewhere.
#[derive(Default)]
pub(crate) struct Budgets {
    /// Names of budgets by namespace.
    known: HashMap<String, HashSet<String>>,
    /// Namespaces to be counted anew once the changes at hand are through.
    touched: HashSet<String>,
    /// Namespaces in which pods were allowed to go that are still there, and when to look again.
    waiting: HashMap<String, Instant>,
    /// Until when namespaces are not counted anew: counting goes through all their pods.
    resting: HashMap<String, Instant>,
}

impl Budgets {
    /// Notes that an object was written, or went.
    pub(crate) fn note(&mut self, key: &Key, is_there: bool) {
        if &*key.resource == BUDGETS {
            let names = self.known.entry(key.namespace.clone()).or_default();
            if is_there {
                names.insert(key.name.clone());
            } else {
                names.remove(&key.name);
            }
            if names.is_empty() {
                self.known.remove(&key.namespace);
            }
        }
        let counts = || COUNTED.contains(&&*key.resource);
        if !self.known.is_empty() && counts() && self.known.contains_key(&key.namespace) {
            self.touched.insert(key.namespace.clone());
        }
    }

    /// Counts anew wherever something happened.
    pub(crate) fn count_due(&mut self, app: &App) {
        if !app.ready_workloads {
            return self.touched.clear();
        }
        for namespace in self.due(Instant::now()) {
            let (since, refused) = (Instant::now(), app.store.refused());
            let waits = count_in(app, &namespace);
            self.counted(namespace.clone(), since, since.elapsed(), waits);
            if app.store.refused() != refused {
                self.touched.insert(namespace);
            }
        }
    }

    /// The namespaces to be counted now.
    fn due(&mut self, now: Instant) -> Vec<String> {
        self.resting.retain(|_, until| *until > now);
        let waited = self.waiting.extract_if(|_, until| *until <= now).map(|(namespace, _)| namespace);
        self.touched.extend(waited);
        let due = |namespace: &String| !self.resting.contains_key(namespace);
        self.touched.extract_if(due).collect()
    }

    /// Notes that a namespace was counted, and whether it waits for pods to go. Counting takes a small part of the time.
    fn counted(&mut self, namespace: String, since: Instant, took: Duration, waits: bool) {
        if waits {
            let time = Duration::from_secs(DELETION_TIMEOUT.unsigned_abs() + 1);
            self.waiting.insert(namespace.clone(), since + time);
        } else {
            self.waiting.remove(&namespace);
        }
        self.resting.insert(namespace, since + took * REST);
    }

    /// When to look again although nothing happens.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let rested = self.touched.iter().filter_map(|namespace| self.resting.get(namespace));
        let next = rested.chain(self.waiting.values()).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }
}

/// How many pods a budget has and needs, and how many may go.
#[derive(Clone, Copy)]
pub(crate) struct Count {
    pub(crate) healthy: i64,
    pub(crate) desired: i64,
    pub(crate) allowed: i64,
}

impl Count {
    /// What the status of a budget says.
    pub(crate) fn stated(status: &Value) -> Self {
        let [healthy, desired, allowed] = ["currentHealthy", "desiredHealthy", "disruptionsAllowed"]
            .map(|name| status[name].as_i64().unwrap_or(0));
        Self { healthy, desired, allowed }
    }

    /// Counts for a budget whose status nobody keeps.
    pub(crate) fn now(app: &App, namespace: &str, budget: &Value) -> Self {
        Self::stated(&status(app, budget, &pods(app, namespace), clock::unix()))
    }
}

/// Counts anew for all budgets of a namespace; whether pods that were allowed to go are still there.
fn count_in(app: &App, namespace: &str) -> bool {
    let resource: Arc<str> = Arc::from(BUDGETS);
    let pods = pods(app, namespace);
    let mut waits = false;
    for stored in app.store.list(&resource, Some(namespace)).items {
        let budget = stored.object();
        let status = status(app, &budget, &pods, clock::unix());
        waits |= status["disruptedPods"].is_object();
        if status != budget["status"] {
            write_status(app, &Key::new(&resource, namespace, fields::name(&budget)), &stored, status);
        }
    }
    waits
}

/// A pod, or so many alike of a workload that is said to have them.
struct Pods {
    count: i64,
    healthy: i64,
    /// What the selector sees.
    object: Value,
    controller: Option<Value>,
}

fn pods(app: &App, namespace: &str) -> Vec<Pods> {
    let list = |resource: &str| app.store.list(&Arc::from(resource), Some(namespace)).items;
    let mut all: Vec<Pods> = list(PODS).iter().map(|stored| one(stored.object())).collect();
    // Elsewhere they have the pods that somebody made.
    for (resource, kind) in WORKLOADS.into_iter().filter(|_| app.ready_workloads) {
        for stored in list(resource) {
            let object = stored.object();
            // A set of a Deployment counts for that.
            if controller_of(&object).is_some_and(|owner| owner["kind"] == "Deployment")
                || fields::is_deleting(&object)
            {
                continue;
            }
            let count = match resource {
                "daemonsets.apps" => 1,
                _ => replicas(&object),
            };
            if count > 0 {
                let reference = super::reference(kind, &object);
                let template = object["spec"]["template"].clone();
                all.push(Pods { count, healthy: count, object: template, controller: Some(reference) });
            }
        }
    }
    all
}

fn one(pod: Value) -> Pods {
    let healthy = !fields::is_deleting(&pod) && holds(&pod, "Ready");
    Pods { count: 1, healthy: i64::from(healthy), controller: controller_of(&pod).cloned(), object: pod }
}

fn controller_of(object: &Value) -> Option<&Value> {
    let references = get(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    references.into_iter().flatten().find(|reference| reference["controller"] == true)
}

fn replicas(workload: &Value) -> i64 {
    get(workload, &["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(1)
}

/// The status that a budget has at a time in seconds since 1970.
fn status(app: &App, budget: &Value, pods: &[Pods], now: i64) -> Value {
    let (spec, old) = (&budget["spec"], &budget["status"]);
    let chosen =
        |pods: &&Pods| !spec["selector"].is_null() && select::chooses(&spec["selector"], &pods.object);
    let chosen: Vec<&Pods> = pods.iter().filter(chosen).collect();
    let namespace = fields::meta(budget, "namespace");
    let (expected, desired) = match wanted(app, namespace, spec, &chosen) {
        Ok(counts) => counts,
        Err(why) => return failed(old, &why),
    };
    let disrupted = disrupted(old, &chosen, now);
    let leaves = |pods: &Pods| disrupted.contains_key(fields::name(&pods.object));
    let healthy: i64 = chosen.iter().filter(|pods| !leaves(pods)).map(|pods| pods.healthy).sum();
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let seen = budget["metadata"]["generation"].as_i64().unwrap_or(1);
    let (state, reason) = match allowed {
        0 => ("False", "InsufficientPods"),
        _ => ("True", "SufficientPods"),
    };
    let mut status = json!({"observedGeneration": seen});
    if !disrupted.is_empty() {
        status["disruptedPods"] = disrupted.into();
    }
    for (name, count) in [
        ("disruptionsAllowed", allowed),
        ("currentHealthy", healthy),
        ("desiredHealthy", desired),
        ("expectedPods", expected),
    ] {
        status[name] = count.into();
    }
    status["conditions"] = with_condition(old, seen, state, reason, "");
    status
}

/// How many pods there should be, and how many of them should be healthy.
fn wanted(app: &App, namespace: &str, spec: &Value, chosen: &[&Pods]) -> Result<(i64, i64), String> {
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !most.is_null() {
        let expected = scale(app, namespace, chosen)?;
        Ok((expected, (expected - share(most, expected)).max(0)))
    } else if let Some(least) = least.as_i64() {
        Ok((chosen.iter().map(|pods| pods.count).sum(), least))
    } else if least.is_string() {
        let expected = scale(app, namespace, chosen)?;
        Ok((expected, share(least, expected)))
    } else {
        Ok((0, 0))
    }
}

/// A number, or a share of the whole, rounded up.
fn share(of: &Value, whole: i64) -> i64 {
    match of.as_str().and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok()) {
        Some(percent) => whole.saturating_mul(percent).saturating_add(99) / 100,
        None => of.as_i64().unwrap_or(0),
    }
}

/// The replicas of everything that controls some of the pods; pods that nobody controls do not count.
fn scale(app: &App, namespace: &str, chosen: &[&Pods]) -> Result<i64, String> {
    let mut found: HashMap<String, i64> = HashMap::new();
    for pods in chosen {
        let Some(controller) = &pods.controller else { continue };
        if found.contains_key(text(controller, &["uid"])) {
            continue;
        }
        let name = || fields::name(&pods.object);
        let (uid, scale) = scale_of(app, namespace, controller)?
            .ok_or_else(|| format!("found no controllers for pod \"{}\"", name()))?;
        found.insert(uid, scale);
    }
    Ok(found.values().sum())
}

/// Who says how many pods there should be, and how many.
fn scale_of(app: &App, namespace: &str, reference: &Value) -> Result<Option<(String, i64)>, String> {
    let (version, kind) = (text(reference, &["apiVersion"]), text(reference, &["kind"]));
    let kinds = app.kinds.current();
    let Some(resource) = kinds.kind(version, kind) else {
        let group = crate::kinds::split_api_version(version);
        return Err(format!("no matches for kind \"{kind}\" in version \"{}\"", group_version(group)));
    };
    let Some(path) = path_of_scale(resource) else {
        return Err(format!("{} does not implement the scale subresource", resource.key));
    };
    let owner = app.store.get(&Key::new(&resource.key, namespace, text(reference, &["name"])));
    let Some(owner) = owner.map(|stored| stored.object()) else { return Ok(None) };
    if fields::uid(&owner) != text(reference, &["uid"]) {
        return Ok(None);
    }
    if kind == "ReplicaSet"
        && let Some(above) = controller_of(&owner).filter(|above| above["kind"] == "Deployment")
    {
        return scale_of(app, namespace, above);
    }
    let steps: Vec<&str> = path.trim_start_matches('.').split('.').collect();
    let scale = get(&owner, &steps).and_then(Value::as_i64).unwrap_or(0);
    Ok(Some((fields::uid(&owner).to_owned(), scale)))
}

fn group_version((group, version): (&str, &str)) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Where an object of a kind keeps its replicas; nothing for kinds that have no scale.
fn path_of_scale(resource: &Resource) -> Option<String> {
    match &resource.custom {
        Some(custom) => Some(text(custom.scale.as_ref()?, &["specReplicasPath"]).to_owned()),
        None => {
            resource.subresources.iter().any(|sub| sub.name == "scale").then(|| ".spec.replicas".to_owned())
        }
    }
}

/// The pods that were allowed to go and are still there, for two minutes.
fn disrupted(old: &Value, chosen: &[&Pods], now: i64) -> Map<String, Value> {
    let known = old["disruptedPods"].as_object().into_iter().flatten();
    let stays = |name: &str| {
        let mut there = chosen.iter().map(|pods| &pods.object);
        there.any(|pod| fields::name(pod) == name && !fields::is_deleting(pod))
    };
    let recent = |since: &Value| {
        let since = since.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        since.is_some_and(|since| since.as_second().saturating_add(DELETION_TIMEOUT) >= now)
    };
    known
        .filter(|(name, since)| recent(since) && stays(name))
        .map(|(name, since)| (name.clone(), since.clone()))
        .collect()
}

/// The status of a budget that cannot be counted: nothing may go.
fn failed(old: &Value, why: &str) -> Value {
    let mut status = old.clone();
    for name in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
        if name == "disruptionsAllowed" || status[name].is_null() {
            status[name] = 0.into();
        }
    }
    let seen = old["observedGeneration"].as_i64().unwrap_or(0);
    status["conditions"] = with_condition(old, seen, "False", "SyncFailed", why);
    status
}

fn with_condition(old: &Value, seen: i64, state: &str, reason: &str, message: &str) -> Value {
    let mut conditions = old["conditions"].clone();
    let mut known = conditions.as_array().into_iter().flatten();
    let before = known.find(|known| known["type"] == ALLOWED).filter(|before| before["status"] == state);
    let since = before.map_or_else(|| clock::now().into(), |before| before["lastTransitionTime"].clone());
    let mut condition = json!({"type": ALLOWED, "status": state});
    if seen > 0 {
        condition["observedGeneration"] = seen.into();
    }
    condition["lastTransitionTime"] = since;
    condition["reason"] = reason.into();
    condition["message"] = message.into();
    crate::conditions::put(&mut conditions, condition);
    conditions
}

const ALLOWED: &str = "DisruptionAllowed";
/// Kinds whose changes may change a count.
const COUNTED: [&str; 7] = [
    BUDGETS,
    PODS,
    DEPLOYMENTS,
    REPLICA_SETS,
    "statefulsets.apps",
    "daemonsets.apps",
    "replicationcontrollers",
];
/// Workloads that are said to have pods.
const WORKLOADS: [(&str, &str); 4] = [
    (DEPLOYMENTS, "Deployment"),
    (REPLICA_SETS, "ReplicaSet"),
    ("statefulsets.apps", "StatefulSet"),
    ("daemonsets.apps", "DaemonSet"),
];
/// How many times as long as it took to count a namespace it is left alone from then on.
const REST: u32 = 20;
/// Seconds after which a pod that was allowed to go and has not gone counts again.
const DELETION_TIMEOUT: i64 = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_to_count_is_counted_less_often() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        let touch =
            |budgets: &mut Budgets| ["large", "small"].map(|name| budgets.touched.insert(name.to_owned()));
        let due = |budgets: &mut Budgets, seconds: u64| {
            let mut due = budgets.due(now + Duration::from_secs(seconds));
            due.sort();
            due
        };
        touch(&mut budgets);
        assert_eq!(due(&mut budgets, 0), ["large", "small"]);
        budgets.counted("large".to_owned(), now, Duration::from_secs(1), false);
        budgets.counted("small".to_owned(), now, Duration::from_millis(1), true);
        touch(&mut budgets);
        assert_eq!(due(&mut budgets, 1), ["small"]);
        assert!(budgets.pause().is_some_and(|pause| pause > Duration::from_secs(10)));
        assert_eq!(due(&mut budgets, 19), Vec::<String>::new());
        assert_eq!(due(&mut budgets, 20), ["large"], "it was touched, and waited");
        assert_eq!(due(&mut budgets, 121), ["small"], "its pods may have gone or not");
        assert_eq!(budgets.pause(), None);
    }

    #[test]
    fn pods_that_may_go_are_waited_for_two_minutes() {
        let old = json!({"disruptedPods": {
            "a": "1970-01-01T00:10:00Z", "b": "1970-01-01T00:07:59Z", "gone": "1970-01-01T00:10:00Z",
            "leaves": "1970-01-01T00:10:00Z",
        }});
        let named = |name: &str| one(json!({"metadata": {"name": name}}));
        let leaves = json!({"metadata": {"name": "leaves", "deletionTimestamp": "1970-01-01T00:10:00Z"}});
        let pods = [named("a"), named("b"), one(leaves)];
        let left = disrupted(&old, &pods.iter().collect::<Vec<_>>(), 600);
        assert_eq!(Value::from(left), json!({"a": "1970-01-01T00:10:00Z"}));
        assert_eq!(share(&json!("30%"), 10), 3);
        assert_eq!(share(&json!("31%"), 10), 4);
        assert_eq!(share(&json!(7), 10), 7);
    }
}
