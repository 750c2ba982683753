//! How Kustomizations are built from local directories, by the flags.
//!
//! Follows: `flux` 2.9. Differs: the directory is never written to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_controllers::kustomization::mask::Masks;
use sealfast_controllers::kustomization::render::{self, Ids};
use sealfast_controllers::kustomization::substitute::{self, Strategy, Variables};
use sealfast_controllers::kustomization::witness::Witness;
use sealfast_controllers::kustomization::{apply, gather};
use sealfast_k8s::flux::kustomization::PostBuild;
use sealfast_k8s::object;
use sealfast_kustomize::engine::{self, Options, Restriction};
use sealfast_kustomize::files::join;
use sealfast_kustomize::flux::{LeftOut, Outermost};
use sealfast_kustomize::substitute::Unset;
use serde_json::Value;
use tokio::sync::oneshot;

use super::fence::Fence;
use super::ignored::Ignored;
use super::mask;
use super::opened::Opening;
use super::subject::{self, Subject, is_kustomization};
use crate::flux::Failed;
use crate::flux::args::Args;
use crate::flux::secret::Objects;
use crate::kustomize::disk::Disk;
use crate::output;

/// How many Kustomizations one command builds.
const MOST: usize = 2_000;
/// What a build may use of the stack, in bytes.
const STACK: usize = 8 << 20;

/// Where Kustomizations and variables are looked up.
pub(in crate::flux) enum Cluster {
    /// Nowhere: a dry run.
    None,
    /// In a cluster.
    Live(Client),
}

/// What the flags ask for.
pub(in crate::flux) struct Plan {
    cluster: Cluster,
    /// Whether a Kustomization of a file need not be in the cluster.
    pub(super) excuses_missing: bool,
    ignored: String,
    pub(super) unset: Unset,
    /// How encrypted files are opened; they stay closed without.
    opening: Option<Opening>,
    /// Whether Kustomizations among the objects are built, too.
    pub(in crate::flux) follows: bool,
    /// Local directories by `Kind/namespace/name`.
    sources: BTreeMap<String, PathBuf>,
    files: Arc<Fence>,
    built: AtomicUsize,
    /// The values of Secrets that variables came from.
    pub(super) witness: Arc<Mutex<Witness>>,
}

impl Plan {
    pub(in crate::flux) fn parse(args: &Args, cluster: Cluster) -> Result<Self, Failed> {
        let disk = Disk::allowing(args)?;
        let unset = if args.is_on("strict-substitute") { Unset::Refused } else { Unset::Empty };
        let sources = args.list("local-sources").iter().flat_map(|given| given.split(','));
        let sources = sources.filter_map(|pair| pair.split_once('='));
        let files = if args.is_on("in-memory-build") { Fence::here(disk)? } else { Fence::none(disk) };
        Ok(Self {
            cluster,
            excuses_missing: args.is_on("ignore-not-found"),
            ignored: args.list("ignore-paths").join("\n"),
            unset,
            opening: Opening::parse(args)?,
            follows: args.is_on("recursive"),
            sources: sources.map(|(key, path)| (key.to_owned(), PathBuf::from(path))).collect(),
            files: Arc::new(files),
            built: AtomicUsize::new(0),
            witness: Arc::default(),
        })
    }

    /// The cluster; none in a dry run.
    pub(in crate::flux) fn client(&self) -> Option<&Client> {
        match &self.cluster {
            Cluster::None => None,
            Cluster::Live(client) => Some(client),
        }
    }

    /// What must not be shown of all that was read so far.
    pub(in crate::flux) fn masks(&self) -> Masks {
        Masks::of(&self.witness.lock())
    }

    /// Builds a Kustomization and, when asked to, those among its objects, one behind the other.
    pub(in crate::flux) async fn all(&self, subject: &Subject, directory: &Path) -> Result<Objects, Failed> {
        self.below(subject, directory, &mut Vec::new()).await
    }

