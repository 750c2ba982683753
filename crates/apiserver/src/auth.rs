//! Who asks, and whether they may: tokens, impersonation, RBAC.

pub(crate) mod token;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::escapes::decoded_path;
use crate::fields;
use crate::go_text;
use crate::keys;
use crate::status_error::Status;
use crate::storage::{Key, Store};
use crate::user::User;
use token::{Claims, Signer};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    pub verb: String,
    pub group: String,
    /// Plural, with `/sub` for subresources.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    /// A path that is no resource; then the other fields are empty.
    pub path: Option<String>,
}

/// The secrets that tell users apart.
pub(crate) struct Auth {
    token: secrecy::SecretString,
    signer: Signer,
}

impl Auth {
    pub(crate) fn new(token: secrecy::SecretString, signer: Signer) -> Self {
        Self { token, signer }
    }

    /// The user of a bearer token.
    pub(crate) fn user_of(&self, token: &str, store: &Store) -> Option<User> {
        self.user_for(token, &[token::ISSUER.to_owned()], store).map(|(user, _)| user)
    }

    /// Whose token it is, when it is meant for one of these audiences, and which of them it is meant for.
    pub(crate) fn user_for(
        &self,
        token: &str,
        audiences: &[String],
        store: &Store,
    ) -> Option<(User, Vec<String>)> {
        use secrecy::ExposeSecret;
        if bool::from(token.as_bytes().ct_eq(self.token.expose_secret().as_bytes())) {
            // It is good here and nowhere else.
            let meant: Vec<String> =
                audiences.iter().filter(|known| *known == token::ISSUER).cloned().collect();
            let groups = vec!["system:masters".into(), "system:authenticated".into()];
            let user = User { name: "kubernetes-admin".into(), groups, ..User::default() };
            return (!meant.is_empty()).then_some((user, meant));
        }
        let claims = self.signer.verify(token, crate::clock::unix(), audiences)?;
        let key = Key::new(&Arc::from(keys::SERVICE_ACCOUNTS), &claims.namespace, &claims.name);
        let account = store.get(&key)?.object();
        if fields::uid(&account) != claims.uid {
            return None;
        }
        if claims.bound.as_ref().is_some_and(|bound| !lives(bound, &claims.namespace, store)) {
            return None;
        }
        let mut user = User::service_account(&claims.namespace, &claims.name);
        for (key, value) in claims.bound.iter().flat_map(bound_extra) {
            user.extra.insert(key, vec![value]);
        }
        user.uid.clone_from(&claims.uid);
        user.extra
            .insert("authentication.kubernetes.io/credential-id".into(), vec![format!("JTI={}", claims.id)]);
        let meant = claims.audiences.into_iter().filter(|known| audiences.contains(known)).collect();
        Some((user, meant))
    }

    /// A token for a service account.
    pub(crate) fn issue(&self, claims: &Claims) -> String {
        self.signer.sign(claims)
    }

    /// Who sends a request, whoever he speaks for.
    ///
    /// # Errors
    /// 401 for a token that is not ours.
    pub(crate) fn caller(&self, headers: &HeaderMap, store: &Store) -> Result<User, Status> {
        let Some(value) = headers.get(http::header::AUTHORIZATION) else { return Ok(User::anonymous()) };
        let refused = || Status::plain(401, "Unauthorized", "Unauthorized");
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| refused())?.trim();
        let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match bearer.map(|(_, token)| token.trim()).filter(|token| !token.is_empty()) {
            Some(token) => self.user_of(token, store).ok_or_else(refused),
            // Other ways to log in are not known here, and passed over.
            None => Ok(User::anonymous()),
        }
    }
}

/// True while the object is there that a token goes with.
fn lives(bound: &token::Bound, namespace: &str, store: &Store) -> bool {
    let namespace = if bound.kind == "node" { "" } else { namespace };
    let key = Key::new(&Arc::from(bound.resource()), namespace, &bound.name);
    store.get(&key).is_some_and(|stored| fields::uid(&stored.object()) == bound.uid)
}

/// What a user's extra fields say about that object.
fn bound_extra(bound: &token::Bound) -> Vec<(String, String)> {
    if bound.kind == "secret" {
        return Vec::new();
    }
    let key = |part: &str| format!("authentication.kubernetes.io/{}-{part}", bound.kind);
    vec![(key("name"), bound.name.clone()), (key("uid"), bound.uid.clone())]
}

