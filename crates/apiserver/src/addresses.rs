//! Addresses and ports of Services: what is taken, and what a Service gets.
//!
//! Whoever writes a Service holds the pool until the write is made, so that nothing is given out twice.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{ReentrantMutex, ReentrantMutexGuard};
use serde_json::{Map, Value, json};

use crate::causes::Cause;
use crate::checks::{needs_health_port, stated_addresses};
use crate::clock;
use crate::fields::{self, text};
use crate::keys::SERVICES;
use crate::kinds::Resource;
use crate::status_error::Status;
use crate::storage::{Key, Next, Store};

/// What Services hold.
#[derive(Default)]
pub(crate) struct Pool {
    used: ReentrantMutex<RefCell<Used>>,
}

impl Pool {
    /// Keeps other writers of Services out until the answer is dropped.
    pub(crate) fn alone(&self, resource: &Resource) -> Option<ReentrantMutexGuard<'_, RefCell<Used>>> {
        (&*resource.key == SERVICES).then(|| self.used.lock())
    }
}

/// The addresses and ports that are held, as of a revision of the store.
#[derive(Default)]
pub(crate) struct Used {
    seen: Option<u64>,
    held: HashMap<Key, Holding>,
    addresses: HashMap<String, usize>,
    ports: HashMap<i64, usize>,
}

struct Holding {
    addresses: Vec<String>,
    ports: Vec<i64>,
}

impl Used {
    /// Takes in what was written since it was last asked.
    fn follow(&mut self, store: &Store) {
        let resource: Arc<str> = Arc::from(SERVICES);
        let news = self.seen.and_then(|seen| store.changes(&resource, seen, (usize::MAX, usize::MAX)));
        if let Some(Next { reached, changes, .. }) = news {
            for change in changes {
                self.release(&change.key);
                if let Some(stored) = change.value {
                    self.hold(change.key, &stored.object());
                }
            }
            self.seen = Some(reached);
            return;
        }
        *self = Self::default();
        let listing = store.list(&resource, None);
        for stored in listing.items {
            let service = stored.object();
            let key = Key::new(&resource, fields::meta(&service, "namespace"), fields::name(&service));
            self.hold(key, &service);
        }
        self.seen = Some(listing.revision);
    }

    fn hold(&mut self, key: Key, service: &Value) {
        let holding = Holding { addresses: addresses_of(service), ports: ports_of(service) };
        for address in &holding.addresses {
            *self.addresses.entry(address.clone()).or_default() += 1;
        }
        for port in &holding.ports {
            *self.ports.entry(*port).or_default() += 1;
        }
        self.held.insert(key, holding);
    }

    fn release(&mut self, key: &Key) {
        let Some(holding) = self.held.remove(key) else { return };
        for address in holding.addresses {
            let left = self.addresses.remove(&address).unwrap_or(1) - 1;
            if left > 0 {
                self.addresses.insert(address, left);
            }
        }
        for port in holding.ports {
            let left = self.ports.remove(&port).unwrap_or(1) - 1;
            if left > 0 {
                self.ports.insert(port, left);
            }
        }
    }

    fn free_address(&self) -> Option<String> {
        let start = clock::below(ADDRESSES);
        let address = |step: u32| {
            let number = (start + step) % ADDRESSES + 256;
            format!("10.96.{}.{}", number >> 8, number & 255)
        };
        (0..ADDRESSES).map(address).find(|address| !self.addresses.contains_key(address))
    }

    fn free_port(&self, fresh: &HashSet<i64>) -> Option<i64> {
        let start = i64::from(clock::below(PORTS));
        let port = |step: i64| FIRST_PORT + (start + step) % i64::from(PORTS);
        let taken = |port: &i64| self.ports.contains_key(port) || fresh.contains(port);
        (0..i64::from(PORTS)).map(port).find(|port| !taken(port))
    }
}

fn addresses_of(service: &Value) -> Vec<String> {
    let list = service["spec"]["clusterIPs"].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).filter(|address| *address != "None").map(str::to_owned).collect()
}

fn ports_of(service: &Value) -> Vec<i64> {
    let spec = &service["spec"];
    let list = spec["ports"].as_array().into_iter().flatten();
    let node_ports = list.filter_map(|port| port["nodePort"].as_i64());
    node_ports.chain(spec["healthCheckNodePort"].as_i64()).filter(|port| *port != 0).collect()
}

/// Gives a Service its addresses and ports; `old` is what it was before.
///
/// # Errors
/// When what it states is taken, out of range, or of a family that there is not.
pub(crate) fn assign(
    pool: &Pool,
    store: &Store,
    old: Option<&Value>,
    service: &mut Value,
) -> Result<(), Status> {
    let guard = pool.used.lock();
    let mut used = guard.borrow_mut();
    used.follow(store);
    if let Some(old) = old {
        keep(old, service);
        drop_unneeded(old, service);
    }
    let name = fields::name(service).to_owned();
    let refused = |cause: Cause| Status::invalid("", "Service", &name, vec![cause]);
    let held = old.map(|old| (addresses_of(old), ports_of(old))).unwrap_or_default();
    if service["spec"]["type"] != "ExternalName" {
        line_up(old, fields::child(service, "spec"));
        let causes = stated_addresses(service);
        if !causes.is_empty() {
            return Err(Status::invalid("", "Service", &name, causes));
        }
        families(service).map_err(refused)?;
        cluster_address(&used, &held.0, fields::child(service, "spec")).map_err(refused)?;
    }
    node_ports(&used, old, &held.1, service).map_err(refused)?;
    health_port(&used, &held.1, service)
}

