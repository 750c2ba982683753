//! Type definitions named by `crds`: which fields hold names and labels.

use serde_json::{Map, Value};

use crate::config::{Config, References};
use crate::error::Error;
use crate::field::FieldSpec;
use crate::id::Gvk;

/// How deep types may refer to each other.
const MAX_DEPTH: usize = 100;
/// How many fields of types one file may lead to; a type counts each time that another one refers to it.
const MAX_FIELDS: usize = 100_000;

/// Reads the rules that a file of type definitions gives.
///
/// # Errors
/// When it is neither YAML nor JSON.
pub(crate) fn parse(content: &[u8]) -> Result<Config, Error> {
    let value = sealfast_yaml::json::from_yaml(content)
        .map_err(|error| Error::Kustomization(format!("loading CRDs: {error}")))?;
    let Value::Object(types) = value else {
        return Err(Error::Kustomization("loading CRDs: the file is no map of types".to_owned()));
    };
    let mut walk =
        Walk { types: &types, open: Vec::new(), path: Vec::new(), seen: 0, config: Config::default() };
    for (name, definition) in &types {
        let Some(properties) = properties(definition) else { continue };
        if ["kind", "apiVersion", "metadata"].iter().all(|field| properties.contains_key(*field)) {
            let kind = name.rsplit('.').next().unwrap_or(name).to_owned();
            walk.enter(name, &Gvk { kind, ..Gvk::default() })?;
        }
    }
    Ok(walk.config)
}

fn properties(definition: &Value) -> Option<&Map<String, Value>> {
    let schema = definition.get("Schema").or_else(|| definition.get("schema"))?;
    schema.get("properties")?.as_object()
}

/// The way through types that refer to each other.
struct Walk<'a> {
    types: &'a Map<String, Value>,
    /// The types on the way to this one; none is entered a second time.
    open: Vec<&'a str>,
    path: Vec<String>,
    /// How many fields were seen.
    seen: usize,
    config: Config,
}

impl<'a> Walk<'a> {
    fn enter(&mut self, name: &'a str, gvk: &Gvk) -> Result<(), Error> {
        let Some(fields) = self.types.get(name).and_then(properties) else { return Ok(()) };
        if self.open.contains(&name) {
            return Ok(());
        }
        if self.open.len() == MAX_DEPTH {
            return Err(Error::Limit(format!(
                "loading CRDs: more than {MAX_DEPTH} types lie on the way to '{name}'"
            )));
        }
        self.open.push(name);
        for (name, field) in fields {
            self.path.push(name.replace('/', "\\/"));
            self.field(field, gvk)?;
            self.path.pop();
        }
        self.open.pop();
        Ok(())
    }

    /// Takes the rules that a field gives, and those of the type that it refers to.
    fn field(&mut self, field: &'a Value, gvk: &Gvk) -> Result<(), Error> {
        self.seen += 1;
        if self.seen > MAX_FIELDS {
            let what = format!("loading CRDs: the types lead to more than {MAX_FIELDS} fields");
            return Err(Error::Limit(what));
        }
        let config = &mut self.config;
        for (word, specs) in [
            ("x-kubernetes-annotation", &mut config.common_annotations),
            ("x-kubernetes-label-selector", &mut config.common_labels),
            ("x-kubernetes-identity", &mut config.name_prefix),
        ] {
            if field.get(word).is_some() {
                specs.push(FieldSpec::new(gvk.clone(), &self.path.join("/"), false));
            }
        }
        let reference = self.reference(field, gvk);
        self.config.name_reference.extend(reference);
        match field.get("$ref").and_then(Value::as_str) {
            Some(target) => self.enter(target, gvk),
            None => Ok(()),
        }
    }

    /// Returns the rule that a field gives whose name is that of another object.
    fn reference(&self, field: &Value, gvk: &Gvk) -> Option<References> {
        let text = |key: &str| field.get(format!("x-kubernetes-object-ref-{key}")).and_then(Value::as_str);
        let to = Gvk::parse(text("api-version")?, text("kind")?);
        let path = format!("{}/{}", self.path.join("/"), text("name-key").unwrap_or("name"));
        Some(References { to, from: vec![FieldSpec::new(gvk.clone(), &path, false)] })
    }
}
