//! Which objects a target means: ids, labels and annotations.

mod labels;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::expression::{self, Run};
use crate::finder::{Entries, Finder, Trait};
use crate::id::{Gvk, GvkRef, Id};
use crate::resource::{Resource, field};
use crate::resources::Resources;
use crate::select::labels::Requirement;

/// A target as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Selector {
    /// Expression for the group.
    pub group: String,
    /// Expression for the version.
    pub version: String,
    /// Expression for the kind.
    pub kind: String,
    /// Expression for the name.
    pub name: String,
    /// Expression for the namespace.
    pub namespace: String,
    /// Label selector.
    pub label_selector: String,
    /// Label selector for annotations.
    pub annotation_selector: String,
}

/// A label selector; an empty one holds for all.
pub struct Labels(Vec<labels::Requirement>);

impl Labels {
    /// Parses the text of one.
    ///
    /// # Errors
    ///
    /// [`Error::Selector`].
    pub fn parse(source: &str) -> Result<Self, Error> {
        if source.is_empty() { Ok(Self(Vec::new())) } else { labels::parse(source).map(Self) }
    }

    /// Whether it holds for a mapping of labels or annotations.
    #[must_use]
    pub fn hold(&self, entries: Option<&Value>) -> bool {
        labels::all_hold(&self.0, entries)
    }
}

/// Checks a label selector.
///
/// # Errors
///
/// [`Error::Selector`].
pub fn check_labels(source: &str) -> Result<(), Error> {
    labels::parse(source).map(drop)
}

