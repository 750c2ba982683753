//! Variables of the old kind: `$(NAME)` stands for a field.

use std::cell::Cell;
use std::collections::HashMap;

use serde_json::Value;

use crate::clock::Clock;
use crate::error::{Error, entry_of};
use crate::field::{FieldSpec, Leaf};
use crate::id::{Gvk, Id};
use crate::loose::Type;
use crate::resource::{Resource, Step, scalar_text};
use crate::resources::Resources;
use crate::sealed;
use crate::spec::Var;

/// A variable that was declared; the object that it means knows its name.
#[derive(Clone, Debug)]
pub struct Bound {
    var: Var,
    /// The entry that declares it, as messages name it.
    entry: String,
}

/// Where variables are declared.
#[derive(Clone, Copy)]
pub(crate) struct Declared<'a> {
    /// The directory of the file.
    pub(crate) root: &'a str,
    /// The name of the file.
    pub(crate) file_name: &'a str,
}

/// Declares variables, looking up their objects among what there is now.
///
/// # Errors
/// When a name is declared twice, or an object is ambiguous.
pub(crate) fn bind(
    bound: &mut Vec<Bound>,
    vars: &[Var],
    declared: Declared<'_>,
    resources: &mut Resources,
) -> Result<(), Error> {
    declare(bound, vars, declared, resources).map_err(|error| {
        let all: Vec<String> = vars
            .iter()
            .map(|var| {
                let target = &var.objref;
                let (group, version, kind) =
                    (target.group.clone(), target.version.clone(), target.kind.clone());
                format!("{{{} {} {{{}}}}}", var.name, Gvk { group, version, kind }, var.fieldref.field_path)
            })
            .collect();
        error.within(format!("merging vars [{}]", all.join(" ")))
    })
}

fn declare(
    bound: &mut Vec<Bound>,
    vars: &[Var],
    declared: Declared<'_>,
    resources: &mut Resources,
) -> Result<(), Error> {
    let mut new = Vec::with_capacity(vars.len());
    for (at, var) in vars.iter().enumerate() {
        resources.clock().check()?;
        let wanted = reference(var);
        let items = resources.items();
        // The namespace that is asked for counts as it is written, also for what lives outside namespaces.
        let is_meant = |item: &Resource| {
            let named = |id: &&Id| id.gvk == wanted.gvk && id.name == wanted.name;
            item.ids()
                .iter()
                .filter(named)
                .any(|id| wanted.namespace.is_empty() || item.scopes.of_id(id) == wanted.namespace)
        };
        let mut found = resources.ever_named(&wanted.name);
        found.retain(|&at| is_meant(&items[at]));
        if found.len() > 1 {
            return Err(Error::Variable(format!(
                "found {} resId matches for var {} (unable to disambiguate)",
                found.len(),
                shown(var, &var.fieldref.field_path)
            )));
        }
        if let Some(&at) = found.first() {
            resources.at_mut(at).var_names.push(var.name.clone());
        }
        let entry = entry_of(&format!("vars[{at}]"), declared.root, declared.file_name);
        new.push(Bound { var: var.clone(), entry });
    }
    append(bound, new, resources.clock())
}

/// Adds variables to others.
///
/// # Errors
/// When a name is among both, or the time of the build is over.
pub fn append(bound: &mut Vec<Bound>, more: Vec<Bound>, clock: Clock) -> Result<(), Error> {
    for one in more {
        clock.check()?;
        if bound.iter().any(|known| known.var.name == one.var.name) {
            return Err(Error::Variable(format!("var '{}' already encountered", one.var.name)));
        }
        bound.push(one);
    }
    Ok(())
}

/// Returns a variable as messages name it.
fn shown(var: &Var, field_path: &str) -> String {
    format!("{{{} {} {{{field_path}}}}}", var.name, reference(var).gvk)
}

fn field_path(var: &Var) -> &str {
    if var.fieldref.field_path.is_empty() { "metadata.name" } else { &var.fieldref.field_path }
}

fn reference(var: &Var) -> Id {
    let target = &var.objref;
    let gvk = if target.api_version.is_empty() {
        Gvk { group: target.group.clone(), version: target.version.clone(), kind: target.kind.clone() }
    } else {
        Gvk::parse(&target.api_version, &target.kind)
    };
    Id { gvk, name: target.name.clone(), namespace: target.namespace.clone() }
}

/// What variables stand for.
type Values<'a> = HashMap<&'a str, Known>;

/// The value of a variable, and whether it stood anywhere.
struct Known {
    value: Value,
    /// What is to be said where it is encrypted.
    sealed: Option<String>,
    is_used: Cell<bool>,
}