/// What a Service does not state stays as it was.
fn keep(old: &Value, new: &mut Value) {
    let external = |service: &Value| service["spec"]["type"] == "ExternalName";
    if !external(old) && !external(new) {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            let stated = fields::get(new, &["spec", key]).is_some_and(|value| !is_nothing(value));
            let follows = key == "clusterIPs" && !text(new, &["spec", "clusterIP"]).is_empty();
            if let Some(value) = old["spec"].get(key).filter(|_| !stated && !follows) {
                fields::child(new, "spec").insert(key.into(), value.clone());
            }
        }
    }
    let reached = |service: &Value| matches!(text(service, &["spec", "type"]), "NodePort" | "LoadBalancer");
    if reached(old) && reached(new) {
        let before = old["spec"]["ports"].as_array().cloned().unwrap_or_default();
        for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
            let alike = |held: &&Value| held["port"] == port["port"] && held["protocol"] == port["protocol"];
            let found = before.iter().find(alike).and_then(|held| held["nodePort"].as_i64());
            if let Some(number) = found.filter(|_| port["nodePort"].as_i64().unwrap_or(0) == 0) {
                port["nodePort"] = number.into();
            }
        }
    }
    let health = old["spec"]["healthCheckNodePort"].clone();
    if needs_health_port(old) && needs_health_port(new) && is_nothing(&new["spec"]["healthCheckNodePort"]) {
        new["spec"]["healthCheckNodePort"] = health;
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        _ => false,
    }
}

/// Fields that the new type has no use for go, unless they were changed too.
fn drop_unneeded(old: &Value, new: &mut Value) {
    let kind = |service: &Value| text(service, &["spec", "type"]).to_owned();
    let (was, is) = (kind(old), kind(new));
    let reached = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    let mut gone: Vec<&str> = Vec::new();
    if was != "ExternalName" && is == "ExternalName" {
        gone.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]);
    }
    if needs_health_port(old) && !needs_health_port(new) {
        gone.push("healthCheckNodePort");
    }
    if was == "LoadBalancer" && is != "LoadBalancer" {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
        new["status"] = json!({"loadBalancer": {}});
    }
    if is_reachable(old) && !is_reachable(new) {
        gone.push("externalTrafficPolicy");
    }
    let held: HashSet<i64> = ports_of(old).into_iter().collect();
    if reached(&was) && !reached(&is) && ports_of(new).iter().all(|port| held.contains(port)) {
        let ports = new["spec"]["ports"].as_array_mut().into_iter().flatten();
        ports.for_each(|port| fields::remove(port, "nodePort"));
    }
    let spec = fields::child(new, "spec");
    for key in gone {
        if spec.get(key) == old["spec"].get(key) {
            spec.shift_remove(key);
        }
    }
}

fn is_reachable(service: &Value) -> bool {
    let spec = &service["spec"];
    match text(service, &["spec", "type"]) {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => !is_nothing(&spec["externalIPs"]),
        _ => false,
    }
}

/// `clusterIP` and `clusterIPs` say the same when only one of them was stated or changed.
fn line_up(old: Option<&Value>, spec: &mut Map<String, Value>) {
    let one = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = spec.get("clusterIPs").cloned().unwrap_or_default();
    let moved =
        old.is_some_and(|old| text(old, &["spec", "clusterIP"]) != one && old["spec"]["clusterIPs"] == all);
    if !one.is_empty() && (is_nothing(&all) || moved) {
        spec.insert("clusterIPs".into(), json!([one]));
    } else if one.is_empty()
        && let Some(first) = all.get(0).cloned().filter(|_| old.is_none())
    {
        spec.insert("clusterIP".into(), first);
    }
}

