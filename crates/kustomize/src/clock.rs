//! The time that a build may take, looked at in every loop that may be long.

use std::time::Instant;

use crate::error::Error;

/// When a build has to be done; never, unless somebody says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock(Option<Instant>);

impl Clock {
    /// One that ends builds at an instant, if there is one.
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        Self(deadline)
    }

    /// Ends a build whose time is over.
    ///
    /// # Errors
    /// [`Error::Limit`] from then on.
    pub fn check(self) -> Result<(), Error> {
        match self.0 {
            Some(deadline) if Instant::now() >= deadline => {
                Err(Error::Limit("the time that the build may take is over".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;
    use std::time::Instant;

    use serde_json::{Value, json};

    use super::Clock;
    use crate::config::Config;
    use crate::error::Error;
    use crate::field::FieldSpec;
    use crate::id::Gvk;
    use crate::patch::schema::Schema;
    use crate::patch::{Notes, Patch, Source, json6902};
    use crate::resource::Resource;
    use crate::resources::Resources;
    use crate::scope::Scopes;
    use crate::spec::{PatchOptions, ReplacementEntry, Replica, Var, typed};
    use crate::told::Told;
    use crate::transform::names::{self, End};
    use crate::transform::namespace::Namespace;
    use crate::transform::vars::{self, Declared};
    use crate::transform::{images, labels, name_refs, replacements, replicas};

    /// One object whose build is late, or in time.
    fn resources(clock: Clock) -> Resources {
        let mut resources = Resources::new(Scopes::of_build(), clock);
        let value = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"image": "x"},
        });
        resources.append(Resource { needs_hash: true, ..Resource::new(value) }).unwrap();
        resources
    }

    fn var() -> Var {
        let objref = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"});
        typed(json!({"name": "V", "objref": objref}), "vars").unwrap()
    }

    type Step = (&'static str, fn(&mut Resources) -> Result<(), Error>);

    /// Steps of a build that go over objects, each with something to do. What takes in, settles or finishes whole lists
    /// of them is not here.
    const STEPS: [Step; 13] = [
        ("patch", |resources| {
            let text = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}";
            let patch = Patch::parse(text, &Source::Inline, None, PatchOptions::default())?;
            patch.apply(resources, Schema::builtin(), Notes::Taken)
        }),
        ("operations", |resources| {
            let clock = resources.clock();
            let operations = json6902::parse(r#"[{"op": "add", "path": "/b", "value": 1}]"#)?;
            json6902::apply(&mut json!({}), &operations, clock)
        }),
        ("names", |resources| names::affix(resources, End::Prefix, "b", &[field("metadata/name")])),
        ("hashes", names::add_hashes),
        ("namespace", |resources| Namespace { name: "b".to_owned(), ..Namespace::default() }.run(resources)),
        ("labels", |resources| {
            let entries = BTreeMap::from([("b".to_owned(), "c".to_owned())]);
            labels::run(resources, &entries, &[field("metadata/labels")])
        }),
        ("replicas", |resources| {
            let replica: Replica = typed(json!({"name": "a", "count": 2}), "replicas")?;
            replicas::run(resources, &replica, &[field("spec/replicas")])
        }),
        ("images", |resources| {
            let image = typed(json!({"name": "x", "newTag": "1"}), "images")?;
            images::run(resources, &[image], &[field("spec/image")]).map_err(|(_, error)| error)
        }),
        ("replacements", |resources| {
            let target = json!({"select": {"kind": "Deployment"}, "fieldPaths": ["spec.image"]});
            let entry: ReplacementEntry =
                typed(json!({"sourceValue": "y", "targets": [target]}), "replacements")?;
            replacements::run(resources, &entry, &|_| Ok(Vec::new()), &Told::default()).map(drop)
        }),
        ("declared vars", |resources| {
            let declared = Declared { root: "/", file_name: "kustomization.yaml" };
            vars::bind(&mut Vec::new(), &[var()], declared, resources)
        }),
        ("vars", |resources| {
            let (declared, mut bound) = (Declared { root: "/", file_name: "f" }, Vec::new());
            let mut in_time = self::resources(Clock::default());
            vars::bind(&mut bound, &[var()], declared, &mut in_time)?;
            resources.at_mut(0).var_names.push("V".to_owned());
            vars::run(resources, &bound, &[field("spec/image")]).map(drop)
        }),
        ("references", |resources| name_refs::run(resources, Config::builtin())),
        ("values", |resources| {
            let target = typed(json!({"fieldPath": "spec/image"}), "targets")?;
            crate::transform::value_add::run(resources, &target, "y")
        }),
    ];

    fn field(path: &str) -> FieldSpec {
        FieldSpec::new(Gvk::default(), path, true)
    }

    #[test]
    fn every_step_ends_with_the_time_of_the_build() {
        for (name, step) in STEPS {
            let mut late = resources(Clock::until(Some(Instant::now())));
            let error = step(&mut late).expect_err(name);
            assert!(error.chain().contains("the time that the build may take is over"), "{name}: {error}");
            let before: Value = resources(Clock::default()).items()[0].value.clone();
            assert_eq!(late.items()[0].value, before, "{name}");
            step(&mut resources(Clock::default())).expect(name);
        }
    }
}
