//! One conversation with a remote: list references, fetch objects.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use gix::progress::Discard;
use gix::protocol::handshake::Ref;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::http::Transport;
use gix::remote::fetch::{Shallow, Tags};
use gix::remote::{Direction, ref_map};

use super::Request;
use super::commit::Commit;
use super::transport::{Client, Verdict};
use crate::error::{Error, chain};

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
    /// The annotated tag on the way, in hex.
    pub(super) tag: Option<String>,
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
        let (target, peeled) = (target?, peeled);
        let commit = peeled.unwrap_or(target).to_string();
        Some(Self { name: name.to_string(), commit, tag: peeled.map(|_| target.to_string()) })
    }
}

impl Remote<'_> {
    /// Lists the references that a full name or a pattern with `*` selects.
    pub(super) fn list(&self, select: &str) -> Result<Listed, Error> {
        let folder = scratch()?;
        let repository = empty(&folder)?;
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
        let tags = Tags::None;
        let mut tag = None;
        let pick = |listed: &Listed| {
            let found = listed.find(full)?;
            tag.clone_from(&found.tag);
            gix::ObjectId::from_hex(found.commit.as_bytes()).ok()
        };
        let depth = Shallow::DepthAtRemote(super::one());
        let mut commit = self.fetch(&[format!("+{full}:refs/wanted")], depth, tags, pick).map_err(
            |error| match error {
                Error::NoCommit { .. } => Error::NoReference { name: full.to_owned() },
                other => other,
            },
        )?;
        commit.tag = tag;
        Ok(commit)
    }

    /// Fetches what the refspecs select; the commit is picked from the references.
    pub(super) fn fetch(
        &self,
        specs: &[String],
        depth: Shallow,
        tags: Tags,
        pick: impl FnOnce(&Listed) -> Option<gix::ObjectId>,
    ) -> Result<Commit, Error> {
        let folder = scratch()?;
        let repository = empty(&folder)?;
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
        let Some(id) = pick(&listed) else {
            return Err(self.missing_or(Error::NoCommit { commit: String::new() }));
        };
        let done = prepared.with_shallow(depth).receive(Discard, &self.stop);
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

    fn transport(&self) -> Result<(Transport<Client>, Verdict), Error> {
        let verdict = Verdict::default();
        let client = Client::new(self.request, self.deadline, verdict.clone())?;
        let url = gix::url::parse(self.request.address.bare().as_str())
            .map_err(|error| Error::Url { reason: chain(&error) })?;
        Ok((Transport::new_http(client, url, Protocol::V2, false), verdict))
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

fn scratch() -> Result<tempfile::TempDir, Error> {
    let made = tempfile::Builder::new().prefix("sealfast-git-").tempdir();
    made.map_err(|error| Error::file("make a folder in", &std::env::temp_dir())(error))
}

/// Makes a bare repository that reads no configuration but its own.
fn empty(folder: &tempfile::TempDir) -> Result<gix::Repository, Error> {
    let made = gix::ThreadSafeRepository::init_opts(
        folder.path(),
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        gix::open::Options::isolated(),
    );
    made.map(Into::into).map_err(|error| Error::Protocol { text: chain(&error) })
}