/// The families of addresses; there is one, but for Services that only name what others find.
fn families(service: &mut Value) -> Result<(), Cause> {
    let selects = service["spec"]["selector"].as_object().is_some_and(|labels| !labels.is_empty());
    let bare = service["spec"]["clusterIP"] == "None" && !selects;
    let spec = fields::child(service, "spec");
    let policy = if bare { "RequireDualStack" } else { "SingleStack" };
    spec.entry("ipFamilyPolicy").or_insert_with(|| json!(policy));
    let policy = spec.get("ipFamilyPolicy").and_then(Value::as_str).unwrap_or_default().to_owned();
    let stated = spec.get("ipFamilies").and_then(Value::as_array).cloned().unwrap_or_default();
    let shown = json!(policy);
    if policy == "SingleStack" && stated.len() == 2 {
        let why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified";
        return Err(Cause::invalid("spec.ipFamilyPolicy", &shown, why));
    }
    if bare {
        let first = stated.first().cloned().unwrap_or_else(|| json!("IPv4"));
        let other = if first == "IPv6" { "IPv4" } else { "IPv6" };
        let both = if policy == "SingleStack" { json!([first]) } else { json!([first, other]) };
        if stated.len() < 2 {
            spec.insert("ipFamilies".into(), both);
        }
        return Ok(());
    }
    if policy == "RequireDualStack" {
        let why = "this cluster is not configured for dual-stack services";
        return Err(Cause::invalid("spec.ipFamilyPolicy", &shown, why));
    }
    if let Some(at) = stated.iter().position(|family| family == "IPv6") {
        let place = format!("spec.ipFamilies[{at}]");
        return Err(Cause::invalid(place, &json!("IPv6"), "not configured on this cluster"));
    }
    if stated.is_empty() {
        spec.insert("ipFamilies".into(), json!(["IPv4"]));
    }
    Ok(())
}

fn cluster_address(used: &Used, held: &[String], spec: &mut Map<String, Value>) -> Result<(), Cause> {
    let all = spec.get("clusterIPs").cloned().unwrap_or_default();
    if is_nothing(&all) {
        let why = "failed to allocate IP: range is full";
        let free = used.free_address().ok_or_else(|| Cause::invalid("spec.clusterIPs", &json!([]), why))?;
        spec.insert("clusterIP".into(), free.as_str().into());
        spec.insert("clusterIPs".into(), json!([free]));
        return Ok(());
    }
    if !held.is_empty() {
        // What changed is refused with the rest of what is wrong.
        return Ok(());
    }
    for stated in all.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let why = match stated.parse::<IpAddr>() {
            Ok(IpAddr::V4(found)) if found.octets()[0] == 10 && found.octets()[1] & 0xf0 == 96 => {
                if !used.addresses.contains_key(stated) {
                    continue;
                }
                "provided IP is already allocated"
            }
            Ok(_) => "the provided network does not match the current range",
            Err(_) => continue,
        };
        let why = format!("failed to allocate IP {stated}: {why}");
        return Err(Cause::invalid("spec.clusterIPs", &all, &why));
    }
    Ok(())
}

fn node_ports(used: &Used, old: Option<&Value>, held: &[i64], service: &mut Value) -> Result<(), Cause> {
    let kind = text(service, &["spec", "type"]).to_owned();
    if !matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        return Ok(());
    }
    let wanted = kind == "NodePort" || service["spec"]["allocateLoadBalancerNodePorts"] != false;
    // One number serves a port for every protocol.
    let mut shared: HashMap<i64, i64> = HashMap::new();
    // What the Service states further on is not given to a port before it.
    let mut fresh: HashSet<i64> = ports_of(service).into_iter().collect();
    for (at, port) in service["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
        let (stated, number) = (port["nodePort"].as_i64().unwrap_or(0), port["port"].as_i64().unwrap_or(0));
        let place = format!("spec.ports[{at}].nodePort");
        let found = if stated != 0 {
            let taken = used.ports.contains_key(&stated) && !held.contains(&stated);
            port_fault(stated, taken)
                .map_or(Ok(()), |why| Err(Cause::invalid(&place, &json!(stated), why)))?;
            stated
        } else if !wanted {
            continue;
        } else if let Some(number) = shared.get(&number).filter(|_| old.is_none()) {
            *number
        } else {
            let why = "failed to allocate a nodePort: range is full";
            used.free_port(&fresh).ok_or_else(|| Cause::invalid(&place, &json!(0), why))?
        };
        shared.insert(number, found);
        fresh.insert(found);
        port["nodePort"] = found.into();
    }
    Ok(())
}

fn port_fault(port: i64, taken: bool) -> Option<&'static str> {
    if !(FIRST_PORT..FIRST_PORT + i64::from(PORTS)).contains(&port) {
        return Some("provided port is not in the valid range. The range of valid ports is 30000-32767");
    }
    taken.then_some("provided port is already allocated")
}

fn health_port(used: &Used, held: &[i64], service: &mut Value) -> Result<(), Status> {
    if !needs_health_port(service) {
        return Ok(());
    }
    let stated = service["spec"]["healthCheckNodePort"].as_i64().unwrap_or(0);
    if stated != 0 {
        let taken = used.ports.contains_key(&stated) && !held.contains(&stated);
        return match port_fault(stated, taken) {
            Some(why) => Err(Status::internal(format!(
                "failed to allocate requested HealthCheck NodePort {stated}: {why}"
            ))),
            None => Ok(()),
        };
    }
    let own = ports_of(service).into_iter().collect();
    let full = || Status::internal("failed to allocate a HealthCheck NodePort 0: range is full");
    service["spec"]["healthCheckNodePort"] = used.free_port(&own).ok_or_else(full)?.into();
    Ok(())
}

/// Addresses of 10.96.1.0 up to 10.96.255.255.
const ADDRESSES: u32 = 255 * 256;
/// Ports from 30000 up to 32767.
const FIRST_PORT: i64 = 30_000;
const PORTS: u32 = 2768;