    /// `above` names the Kustomizations that led here: they are built already.
    fn below<'a>(
        &'a self,
        subject: &'a Subject,
        directory: &'a Path,
        above: &'a mut Vec<(String, String)>,
    ) -> LocalBoxFuture<'a, Result<Objects, Failed>> {
        async move {
            let mut objects = self.one(subject, directory).await?;
            if !self.follows {
                return Ok(objects);
            }
            above.push(subject.id());
            let found: Vec<Value> = objects.iter().filter(|found| is_kustomization(found)).cloned().collect();
            for found in found {
                if above.contains(&subject::id(&found)) {
                    continue;
                }
                let directory = self.source(&found)?;
                let next = self.found(&found).await?;
                let mut below = self.below(&next, &directory, above).await?;
                objects.append(&mut below);
            }
            above.pop();
            Ok(objects)
        }
        .boxed_local()
    }

    /// The local directory of a Kustomization that was found among objects.
    pub(in crate::flux) fn source(&self, found: &Value) -> Result<PathBuf, Failed> {
        let text = |place: &str| found.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let namespace = Some(text("/spec/sourceRef/namespace")).filter(|given| !given.is_empty());
        let (kind, name) = (text("/spec/sourceRef/kind"), text("/spec/sourceRef/name"));
        let key = match namespace.unwrap_or(object::namespace(found)) {
            "" => format!("{kind}/{name}"),
            namespace => format!("{kind}/{namespace}/{name}"),
        };
        let Some(local) = self.sources.get(&key) else {
            let name = object::name(found);
            return Err(format!("cannot get local path for {key} of kustomization {name}").into());
        };
        let local = std::path::absolute(local)?;
        let path = format!("{}/{}", local.to_string_lossy(), text("/spec/path"));
        Ok(PathBuf::from(join("/", &path)))
    }

    /// Builds one Kustomization: its objects with the labels of their owner, masked, in the order of the build.
    pub(in crate::flux) async fn one(&self, subject: &Subject, directory: &Path) -> Result<Objects, Failed> {
        let outcome = self.objects(subject, directory).await;
        outcome.map_err(|Failed(why)| Failed(self.masks().message(&why)))
    }

    async fn objects(&self, subject: &Subject, directory: &Path) -> Result<Objects, Failed> {
        if self.built.fetch_add(1, Ordering::Relaxed) >= MOST {
            return Err(format!("more than {MOST} Kustomizations lead from one to another").into());
        }
        let mut objects = match &self.opening {
            Some(opening) => self.opened(opening, subject, directory).await?,
            None => self.closed(subject, directory).await?,
        };
        if let Some(common) = &subject.typed.spec.common_metadata {
            objects.iter_mut().for_each(|built| apply::add_common(built, common));
        }
        Ok(objects)
    }

    /// Builds without opening anything: what is encrypted in a Secret is masked.
    async fn closed(&self, subject: &Subject, directory: &Path) -> Result<Objects, Failed> {
        let mut built = self.manifests(subject, directory).await?;
        if let Some(post_build) = &subject.typed.spec.post_build {
            self.substitute(&mut built, subject, post_build).await?;
        }
        let mut objects = Vec::with_capacity(built.len());
        for mut built in built {
            apply::owner(&subject.typed).mark(&mut built);
            mask::secret(&mut built)?;
            render::identified(&built).map_err(|failure| failed_build(&failure.message))?;
            render::flatten(built, &mut objects);
        }
        Ok(objects.into())
    }

    async fn manifests(&self, subject: &Subject, directory: &Path) -> Result<Vec<Value>, Failed> {
        let root = directory.to_string_lossy().into_owned();
        let outermost = Some(self.outermost(root.clone(), subject.overlay()).await?);
        let options = Options { load: Restriction::None, outermost, ..Options::default() };
        let files = Arc::clone(&self.files);
        let outcome = aside(move || engine::attempt(&*files, &root, &options)).await?;
        let warnings = outcome.as_ref().map_or_else(|failed| &failed.warnings, |built| &built.warnings);
        warnings.iter().for_each(|warning| output::talk(warning));
        let built = outcome.map_err(|failed| failed_build(&failed.error.chain()))?;
        self.tell(&built.notes);
        Ok(built.objects())
    }

    /// Tells what is to be said of a build that did not fail.
    pub(super) fn tell(&self, notes: &[String]) {
        let masks = self.masks();
        notes.iter().for_each(|note| output::talk(&format!("# Warning: {}", masks.message(note))));
    }

    async fn outermost(&self, root: String, spec: Value) -> Result<Outermost, Failed> {
        let ignored = Arc::new(Ignored::new(&self.files, &root, &self.ignored));
        let rule = Arc::clone(&ignored);
        let left_out = LeftOut::new(move |path, entry| rule.excludes(path, entry));
        let files = Arc::clone(&self.files);
        let outermost = aside(move || Outermost::lay_out(&*files, &root, &spec, Some(&left_out))).await?;
        match ignored.failure() {
            Some(why) => Err(not_generated(&why)),
            None => outermost.map_err(|error| not_generated(&error.chain())),
        }
    }

    /// Reads the variables of a Kustomization.
    pub(super) async fn variables(
        &self,
        subject: &Subject,
        post_build: &PostBuild,
    ) -> Result<Result<BTreeMap<String, String>, String>, Failed> {
        let Some(client) = self.client() else { return Ok(Ok(gather::inline(post_build).collect())) };
        let read = gather::variables(client, &subject.namespace, post_build, &self.witness).await;
        read.map_err(|failure| Failed(failure.message))
    }

    async fn substitute(
        &self,
        built: &mut [Value],
        subject: &Subject,
        post_build: &PostBuild,
    ) -> Result<(), Failed> {
        let strategy = Strategy::parse(post_build.substitute_strategy.as_deref());
        let variables = Variables::checked(self.variables(subject, post_build).await?, &self.witness);
        let mut ids = Ids::of(built)?;
        for built in built {
            let (before, name) = (object::id(built), object::name(built).to_owned());
            let outcome = substitute::expand(built, &variables, strategy, self.unset);
            outcome.map_err(|why| format!("var substitution failed for '{name}': {why}"))?;
            ids.rename(&before, object::id(built))?;
        }
        Ok(())
    }
}

/// Works on a thread of its own: what fetches files waits there, and nobody waits for it when the time is up.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failed> {
    let (done, outcome) = oneshot::channel();
    let work = move || drop(done.send(work()));
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    thread?;
    outcome.await.map_err(|_| failed_build("the build stopped unexpectedly"))
}

fn not_generated(why: &str) -> Failed {
    Failed(format!("failed to generate kustomization.yaml: {why}"))
}

fn failed_build(why: &str) -> Failed {
    Failed(format!("kustomize build failed: {why}"))
}