/// The one whom a user speaks for.
///
/// # Errors
/// 403 and 400 for impersonation that is not allowed or not complete.
pub(crate) fn impersonated(user: User, headers: &HeaderMap, store: &Store) -> Result<User, Status> {
    let mut other = named(headers)?;
    if other == User::default() {
        return Ok(user);
    }
    if other.name.is_empty() {
        return Err(Status::bad_request(
            "impersonation of groups, a uid or extra fields needs a user to impersonate",
        ));
    }
    for (group, resource, namespace, name) in parts(&other) {
        let wanted = Attributes {
            verb: "impersonate".into(),
            group: group.into(),
            resource,
            namespace: namespace.into(),
            name: name.into(),
            path: None,
        };
        require(&user, &wanted, store)?;
    }
    join_groups(&mut other);
    Ok(other)
}

/// The user that headers name.
fn named(headers: &HeaderMap) -> Result<User, Status> {
    let values = |name: &str| {
        headers.get_all(name).iter().map(|value| said(name, value)).collect::<Result<Vec<_>, _>>()
    };
    let name = values("impersonate-user")?.into_iter().next().unwrap_or_default();
    let groups = values("impersonate-group")?;
    let uid = values("impersonate-uid")?.into_iter().next().unwrap_or_default();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix("impersonate-extra-") {
            extra.entry(decoded_path(key)).or_default().push(said(name.as_str(), value)?);
        }
    }
    Ok(User { name, uid, groups, extra })
}

/// What RBAC knows the parts of a user by: group, resource, namespace and name.
fn parts(user: &User) -> Vec<(&'static str, String, &str, &str)> {
    const GROUP: &str = "authentication.k8s.io";
    let mut parts = vec![match account(&user.name) {
        Some((namespace, name)) => ("", "serviceaccounts".to_owned(), namespace, name),
        None => ("", "users".to_owned(), "", user.name.as_str()),
    }];
    parts.extend(user.groups.iter().map(|group| ("", "groups".to_owned(), "", group.as_str())));
    parts.extend((!user.uid.is_empty()).then(|| (GROUP, "uids".to_owned(), "", user.uid.as_str())));
    for (key, values) in &user.extra {
        parts.extend(values.iter().map(|value| (GROUP, format!("userextras/{key}"), "", value.as_str())));
    }
    parts
}

/// Namespace and name of the account that a user name stands for.
fn account(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("system:serviceaccount:")?.split_once(':')
}

/// Puts a user into the groups that he is in by his name.
fn join_groups(user: &mut User) {
    if let Some((namespace, name)) = account(&user.name)
        && user.groups.is_empty()
    {
        user.groups = User::service_account(namespace, name).groups;
    }
    let group = match user.name.as_str() {
        "system:anonymous" => "system:unauthenticated",
        _ if user.is_in("system:unauthenticated") => return,
        _ => "system:authenticated",
    };
    if !user.is_in(group) {
        user.groups.push(group.into());
    }
}

/// What a header says. One that cannot be read must not pass for one that is absent: it would leave the caller as he is.
fn said(name: &str, value: &HeaderValue) -> Result<String, Status> {
    let text = std::str::from_utf8(value.as_bytes());
    text.map(str::to_owned).map_err(|_| Status::bad_request(format!("the header {name} is not UTF-8")))
}

/// 403 in the reference's words when the user may not.
pub(crate) fn require(user: &User, wanted: &Attributes, store: &Store) -> Result<(), Status> {
    if allowed(user, wanted, store) {
        return Ok(());
    }
    let who = format!("User \"{}\" cannot {}", user.name, wanted.verb);
    if let Some(path) = &wanted.path {
        let mut status = Status::plain(403, "Forbidden", format!("forbidden: {who} path \"{path}\""));
        status.details = Some(crate::status_error::Details::default());
        return Err(status);
    }
    let place = if wanted.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", wanted.namespace)
    };
    let why = format!("{who} resource \"{}\" in API group \"{}\" {place}", wanted.resource, wanted.group);
    let plural = wanted.resource.split('/').next().unwrap_or_default();
    Err(Status::forbidden(&wanted.group, plural, &wanted.name, &why))
}

/// Whether RBAC lets the user do it.
pub(crate) fn allowed(user: &User, wanted: &Attributes, store: &Store) -> bool {
    user.is_in("system:masters") || granting(user, wanted, store, |_, _| ()).is_some()
}

