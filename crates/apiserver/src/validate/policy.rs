//! Expressions of admission policies: their variables, and whether they fit.
//!
//! Follows: `plugin/cel` of apiserver 1.36. Differs: expressions that make patches are read, and the objects that they
//! write down are not compared with their kinds.

use std::sync::Arc;

use sealfast_k8s::expression::kind::Type;

use super::checker::{self, Makes};

/// What an expression must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    Truth,
    Text,
    /// The value of an annotation, or null when there is to be none.
    TextOrNothing,
    /// Changes of the object.
    Patch,
    Anything,
}

/// The variables of the expressions of one policy.
pub(crate) struct Scope {
    /// Those that tell who may do what come first, for some expressions do not have them.
    variables: Vec<(String, Type)>,
}

impl Scope {
    /// What a condition knows: the request and its objects, and who may do what.
    pub(crate) fn plain() -> Self {
        let variables = [
            ("authorizer", Type::Library("kubernetes.authorization.Authorizer")),
            ("authorizer.requestResource", Type::Library("kubernetes.authorization.ResourceCheck")),
            ("object", Type::Dyn),
            ("oldObject", Type::Dyn),
            ("namespaceObject", namespace()),
            ("request", request()),
        ];
        Self { variables: variables.map(|(name, kind)| (name.to_owned(), kind)).into() }
    }

    /// What the expressions of a policy know beside that: its own variables, and its parameters if it has some.
    pub(crate) fn of_policy(has_params: bool) -> Self {
        let mut scope = Self::plain().with_params(has_params);
        scope.variables.push((COMPOSED.into(), object("kubernetes.variables", Vec::new())));
        scope
    }

    pub(crate) fn with_params(mut self, has_params: bool) -> Self {
        if has_params {
            self.variables.push(("params".into(), Type::Dyn));
        }
        self
    }

    /// Adds a variable of the policy.
    ///
    /// # Errors
    /// What is wrong with its expression; it is known all the same.
    pub(crate) fn add(&mut self, name: &str, expression: &str) -> Result<(), String> {
        let found = self.check(expression, Gives::Anything);
        let kind = found.clone().unwrap_or(Type::Dyn);
        if let Some((_, Type::Object(composed))) = self.variables.last_mut() {
            Arc::make_mut(composed).fields.insert(name.to_owned(), kind);
        }
        found.map(drop)
    }

    /// Why an expression cannot be taken; `None` when it can.
    pub(crate) fn fault(&mut self, expression: &str, gives: Gives) -> Option<String> {
        self.check(expression, gives).err()
    }

    fn check(&self, expression: &str, gives: Gives) -> Result<Type, String> {
        let known = if gives == Gives::Text { &self.variables[AUTHORIZERS..] } else { &self.variables };
        let makes = if gives == Gives::Patch { Makes::Objects } else { Makes::Values };
        let found = checker::type_of(expression, known, makes)?;
        let wanted: &[&str] = match gives {
            Gives::Truth => &["bool"],
            Gives::Text => &["string"],
            Gives::TextOrNothing => &["string", "null_type"],
            Gives::Patch | Gives::Anything => return Ok(found),
        };
        let name = match &found {
            Type::Null => "null_type".to_owned(),
            Type::Duration => "google.protobuf.Duration".to_owned(),
            Type::Timestamp => "google.protobuf.Timestamp".to_owned(),
            other => other.name(),
        };
        if wanted.contains(&name.as_str()) {
            return Ok(found);
        }
        Err(match wanted {
            [one] => format!("must evaluate to {one} but got {name}"),
            several => format!("must evaluate to one of [{}] but got {name}", several.join(" ")),
        })
    }
}

/// How many variables tell who may do what.
const AUTHORIZERS: usize = 2;
/// The variable that holds those of the policy.
const COMPOSED: &str = "variables";

fn object(name: &str, fields: Vec<(&str, Type)>) -> Type {
    Type::object(name, fields.into_iter().map(|(name, of)| (name.to_owned(), of)))
}

fn map(of: Type) -> Type {
    Type::map(Type::String, of)
}

