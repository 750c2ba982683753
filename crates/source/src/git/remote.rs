//! One conversation with a remote: list references, fetch objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use gix::progress::Discard;
use gix::protocol::handshake::Ref;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::remote::fetch::{Shallow, Tags};
use gix::remote::{Direction, ref_map};

use super::commit::{Commit, Tag};
use super::verdict::Verdict;
use super::{Request, http, scratch, ssh};
use crate::error::{Error, chain};

/// Bytes that the list of a remote's references may take.
const LARGEST_LISTING: u64 = 64 << 20;

/// What speaks the protocol, whichever way it goes.
pub(super) type Way = Box<dyn Transport + Send>;

/// The remote of a request.
pub(super) struct Remote<'a> {
    pub(super) request: &'a Request,
    pub(super) deadline: Instant,
    pub(super) stop: Arc<AtomicBool>,
}

/// The references that a remote has told.
pub(super) struct Listed {
    pub(super) references: Vec<Found>,
}

/// One reference.
#[derive(Clone)]
pub(super) struct Found {
    /// Its full name.
    pub(super) name: String,
    /// The commit it leads to, in hex.
    pub(super) commit: String,
    /// What it names: the annotated tag on the way, or the commit itself.
    pub(super) direct: gix::ObjectId,
}

impl Listed {
    fn of(refs: &[Ref]) -> Self {
        Self { references: refs.iter().filter_map(Found::of).collect() }
    }

    /// Returns the reference of a full name.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        self.references.iter().find(|found| found.name == name).cloned()
    }
}

impl Found {
    fn of(reference: &Ref) -> Option<Self> {
        let (name, target, peeled) = reference.unpack();
        let direct = target?.to_owned();
        let commit = peeled.map_or(direct, ToOwned::to_owned);
        Some(Self { name: name.to_string(), commit: commit.to_string(), direct })
    }
}

impl Remote<'_> {
    /// Lists the references that a full name or a pattern with `*` selects.
    pub(super) fn list(&self, select: &str) -> Result<Listed, Error> {
        let folder = scratch::make()?;
        let repository = empty(&folder, self.request.limits.object)?;
        let (transport, verdict) = self.transport()?;
        let explain = |error: gix::Error| verdict.explain(&chain(&error));
        let spec =
            format!("+{select}:{}", if select.contains('*') { "refs/listed/*" } else { "refs/listed/one" });
        let remote = self.remote(&repository, &[spec], Tags::None)?;
        let connection = remote.to_connection_with_transport(transport).with_credentials(|_| Ok(None));
        // A bare `refs/` is no prefix that gix asks for.
        let all = select == "refs/*";
        let options =
            ref_map::Options { prefix_from_spec_as_filter_on_remote: !all, ..ref_map::Options::default() };
        let (map, _) = connection.ref_map(Discard, options).map_err(explain)?;
        Ok(Listed::of(&map.remote_refs))
    }

    /// Fetches the commit that a full reference name leads to, without history.
    pub(super) fn one(&self, full: &str) -> Result<Commit, Error> {
        if gix::validate::reference::name(full.into()).is_err() {
            return Err(Error::NoReference { name: full.to_owned() });
        }
        let pick = |listed: &Listed| listed.find(full).map(|found| found.direct);
        let depth = Shallow::DepthAtRemote(super::one());
        let missing = |error| match error {
            Error::NoCommit { .. } => Error::NoReference { name: full.to_owned() },
            other => other,
        };
        let mut commit =
            self.fetch(&[format!("+{full}:refs/wanted")], depth, Tags::None, pick).map_err(missing)?;
        if let Some(name) = full.strip_prefix("refs/tags/") {
            commit.tag.get_or_insert_with(Tag::default).name = name.to_owned();
        }
        Ok(commit)
    }

    /// Fetches what the refspecs select; the commit is picked from the references.
    ///
    /// The listing is held in memory, so that it may be much smaller than what is fetched then.
    pub(super) fn fetch(
        &self,
        specs: &[String],
        depth: Shallow,
        tags: Tags,
        pick: impl FnOnce(&Listed) -> Option<gix::ObjectId>,
    ) -> Result<Commit, Error> {
        let folder = scratch::make()?;
        let repository = empty(&folder, self.request.limits.object)?;
        let (transport, verdict) = self.transport()?;
        let explain = |error: gix::Error| verdict.explain(&chain(&error));
        let remote = self.remote(&repository, specs, tags)?;
        let connection = remote.to_connection_with_transport(transport).with_credentials(|_| Ok(None));
        // Everything is listed when nothing was found, to tell a missing branch from an empty repository.
        let prepared = match connection.prepare_fetch(Discard, ref_map::Options::default()) {
            Ok(prepared) => prepared,
            Err(error) => {
                let failure = explain(error);
                return Err(self.missing_or(failure));
            }
        };
        let listed = Listed::of(&prepared.ref_map().remote_refs);
        verdict.allow(self.request.limits.received);
        let Some(id) = pick(&listed) else {
            return Err(self.missing_or(Error::NoCommit { commit: String::new() }));
        };
        let done = prepared.with_shallow(depth).receive(Discard, &self.stop);
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Deadline);
        }
        done.map_err(|error| self.missing_or(verdict.explain(&chain(&error))))?;
        Commit::open(repository, folder, id)
    }

    /// Tells an empty repository from one that lacks the reference.
    fn missing_or(&self, failure: Error) -> Error {
        if !matches!(failure, Error::NoCommit { .. } | Error::Protocol { .. }) {
            return failure;
        }
        match self.list("refs/*") {
            Ok(listed) if listed.references.is_empty() => Error::Empty,
            Ok(_) => failure,
            Err(Error::Protocol { .. }) => failure,
            Err(other) => other,
        }
    }

    fn transport(&self) -> Result<(Way, Verdict), Error> {
        if let Some(why) = self.request.address.nowhere() {
            return Err(Error::Protocol { text: why.to_owned() });
        }
        let verdict = Verdict::new(self.request.limits.received.min(LARGEST_LISTING));
        let way = match self.request.address.is_ssh() {
            true => ssh::connect(self.request, self.deadline, &verdict)?,
            false => http::connect(self.request, self.deadline, &verdict)?,
        };
        Ok((way, verdict))
    }

    fn remote<'r>(
        &self,
        repository: &'r gix::Repository,
        specs: &[String],
        tags: Tags,
    ) -> Result<gix::Remote<'r>, Error> {
        let url = self.request.address.bare().as_str();
        let protocol = |error: gix::Error| Error::Protocol { text: chain(&error) };
        let remote = repository.remote_at_without_url_rewrite(url).map_err(protocol)?.with_fetch_tags(tags);
        remote.with_refspecs(specs.iter().map(String::as_str), Direction::Fetch).map_err(protocol)
    }
}

/// Makes a bare repository that reads no configuration but ours; no object of it may take more bytes than `most`.
fn empty(folder: &scratch::Folder, most: u64) -> Result<gix::Repository, Error> {
    let options =
        gix::open::Options::isolated().config_overrides([format!("gitoxide.objects.allocLimit={most}")]);
    let made = gix::ThreadSafeRepository::init_opts(
        folder.repository(),
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        options,
    );
    made.map(Into::into).map_err(|error| Error::Protocol { text: chain(&error) })
}