impl Selector {
    /// Returns the id part as it stands in messages.
    #[must_use]
    pub fn id(&self) -> Id {
        Id {
            gvk: Gvk { group: self.group.clone(), version: self.version.clone(), kind: self.kind.clone() },
            name: self.name.clone(),
            namespace: self.namespace.clone(),
        }
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A part of a target: anything, one text, or an expression for the whole of it.
#[derive(Clone, Debug)]
enum Part {
    Any,
    Text(String),
    /// With what all texts begin with that it matches, and what stands in all of them.
    Expression {
        whole: Regex,
        beginning: String,
        inside: String,
    },
}

impl Part {
    fn compile(source: &str) -> Result<Self, Error> {
        Ok(if source.is_empty() {
            Self::Any
        } else if expression::is_literal(source) {
            Self::Text(source.to_owned())
        } else {
            let runs = expression::runs(source);
            let text = |run: Option<Run<'_>>| run.map(|run| run.text.to_owned()).unwrap_or_default();
            Self::Expression {
                whole: expression::compile_anchored(source)?,
                beginning: text(runs.iter().copied().find(|run| run.offset == Some(0))),
                inside: text(expression::longest(runs)),
            }
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(wanted) => wanted == text,
            Self::Expression { whole, inside, .. } => text.contains(inside) && whole.is_match(text),
        }
    }
}

/// A target ready for matching.
#[derive(Clone, Debug)]
pub struct Matcher {
    group: Part,
    version: Part,
    kind: Part,
    name: Part,
    namespace: Part,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Matcher {
    /// Compiles a target.
    ///
    /// # Errors
    /// When an expression or selector is not well formed.
    pub fn new(selector: &Selector) -> Result<Self, Error> {
        Ok(Self {
            group: Part::compile(&selector.group)?,
            version: Part::compile(&selector.version)?,
            kind: Part::compile(&selector.kind)?,
            name: Part::compile(&selector.name)?,
            namespace: Part::compile(&selector.namespace)?,
            labels: labels::parse(&selector.label_selector)?,
            annotations: labels::parse(&selector.annotation_selector)?,
        })
    }

    /// Returns the positions of the objects that a patch with this target changes, in order.
    #[must_use]
    pub fn select(&self, resources: &mut Resources) -> Vec<usize> {
        let mut found = self.candidates(resources);
        found.retain(|&position| {
            let item = &resources.items()[position];
            !item.is_gone() && self.is_patch_target(item)
        });
        found
    }

    /// Returns the positions of objects among which all are that fit, in order.
    #[must_use]
    pub(crate) fn candidates(&self, resources: &mut Resources) -> Vec<usize> {
        if let Part::Text(name) = &self.name {
            return resources.ever_named(name);
        }
        match resources.finder().and_then(|finder| self.fewest(finder)) {
            Some(numbers) => resources.positions(&numbers),
            None => (0..resources.items().len()).collect(),
        }
    }

    /// Returns the numbers of the objects that have what is rarest of that which they must have; none if there is nothing.
    fn fewest(&self, finder: &Finder) -> Option<Vec<usize>> {
        let kind = match &self.kind {
            Part::Text(kind) => Some(vec![Trait::Kind(kind)]),
            _ => None,
        };
        let labels = self.labels.iter().filter_map(|asked| asked.traits(Entries::Labels));
        let annotations = self.annotations.iter().filter_map(|asked| asked.traits(Entries::Annotations));
        let count =
            |traits: &Vec<Trait<'_>>| traits.iter().map(|what| finder.with(*what).len()).sum::<usize>();
        let rarest = kind.into_iter().chain(labels).chain(annotations).min_by_key(count);
        let limit = rarest.as_ref().map_or(usize::MAX, count);
        let named = match &self.name {
            Part::Expression { beginning, inside, .. } if !inside.is_empty() => {
                finder.named(beginning, inside, limit)
            }
            _ => None,
        };
        let of_rarest =
            |traits: Vec<Trait<'_>>| traits.iter().flat_map(|what| finder.with(*what)).copied().collect();
        named.or_else(|| rarest.map(of_rarest))
    }

    /// Whether the group, version and kind fit.
    #[must_use]
    pub fn matches_gvk(&self, gvk: GvkRef<'_>) -> bool {
        self.kind.matches(gvk.kind) && self.group.matches(gvk.group) && self.version.matches(gvk.version)
    }

    /// Whether the kind fits one that an object has or had; what else is asked needs all its ids.
    pub(crate) fn may_mean(&self, item: &Resource) -> bool {
        self.kind.matches(item.kind()) || item.former.iter().any(|former| self.kind.matches(&former.kind))
    }

    /// Whether the parts of an id fit; the namespace counts as written.
    #[must_use]
    pub fn matches_id(&self, id: &Id) -> bool {
        self.matches_gvk(id.gvk.borrowed())
            && self.name.matches(&id.name)
            && self.namespace.matches(&id.namespace)
    }

    /// Whether labels and annotations fit.
    #[must_use]
    pub fn matches_metadata(&self, resource: &Resource) -> bool {
        if !self.asks_for_metadata() {
            return true;
        }
        let metadata = field(&resource.value, "metadata");
        let map = |name: &str| metadata.and_then(|metadata| field(metadata, name));
        labels::all_hold(&self.labels, map("labels"))
            && labels::all_hold(&self.annotations, map("annotations"))
    }

    /// Whether anything is asked of the id.
    #[must_use]
    pub fn asks_for_id(&self) -> bool {
        [&self.group, &self.version, &self.kind, &self.name, &self.namespace]
            .iter()
            .any(|part| !matches!(part, Part::Any))
    }

    /// Whether anything is asked of labels or annotations.
    #[must_use]
    pub fn asks_for_metadata(&self) -> bool {
        !self.labels.is_empty() || !self.annotations.is_empty()
    }

    fn is_patch_target(&self, item: &Resource) -> bool {
        if !self.matches_gvk(item.gvk()) {
            return false;
        }
        let first = item.former.first();
        let has_name =
            self.name.matches(item.name()) || first.is_some_and(|first| self.name.matches(&first.name));
        if !has_name {
            return false;
        }
        (self.namespace.matches(item.original_effective_namespace())
            || self.namespace.matches(item.effective_namespace()))
            && self.matches_metadata(item)
    }
}
