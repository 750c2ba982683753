//! Fields of a configuration that has its shape: absent ones are empty.

use sealfast_yaml::decode::Plain;

use crate::error::Error;

/// Fields of a mapping.
#[derive(Clone, Copy)]
pub(super) struct Fields<'b>(pub(super) &'b Plain);

impl<'b> Fields<'b> {
    fn get(self, name: &str) -> &'b Plain {
        const NONE: &Plain = &Plain::Null;
        match self.0 {
            Plain::Map(entries) => entries.get(&Plain::Str(name.to_owned())).unwrap_or(NONE),
            _ => NONE,
        }
    }

    pub(super) fn text(self, name: &str) -> String {
        text(self.get(name)).unwrap_or_default().to_owned()
    }

    pub(super) fn int(self, name: &str) -> Option<i64> {
        if let Plain::Int(number) = self.get(name) { Some(*number) } else { None }
    }

    pub(super) fn flag(self, name: &str) -> bool {
        *self.get(name) == Plain::Bool(true)
    }

    pub(super) fn mapping(self, name: &str) -> Self {
        Self(self.get(name))
    }

    /// A list of mappings; none when the field is absent or null.
    pub(super) fn list(self, name: &str) -> Option<impl Iterator<Item = Self>> {
        if let Plain::List(items) = self.get(name) { Some(items.iter().map(Self)) } else { None }
    }

    /// A list of mappings that may be absent.
    pub(super) fn each(self, name: &str) -> impl Iterator<Item = Self> {
        self.list(name).into_iter().flatten()
    }

    pub(super) fn texts(self, name: &str) -> impl Iterator<Item = &'b str> {
        self.each(name).filter_map(|item| text(item.0))
    }

    /// Names and texts of a mapping of texts.
    pub(super) fn pairs(self) -> impl Iterator<Item = (&'b str, &'b str)> {
        let entries = if let Plain::Map(entries) = self.0 { Some(entries) } else { None };
        entries.into_iter().flatten().filter_map(|(name, value)| Some((text(name)?, text(value)?)))
    }

    /// Keys of one service, comma-separated: they are given so, or as a list of strings.
    pub(super) fn key_list(self, field: &'static str, shown: &'static str) -> Result<String, Error> {
        let refuse =
            |wanted, value: &Plain| Error::RuleKeys { field, shown, wanted, found: type_name(value) };
        match self.get(field) {
            Plain::Null => Ok(String::new()),
            Plain::Str(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(items.collect::<Vec<_>>().join(","))
            }
            Plain::List(items) => items
                .iter()
                .map(|item| text(item).ok_or_else(|| refuse("a text in the list", item)))
                .collect::<Result<Vec<_>, _>>()
                .map(|items| items.join(",")),
            value => Err(refuse("a text or a list of texts", value)),
        }
    }
}

fn text(value: &Plain) -> Option<&str> {
    if let Plain::Str(text) = value { Some(text) } else { None }
}

/// The name of a type as the reference's messages have it.
fn type_name(value: &Plain) -> &'static str {
    match value {
        Plain::Null => "<nil>",
        Plain::Bool(_) => "bool",
        Plain::Int(_) => "int",
        Plain::Uint(_) => "uint64",
        Plain::Float(_) => "float64",
        Plain::Time(_) => "time.Time",
        Plain::Str(_) | Plain::Bytes(_) => "string",
        Plain::List(_) => "[]interface {}",
        Plain::Map(entries) if entries.keys().all(|key| text(key).is_some()) => "map[string]interface {}",
        Plain::Map(_) => "map[interface {}]interface {}",
    }
}
