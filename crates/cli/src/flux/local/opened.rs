//! Builds of local directories as the controllers make them, opened in memory.
//!
//! The source around a directory is listed once, and read as far as it is needed. Nothing is written.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use sealfast_controllers::fair::Fair;
use sealfast_controllers::kustomization::apply;
use sealfast_controllers::kustomization::gather::{Fetched, Gathered};
use sealfast_controllers::kustomization::opener::Opener;
use sealfast_controllers::kustomization::render::{self, Rules};
use sealfast_controllers::kustomization::report;
use sealfast_controllers::kustomization::room::Room;
use sealfast_controllers::options::SopsMac;
use sealfast_controllers::source;
use sealfast_keys::keyring::Keyring;
use sealfast_kustomize::files::join;

use super::plan::Plan;
use super::subject::Subject;
use crate::flux::Failed;
use crate::flux::args::Args;
use crate::flux::secret::Objects;
use crate::render::keys;
use crate::render::repository::Repository;

/// The keys to open files with, and the sources that were read.
pub(super) struct Opening {
    /// Files with keys; none for the person's own.
    identities: Vec<PathBuf>,
    /// What was read of them.
    keyring: Mutex<Option<Keyring>>,
    sources: Mutex<Vec<Repository>>,
}

impl Opening {
    /// Nothing unless `--decrypt` or `--identity` asks for it.
    pub(super) fn parse(args: &Args) -> Result<Option<Self>, Failed> {
        let identities: Vec<PathBuf> = args.list("identity").iter().map(PathBuf::from).collect();
        if identities.is_empty() && !args.is_on("decrypt") {
            return Ok(None);
        }
        let listed = ["ignore-paths", "allow-remote"].into_iter().find(|flag| !args.list(flag).is_empty());
        let switched = args.is_on("in-memory-build").then_some("in-memory-build");
        if let Some(flag) = listed.or(switched) {
            return Err(format!(
                "--{flag} does not go with --decrypt, which reads the whole source as a controller does"
            )
            .into());
        }
        Ok(Some(Self { identities, keyring: Mutex::default(), sources: Mutex::default() }))
    }

    /// The source around a directory.
    fn source(&self, directory: &Path) -> Result<Repository, Failed> {
        let mut sources = self.sources.lock();
        if let Some(found) = sources.iter().find_map(|source| source.seen_from(directory)) {
            return Ok(found);
        }
        let read = Repository::read(directory, None)?;
        sources.push(read.clone());
        Ok(read)
    }

    /// The keys, which are read once: who is asked for a passphrase is asked once.
    fn keyring(&self) -> Result<Keyring, Failed> {
        let mut kept = self.keyring.lock();
        if let Some(keyring) = kept.as_ref() {
            return Ok(keyring.clone());
        }
        Ok(kept.insert(keys::keyring(&self.identities)?).clone())
    }

    fn opener(&self, subject: &Subject, plan: &Plan) -> Result<Option<Opener>, Failed> {
        if subject.typed.spec.decryption.is_none() {
            return Ok(None);
        }
        let opener = Opener::new(self.keyring()?, None);
        Ok(Some(opener.watched(Arc::clone(&plan.witness))))
    }
}

impl Plan {
    /// `spec.ignore` of the source in the cluster.
    async fn ignored_by_source(&self, subject: &Subject) -> Result<String, Failed> {
        let reference = &subject.typed.spec.source_ref;
        let Some(client) = self.client().filter(|_| reference.kind == "GitRepository") else {
            return Ok(String::new());
        };
        let namespace = reference.namespace.as_deref().unwrap_or(&subject.namespace);
        let found = match client.find(&source::kind(), namespace, &reference.name).await {
            Err(error) if error.is_no_match() => None,
            found => found?,
        };
        let ignore = found.as_ref().and_then(|found| found["spec"]["ignore"].as_str());
        Ok(ignore.unwrap_or_default().to_owned())
    }

    /// Builds, opens and substitutes as the controller does; the objects carry the labels of their owner.
    pub(super) async fn opened(
        &self,
        opening: &Opening,
        subject: &Subject,
        directory: &Path,
    ) -> Result<Objects, Failed> {
        let typed = &subject.typed;
        let source = opening.source(directory)?.without(&self.ignored_by_source(subject).await?)?;
        let Repository { tree, root, start, .. } = source;
        let path = join(&root, &format!("./{start}"));
        let fetched = Fetched { tree, room: Room::default(), root, path };
        let builds = Fair::new(1);
        let laid_out = render::lay_out(fetched, &subject.overlay(), &builds, "").await.map_err(failed)?;
        let variables = match &typed.spec.post_build {
            Some(post_build) => Some(self.variables(subject, post_build).await?),
            None => None,
        };
        let gathered = Gathered {
            laid_out,
            opener: opening.opener(subject, self)?,
            variables,
            witness: Arc::clone(&self.witness),
        };
        let (mac, unset) = (SopsMac::Enforce, self.unset);
        let rules = Rules { mac, unset, builds: &builds, room: None, deadline: None };
        // Boxed: the clients of the key services make a deep future, too deep for the compiler to lay out.
        let work: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(render::render(gathered, typed, &rules));
        let rendered = work.await.map_err(failed)?;
        self.tell(&rendered.warnings);
        let mut objects = Objects::from(rendered.objects);
        for built in objects.iter_mut() {
            apply::refuse_encrypted(built, typed.spec.decryption.is_some()).map_err(failed)?;
            apply::owner(typed).mark(built);
        }
        Ok(objects)
    }
}

fn failed(failure: report::Failure) -> Failed {
    let report::Failure { message, hint, .. } = failure;
    Failed(hint.map_or_else(|| message.clone(), |hint| format!("{message} ({hint})")))
}