/// Why RBAC lets the user do it; nobody says so of those who may do everything.
pub(crate) fn reason(user: &User, wanted: &Attributes, store: &Store) -> Option<String> {
    if user.is_in("system:masters") {
        return None;
    }
    granting(user, wanted, store, |binding, home| told(user, binding, home)).flatten()
}

/// The first binding that lets the user do it, and the namespace that it holds in.
fn granting<T>(
    user: &User,
    wanted: &Attributes,
    store: &Store,
    tell: impl Fn(&Value, &str) -> T,
) -> Option<T> {
    find_binding(user, &wanted.namespace, store, |binding, home| {
        let covered = with_rules(binding, home, store, |rules| rules.iter().any(|rule| covers(rule, wanted)));
        covered.then(|| tell(binding, home))
    })
}

/// Looks at the bindings that mean a user in a namespace, the cluster's first, until something is found.
fn find_binding<T>(
    user: &User,
    namespace: &str,
    store: &Store,
    mut look: impl FnMut(&Value, &str) -> Option<T>,
) -> Option<T> {
    let means = |binding: &Value, home: &str| {
        binding["subjects"].as_array().into_iter().flatten().any(|subject| is_meant(user, subject, home))
    };
    let clusters = store.parsed(keys::CLUSTER_ROLE_BINDINGS);
    let found = clusters.values().filter(|binding| means(binding, "")).find_map(|binding| look(binding, ""));
    if found.is_some() || namespace.is_empty() {
        return found;
    }
    let bindings = store.parsed(keys::ROLE_BINDINGS);
    let from = (namespace.to_owned(), String::new());
    let own = bindings.range(from..).take_while(|((home, _), _)| home == namespace);
    own.filter(|(_, binding)| means(binding, namespace)).find_map(|(_, binding)| look(binding, namespace))
}

/// Works on the rules of the role that a binding gives.
fn with_rules<T>(binding: &Value, home: &str, store: &Store, work: impl FnOnce(&[&Value]) -> T) -> T {
    let name = fields::text(binding, &["roleRef", "name"]).to_owned();
    let (resource, home) = match fields::text(binding, &["roleRef", "kind"]) {
        "ClusterRole" => (keys::CLUSTER_ROLES, ""),
        _ => (keys::ROLES, home),
    };
    let (own, clusters) = (store.parsed(resource), store.parsed(keys::CLUSTER_ROLES));
    let role = own.get(&(home.to_owned(), name));
    work(&role.map(|role| crate::gathered::rules(role, &clusters)).unwrap_or_default())
}

/// A binding, its role, and the first of its subjects that is meant.
fn told(user: &User, binding: &Value, home: &str) -> Option<String> {
    let subjects = binding["subjects"].as_array()?;
    let subject = subjects.iter().find(|subject| is_meant(user, subject, home))?;
    let kind = if home.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    let placed =
        |name: &str, home: &str| if home.is_empty() { name.to_owned() } else { format!("{name}/{home}") };
    let stated = fields::text(subject, &["namespace"]);
    let place = match (subject["kind"] == "ServiceAccount", stated) {
        (true, "") => home,
        (true, stated) => stated,
        (false, _) => "",
    };
    Some(format!(
        "RBAC: allowed by {kind} {:?} of {} {:?} to {} {:?}",
        placed(fields::name(binding), home),
        fields::text(binding, &["roleRef", "kind"]),
        fields::text(binding, &["roleRef", "name"]),
        fields::text(subject, &["kind"]),
        placed(fields::text(subject, &["name"]), place),
    ))
}

/// Whether a subject of a binding in a namespace is the user.
fn is_meant(user: &User, subject: &Value, namespace: &str) -> bool {
    match subject["kind"].as_str().unwrap_or_default() {
        "User" => subject["name"] == user.name.as_str(),
        "Group" => user.is_in(fields::text(subject, &["name"])),
        "ServiceAccount" => {
            let home = Some(fields::text(subject, &["namespace"]))
                .filter(|home| !home.is_empty())
                .unwrap_or(namespace);
            user.name == format!("system:serviceaccount:{home}:{}", fields::text(subject, &["name"]))
        }
        _ => false,
    }
}