/// Returns the scalar that a name stands for, and notes that it was used.
fn used<'a>(values: &'a Values<'_>, name: &str) -> Option<&'a Value> {
    let known = values.get(name).filter(|known| !known.value.is_object() && !known.value.is_array())?;
    known.is_used.set(true);
    Some(&known.value)
}

/// What there is to say of variables.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The names of those that stand nowhere.
    pub unused: Vec<String>,
    /// Which of the others are encrypted.
    pub notes: Vec<String>,
}

/// Replaces all variables at the fields that may hold them.
///
/// # Errors
/// When a variable has no value, or a field is not what the rules say.
pub fn run(resources: &mut Resources, bound: &[Bound], fields: &[FieldSpec]) -> Result<Outcome, Error> {
    if bound.is_empty() {
        return Ok(Outcome::default());
    }
    let mut outcome = Outcome::default();
    let (mut values, clock) = (Values::new(), resources.clock());
    let mut owners: HashMap<&str, &Resource> = HashMap::new();
    for item in resources.items().iter().filter(|item| !item.is_gone()) {
        for name in &item.var_names {
            owners.entry(name).or_insert(item);
        }
    }
    for one in bound {
        clock.check()?;
        let owner = owners.get(one.var.name.as_str()).copied();
        let value = value(owner, &one.var)?;
        let sealed = owner.and_then(|owner| sealed::told(&value, field_path(&one.var), owner));
        let sealed = sealed.map(|said| format!("{}: var '{}': {said}", one.entry, one.var.name));
        let known = Known { value, sealed, is_used: Cell::new(false) };
        values.insert(one.var.name.as_str(), known);
    }
    for resource in resources.iter_mut() {
        clock.check()?;
        let Resource { loose, value, .. } = resource;
        loose.close(value, |place| fields.iter().any(|spec| spec.leads_to(place)));
        for spec in fields {
            spec.visit(resource, Leaf::Found, &mut |place| expand_place(place, &values))?;
        }
    }
    for name in bound.iter().map(|one| one.var.name.as_str()) {
        match values.remove(name) {
            Some(known) if known.is_used.get() => outcome.notes.extend(known.sealed),
            Some(_) => outcome.unused.push(name.to_owned()),
            None => {}
        }
    }
    Ok(outcome)
}

fn value(owner: Option<&Resource>, var: &Var) -> Result<Value, Error> {
    let item = owner.ok_or_else(|| {
        Error::Variable(format!(
            "var '{}' cannot be mapped to a field in the set of known resources",
            shown(var, field_path(var))
        ))
    })?;
    let parts = field_parts(field_path(var));
    let mut way = Vec::with_capacity(parts.len());
    let found = parts.into_iter().try_fold(&item.value, |value, part| match value {
        Value::Array(items) => {
            let at = part.parse().ok()?;
            way.push(Step::Index(at));
            items.get(at)
        }
        other => {
            let child = other.get(&part);
            way.push(Step::Key(part));
            child
        }
    });
    let value = found.ok_or_else(|| {
        Error::Variable(format!(
            "field specified in var '{}' not found in corresponding resource",
            shown(var, field_path(var))
        ))
    })?;
    // What has no type yet is a text here.
    Ok(match item.loose.at(&way, value) {
        Some((Type::Open, text)) => Value::String(text.to_owned()),
        _ => value.clone(),
    })
}

/// Splits `spec.ports[0].port`; `\.` is a dot in a name.
fn field_parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in crate::field::split_path(path, '.') {
        let mut rest = part.as_str();
        if let Some((name, brackets)) = part.split_once('[') {
            if !name.is_empty() {
                parts.push(name.to_owned());
            }
            parts.extend(brackets.split('[').map(|index| index.trim_end_matches(']').to_owned()));
            rest = "";
        }
        if !rest.is_empty() {
            parts.push(rest.to_owned());
        }
    }
    parts
}

fn expand_place(place: &mut Value, values: &Values<'_>) -> Result<(), Error> {
    match place {
        Value::String(text) => *place = expand(text, values),
        Value::Array(items) => {
            for item in items {
                let Value::String(text) = item else {
                    return Err(Error::Variable("invalid value type expect a string".to_owned()));
                };
                *item = expand(text, values);
            }
        }
        Value::Object(map) => {
            for child in map.values_mut() {
                if let Value::String(text) = child {
                    *child = expand(text, values);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Expands a text; one that is a single variable takes on the variable's type.
fn expand(text: &str, values: &Values<'_>) -> Value {
    let alone = text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(value) = alone.and_then(|name| used(values, name)) {
        return value.clone();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(next) = after.strip_prefix('$') {
            out.push('$');
            rest = next;
        } else if let Some((name, next)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match used(values, name) {
                Some(value) => out.push_str(&scalar_text(value).unwrap_or_default()),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = next;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Value::String(out)
}