fn texts(names: &[&'static str]) -> Vec<(&'static str, Type)> {
    names.iter().map(|name| (*name, Type::String)).collect()
}

/// The request, as expressions see it.
fn request() -> Type {
    let kind = object("kubernetes.GroupVersionKind", texts(&["group", "version", "kind"]));
    let resource = object("kubernetes.GroupVersionResource", texts(&["group", "version", "resource"]));
    let mut user = texts(&["username", "uid"]);
    user.extend([("groups", Type::list(Type::String)), ("extra", map(Type::list(Type::String)))]);
    let mut fields = texts(&["subResource", "requestSubResource", "name", "namespace", "operation"]);
    fields.extend([
        ("kind", kind.clone()),
        ("resource", resource.clone()),
        ("requestKind", kind),
        ("requestResource", resource),
        ("userInfo", object("kubernetes.UserInfo", user)),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ]);
    object("kubernetes.AdmissionRequest", fields)
}

/// The namespace of the object, as expressions see it.
fn namespace() -> Type {
    let mut metadata = texts(&["name", "generateName", "namespace", "UID", "resourceVersion"]);
    metadata.extend([
        ("labels", map(Type::String)),
        ("annotations", map(Type::String)),
        ("finalizers", Type::list(Type::String)),
        ("creationTimestamp", Type::Timestamp),
        ("deletionTimestamp", Type::Timestamp),
        ("deletionGracePeriodSeconds", Type::Int),
        ("generation", Type::Int),
    ]);
    let mut condition = texts(&["status", "type", "message", "reason"]);
    condition.push(("lastTransitionTime", Type::Timestamp));
    let status = vec![
        ("phase", Type::String),
        ("conditions", Type::list(object("kubernetes.NamespaceCondition", condition))),
    ];
    let spec = vec![("finalizers", Type::list(Type::String))];
    let fields = vec![
        ("metadata", object("kubernetes.NamespaceMetadata", metadata)),
        ("spec", object("kubernetes.NamespaceSpec", spec)),
        ("status", object("kubernetes.NamespaceStatus", status)),
    ];
    object("kubernetes.Namespace", fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_policies_are_checked_with_their_variables() {
        let mut scope = Scope::of_policy(true);
        assert_eq!(scope.add("replicas", "object.spec.replicas"), Ok(()));
        assert_eq!(scope.add("few", "variables.replicas < params.most"), Ok(()));
        for expression in [
            "object.spec.replicas <= 5 && request.operation == 'CREATE' && variables.few",
            "authorizer.group('apps').resource('deployments').namespace('x').check('create').allowed()",
            "authorizer.requestResource.check('custom').allowed() || 'admin' in request.userInfo.groups",
            "namespaceObject.metadata.labels['env'] == 'prod' && oldObject == null && request.namespace != 'x'",
            "!has(object.metadata.labels) || object.metadata.labels.all(k, k != '')",
        ] {
            assert_eq!(scope.fault(expression, Gives::Truth), None, "{expression}");
        }
        for (expression, why) in [
            ("object.spec.replicas", "must evaluate to bool but got dyn"),
            ("request.nope == 1", "undefined field 'nope'"),
            ("variables.nope", "undefined field 'nope'"),
            ("nope", "undeclared reference to 'nope'"),
            ("request.name == 1", "found no matching overload for '_==_' applied to '(string, int)'"),
            ("authorizer.path('/x')", "must evaluate to bool but got kubernetes.authorization.PathCheck"),
            ("1 +", "compilation failed: ERROR: <input>:1:4: Syntax error"),
        ] {
            let told = scope.fault(expression, Gives::Truth).unwrap_or_default();
            assert!(told.contains(why), "{expression}: {told}");
        }
        assert_eq!(scope.fault("'a' + request.name", Gives::Text), None);
        assert!(scope.fault("authorizer.path('/')", Gives::Text).is_some());
        assert_eq!(scope.fault("null", Gives::TextOrNothing), None);
        let told = scope.fault("1", Gives::TextOrNothing).unwrap_or_default();
        assert_eq!(told, "must evaluate to one of [string null_type] but got int");
        let patch = "Object{metadata: Object.metadata{labels: {'a': 'b'}}}";
        assert_eq!(scope.fault(patch, Gives::Patch), None);
        assert!(scope.fault(patch, Gives::Anything).is_some());
    }
}