/// Every rule that holds for a user in a namespace (cluster-wide ones when it is empty).
pub(crate) fn rules(user: &User, namespace: &str, store: &Store) -> Vec<Value> {
    let (mut out, mut seen) = (Vec::new(), HashSet::new());
    find_binding(user, namespace, store, |binding, home| {
        // A role that several bindings give is held once.
        let role = ["kind", "name"].map(|key| fields::text(binding, &["roleRef", key]).to_owned());
        if !seen.insert((home.to_owned(), role)) {
            return None;
        }
        let holds = |rule: &&Value| home.is_empty() || rule.get("nonResourceURLs").is_none();
        with_rules(binding, home, store, |rules| {
            out.extend(rules.iter().copied().filter(holds).cloned());
        });
        None::<()>
    });
    out
}

fn covers(rule: &Value, wanted: &Attributes) -> bool {
    let list = |key: &str| -> Vec<&str> {
        rule[key].as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    };
    let has = |key: &str, word: &str| list(key).iter().any(|known| *known == "*" || *known == word);
    if !has("verbs", &wanted.verb) {
        return false;
    }
    if let Some(path) = &wanted.path {
        return list("nonResourceURLs").iter().any(|known| match known.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == known,
        });
    }
    let subresource = wanted.resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    let resource = list("resources").iter().any(|known| {
        *known == "*" || *known == wanted.resource || subresource.as_deref().is_some_and(|any| any == *known)
    });
    let names = list("resourceNames");
    has("apiGroups", &wanted.group) && resource && (names.is_empty() || names.contains(&wanted.name.as_str()))
}

/// The rule of `cluster-admin`.
pub(crate) fn everything() -> Value {
    json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
}

/// The other rule of `cluster-admin`.
pub(crate) fn every_path() -> Value {
    json!({"verbs": ["*"], "nonResourceURLs": ["*"]})
}

/// The refusal to grant more than one has; `None` when the user may.
pub(crate) fn escalation(
    user: &User,
    rules: &[Value],
    namespace: &str,
    group_resource: (&str, &str),
    name: &str,
    store: &Store,
) -> Option<Status> {
    if user.is_in("system:masters") {
        return None;
    }
    let (group, resource) = group_resource;
    let refused = |missing: &str| {
        let why = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{missing}",
            user.name,
            quoted(user.groups.iter().map(String::as_str)),
        );
        Some(Status::forbidden(group, resource, name, &why))
    };
    if rules.iter().map(atom_count).fold(0, usize::saturating_add) > MOST_ATOMS {
        return refused(&format!("more than {MOST_ATOMS} single permissions; write them with \"*\""));
    }
    let held = self::rules(user, namespace, store);
    let Some(missing) = missing(&held, rules.iter().flat_map(atoms).collect(), MOST_LOOKED_AT) else {
        return refused(
            "more than can be told beside so many that are held; bind fewer roles, or write them with \"*\"",
        );
    };
    if missing.is_empty() { None } else { refused(&compact(&missing).join("\n")) }
}

/// Those of some single permissions that no rule covers; `None` when it takes looking at more words of rules than
/// `most`.
fn missing(held: &[Value], wanted: Vec<Attributes>, mut most: usize) -> Option<Vec<Attributes>> {
    // By their verbs, for most rules have others than the one that is asked for.
    let mut by_verb: HashMap<&str, Vec<(&Value, usize)>> = HashMap::new();
    let mut texts = HashSet::new();
    for rule in held.iter().filter(|rule| texts.insert(rule.to_string())) {
        let words: usize = WORDS.iter().map(|key| rule[*key].as_array().map_or(1, Vec::len)).sum();
        let verbs: HashSet<&str> =
            rule["verbs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for verb in verbs {
            by_verb.entry(verb).or_default().push((rule, words));
        }
    }
    let mut missing = Vec::new();
    for atom in wanted {
        let rules = ["*", &atom.verb].into_iter().filter_map(|verb| by_verb.get(verb)).flatten();
        let mut covered = false;
        for (rule, words) in rules {
            most = most.checked_sub(*words)?;
            if covers(rule, &atom) {
                covered = true;
                break;
            }
        }
        if !covered {
            missing.push(atom);
        }
    }
    Some(missing)
}

const WORDS: [&str; 5] = ["verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"];
/// Words of held rules that are compared with what somebody wants to grant.
const MOST_LOOKED_AT: usize = 50_000_000;

