//! Typed access to the fields of a configuration, merge keys followed.

use crate::error::Error;
use crate::rules::type_name;
use crate::tree::{Branch, Value};

/// Fields of a mapping; what `<<` brings in counts where the mapping itself has nothing.
#[derive(Clone, Copy)]
pub(super) struct Fields<'b>(&'b Branch);

impl<'b> Fields<'b> {
    pub(super) fn new(branch: &'b Branch) -> Self {
        Self(branch)
    }

    fn get(self, name: &str) -> Option<&'b Value> {
        self.0.get(name).or_else(|| self.sources().into_iter().find_map(|source| Self(source).get(name)))
    }

    /// Mappings behind `<<`: one, or a list of them.
    fn sources(self) -> Vec<&'b Branch> {
        match self.0.get("<<") {
            Some(Value::Branch(source)) => vec![source],
            Some(Value::List(sources)) => sources.iter().filter_map(Value::as_branch).collect(),
            _ => Vec::new(),
        }
    }

    /// The mapping with everything that is merged into it.
    pub(super) fn merged(self) -> Branch {
        let mut whole = Branch::new();
        for name in self.names() {
            whole.push(name, self.0.get(name).cloned().unwrap_or_default());
        }
        for source in self.sources() {
            for (name, value) in Self(source).merged().named() {
                if whole.get(name).is_none() {
                    whole.push(name, value.clone());
                }
            }
        }
        whole
    }

    /// Names of the mapping's own fields.
    pub(super) fn names(self) -> impl Iterator<Item = &'b str> {
        self.0.named().map(|(name, _)| name).filter(|name| *name != "<<")
    }

    fn wrong(name: &str, value: &Value, wanted: &str) -> Error {
        Error::Rules { message: format!("`{name}`: cannot unmarshal {} into {wanted}", type_name(value)) }
    }

    pub(super) fn text(self, name: &str) -> Result<String, Error> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(value) => scalar_text(value).ok_or_else(|| Self::wrong(name, value, "string")),
        }
    }

    /// A number; of one with a fraction, what stands before the point.
    pub(super) fn int(self, name: &str) -> Result<Option<i32>, Error> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Int(int)) if i32::try_from(*int).is_ok() => Ok(i32::try_from(*int).ok()),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the bounds are checked, and a fraction is dropped"
            )]
            Some(Value::Float(float)) if float.abs() < f64::from(i32::MAX) => Ok(Some(*float as i32)),
            Some(value) => Err(Self::wrong(name, value, "int")),
        }
    }

    /// A switch, which may be one of the words of YAML 1.1.
    pub(super) fn flag(self, name: &str) -> Result<bool, Error> {
        let value = match self.get(name) {
            None | Some(Value::Null) => return Ok(false),
            Some(Value::Bool(flag)) => return Ok(*flag),
            Some(value) => value,
        };
        match value.as_str() {
            Some("y" | "Y" | "yes" | "on") => Ok(true),
            Some("n" | "N" | "no" | "off") => Ok(false),
            _ => Err(Self::wrong(name, value, "bool")),
        }
    }

    pub(super) fn mapping(self, name: &str) -> Result<Option<Self>, Error> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Branch(branch)) => Ok(Some(Self(branch))),
            Some(value) => Err(Self::wrong(name, value, "a mapping")),
        }
    }

    /// A list of mappings; none when the field is absent or null.
    pub(super) fn list(self, name: &str) -> Result<Option<Vec<Self>>, Error> {
        let Some(items) = self.items(name)? else { return Ok(None) };
        items
            .map(|item| match item {
                Value::Branch(branch) => Ok(Self(branch)),
                value => Err(Self::wrong(name, value, "a mapping")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// A list of strings.
    pub(super) fn texts(self, name: &str) -> Result<Vec<String>, Error> {
        let Some(items) = self.items(name)? else { return Ok(Vec::new()) };
        items.map(|item| scalar_text(item).ok_or_else(|| Self::wrong(name, item, "string"))).collect()
    }

    fn items(self, name: &str) -> Result<Option<impl Iterator<Item = &'b Value>>, Error> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::List(items)) => {
                Ok(Some(items.iter().filter(|item| !matches!(item, Value::Comment(_)))))
            }
            Some(value) => Err(Self::wrong(name, value, "a list")),
        }
    }

    /// Keys of one service: a comma-separated string or a list of strings.
    pub(super) fn key_list(self, name: &str, shown: &str) -> Result<Vec<String>, Error> {
        let refuse = |wanted: &str, value: &Value| Error::Rules {
            message: format!(
                "invalid {shown} key configuration: invalid {name} key configuration: expected {wanted}, got {}",
                type_name(value)
            ),
        };
        match self.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Str(text)) => {
                let text = text.to_string_lossy();
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(items.map(str::to_owned).collect())
            }
            Some(Value::List(items)) => items
                .iter()
                .filter(|item| !matches!(item, Value::Comment(_)))
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| refuse("string in list", item)))
                .collect(),
            Some(value) => Err(refuse("string, []string, or nil", value)),
        }
    }
}

/// Scalars of other types are taken as they would be written.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => text.as_str().map(str::to_owned),
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Int(int) => Some(int.to_string()),
        Value::Uint(int) => Some(int.to_string()),
        Value::Float(float) => Some(float.to_string()),
        Value::Time(time) => Some(time.to_string()),
        Value::Comment(_) | Value::List(_) | Value::Branch(_) => None,
    }
}