/// Single permissions as rules: those that differ in their verbs alone are one.
fn compact(atoms: &[Attributes]) -> Vec<String> {
    let mut rules: Vec<(&Attributes, Vec<&str>)> = Vec::new();
    for atom in atoms {
        let same = |(known, _): &&mut (&Attributes, Vec<&str>)| {
            known.path.is_none()
                && atom.path.is_none()
                && (&known.group, &known.resource, &known.name) == (&atom.group, &atom.resource, &atom.name)
        };
        match rules.iter_mut().find(same) {
            Some((_, verbs)) if verbs.contains(&atom.verb.as_str()) => {}
            Some((_, verbs)) => verbs.push(&atom.verb),
            None => rules.push((atom, vec![&atom.verb])),
        }
    }
    let mut lines: Vec<String> = rules.iter().map(|(atom, verbs)| shown_rule(atom, verbs)).collect();
    lines.sort();
    lines.dedup();
    lines
}

fn shown_rule(atom: &Attributes, verbs: &[&str]) -> String {
    let verbs = quoted(verbs.iter().copied());
    let one = |word: &str| quoted(std::iter::once(word));
    if let Some(path) = &atom.path {
        return format!("{{NonResourceURLs:{}, Verbs:{verbs}}}", one(path));
    }
    let names =
        if atom.name.is_empty() { String::new() } else { format!("ResourceNames:{}, ", one(&atom.name)) };
    let (group, resource) = (one(&atom.group), one(&atom.resource));
    format!("{{APIGroups:{group}, Resources:{resource}, {names}Verbs:{verbs}}}")
}

/// `["a" "b"]`
fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(go_text::quoted).collect();
    format!("[{}]", words.join(" "))
}

/// More single permissions than these are compared with nobody's rights.
const MOST_ATOMS: usize = 10_000;

/// How many single permissions a rule spells.
fn atom_count(rule: &Value) -> usize {
    let count = |key: &str| rule[key].as_array().map_or(0, Vec::len);
    let named =
        count("apiGroups").saturating_mul(count("resources")).saturating_mul(count("resourceNames").max(1));
    count("verbs").saturating_mul(count("nonResourceURLs").saturating_add(named))
}

/// A rule as single permissions.
fn atoms(rule: &Value) -> Vec<Attributes> {
    let list = |key: &str| -> Vec<String> {
        rule[key]
            .as_array()
            .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default()
    };
    let mut out = Vec::new();
    let names =
        Some(list("resourceNames")).filter(|names| !names.is_empty()).unwrap_or_else(|| vec![String::new()]);
    for verb in list("verbs") {
        for path in list("nonResourceURLs") {
            out.push(Attributes { verb: verb.clone(), path: Some(path), ..Attributes::default() });
        }
        for group in list("apiGroups") {
            for resource in list("resources") {
                out.extend(names.iter().map(|name| Attributes {
                    verb: verb.clone(),
                    group: group.clone(),
                    resource: resource.clone(),
                    name: name.clone(),
                    ..Attributes::default()
                }));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_holds_is_looked_at_only_so_long() {
        let rule = |verb: &str, number: usize| json!({"verbs": [verb], "apiGroups": [""], "resources": [number.to_string()]});
        let held: Vec<Value> = (0..100).map(|number| rule("get", number)).chain([everything()]).collect();
        let wanted = |verb: &str| (0..100).flat_map(|number| atoms(&rule(verb, number))).collect::<Vec<_>>();
        let left =
            |held: &[Value], verb: &str, most| missing(held, wanted(verb), most).map(|missing| missing.len());
        // All is covered by the one rule for all verbs, which is looked at first.
        assert_eq!(left(&held, "get", 500), Some(0));
        assert_eq!(left(&held[..50], "list", 0), Some(100));
        assert_eq!(left(&held[..50], "get", 100_000), Some(50));
        assert_eq!(left(&held[..50], "get", 1_000), None);
        let often = vec![rule("get", 1); 1_000];
        assert_eq!(left(&often, "get", 500), Some(99));
    }

    #[test]
    fn the_token_of_the_administrator_is_for_this_server() {
        let auth = Auth::new("t0k".to_owned().into(), Signer::new(zeroize::Zeroizing::new([1; 32])));
        let store = Store::new(None);
        let met = |audiences: &[&str]| {
            let audiences: Vec<String> = audiences.iter().map(|&audience| audience.to_owned()).collect();
            auth.user_for("t0k", &audiences, &store).map(|(_, met)| met)
        };
        assert_eq!(met(&[token::ISSUER, "vault"]), Some(vec![token::ISSUER.to_owned()]));
        assert_eq!(met(&["vault"]), None);
    }
}
