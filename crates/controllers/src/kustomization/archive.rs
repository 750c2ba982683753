//! An archive on its way: where it comes from, what it is, what is in it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek};

use bytes::{Buf as _, Bytes};
use sealfast_cluster::client::Client;
use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_source::archive::unpack::{Limits, measure, unpack};
use sealfast_source::digest::{self, Hasher};
use sealfast_source::error::Error;
use sealfast_source::tree::Memory;

use crate::kustomization::report::{Failure, Reason};

/// Bytes that the directories of an archive may take beyond what it has unpacked: it need not name them itself.
const UNNAMED: u64 = 1 << 20;

/// A compressed archive.
pub(super) enum Archive {
    /// In our own storage, held open: another one may take its name at any time.
    File(File),
    /// In memory, as it came.
    Parts(VecDeque<Bytes>),
}

impl Archive {
    /// Checks the digest; the bytes that it has unpacked, or why that cannot be told.
    ///
    /// # Errors
    /// When it cannot be read or is another one.
    pub(super) fn measured(&self, artifact: &Artifact, most: u64) -> Result<Result<u64, Error>, Failure> {
        let broken =
            |why: String| Failure::new(Reason::ArtifactFailed, format!("failed to verify archive: {why}"));
        let digest = &artifact.digest;
        let hash = digest::like(digest).map_err(|_| {
            broken(format!("failed to parse digest '{digest}': unsupported digest algorithm"))
        })?;
        let reader: Box<dyn Read + '_> = match self {
            Archive::File(file) => Box::new(file),
            Archive::Parts(parts) => Box::new(Parts(parts.clone())),
        };
        let mut reader = Hashed { reader, hash };
        let size = measure(&mut reader, most);
        io::copy(&mut reader, &mut io::sink()).map_err(|error| broken(error.kind().to_string()))?;
        if reader.hash.finish() == artifact.digest {
            return Ok(size);
        }
        Err(broken(format!(
            "computed digest doesn't match provided '{}' (check whether file size exceeds max download size)",
            artifact.digest
        )))
    }

    /// Unpacks what has so many bytes unpacked, and lets go of what was read on the way.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn unpacked(self, size: u64) -> Result<Memory, Error> {
        let limits = Limits { bytes: size.saturating_add(UNNAMED), ..Limits::default() };
        match self {
            Archive::File(mut file) => {
                file.rewind().map_err(Error::Archive)?;
                unpack(file, &limits)
            }
            Archive::Parts(parts) => unpack(Parts(parts), &limits),
        }
    }
}

/// Bytes that are let go of as they are read.
struct Parts(VecDeque<Bytes>);

impl Read for Parts {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.0.front_mut() {
            if !part.is_empty() {
                let count = part.len().min(to.len());
                part.copy_to_slice(&mut to[..count]);
                return Ok(count);
            }
            self.0.pop_front();
        }
        Ok(0)
    }
}

struct Hashed<R> {
    reader: R,
    hash: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(to)?;
        self.hash.update(&to[..count]);
        Ok(count)
    }
}

/// Hosts that stand in for those of artifacts, where the cluster's own names lead nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// For source-controller.
    pub source: Option<String>,
    /// For source-watcher.
    pub watcher: Option<String>,
}

impl Hosts {
    /// The address under which an artifact is reached.
    pub(super) fn reached(&self, url: &str) -> String {
        let host = if url.contains("//source-watcher") { &self.watcher } else { &self.source };
        let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
        match (host, rest.split_once('/')) {
            (Some(host), Some((_, path))) => format!("{scheme}://{host}/{path}"),
            _ => url.to_owned(),
        }
    }
}

/// The source that an artifact is of.
pub struct Source<'a> {
    /// Where it is read.
    pub client: &'a Client,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl Source<'_> {
    /// The artifact that it has now.
    pub(super) async fn artifact(&self) -> Option<Artifact> {
        let gvk = GroupVersionKind::new("source.toolkit.fluxcd.io", "v1", self.kind);
        let mut object = self.client.find(&gvk, self.namespace, self.name).await.ok()??;
        serde_json::from_value(object["status"]["artifact"].take()).ok()
    }
}

#[cfg(test)]
mod tests {
    use sealfast_source::archive::pack;
    use sealfast_source::digest::Algorithm;
    use sealfast_source::tree::Entry;

    use super::*;

    fn packed(files: &Memory) -> (Archive, Artifact) {
        let mut bytes = Vec::new();
        let facts = pack(files, None, &mut bytes, Algorithm::Sha256).expect("an archive");
        let parts = bytes.chunks(100).map(Bytes::copy_from_slice).collect();
        (Archive::Parts(parts), Artifact { digest: facts.digest, ..Artifact::default() })
    }

    #[test]
    fn what_is_unpacked_is_counted_first() {
        let mut files = Memory::default();
        files.add("zeros", Entry::File { bytes: vec![0; 100_000], executable: false });
        let (archive, artifact) = packed(&files);
        let few = archive.measured(&artifact, 50_000).expect("the digest is right");
        assert!(matches!(few, Err(Error::TooLarge { limit: 50_000, .. })));
        let size = archive.measured(&artifact, 1 << 20).expect("the digest is right").expect("it fits");
        assert!((100_000..110_000).contains(&size), "{size}");
        assert_eq!(archive.unpacked(size).expect("it is one"), files);
    }

    #[test]
    fn what_was_checked_is_unpacked_whatever_has_its_name_by_then() {
        let mut files = Memory::default();
        files.add("a", Entry::File { bytes: b"checked".into(), executable: false });
        let dir = sealfast_testkit::scratch::Scratch::new().expect("a folder");
        let path = dir.join("a.tar.gz");
        let put = |files: &Memory| {
            let new = dir.join("new");
            let made = File::create(&new).expect("it is made");
            let facts = pack(files, None, made, Algorithm::Sha256).expect("an archive");
            std::fs::rename(new, &path).expect("it is put in place");
            Artifact { digest: facts.digest, ..Artifact::default() }
        };
        let artifact = put(&files);
        let archive = Archive::File(File::open(&path).expect("it is there"));
        let size = archive.measured(&artifact, 1 << 20).expect("the digest is right").expect("it fits");
        put(&Memory::default());
        assert_eq!(archive.unpacked(size).expect("it is one"), files);
    }

    #[test]
    fn another_archive_is_refused_whatever_is_in_it() {
        let (_, artifact) = packed(&Memory::default());
        let other = Archive::Parts([Bytes::from_static(b"no archive")].into());
        let failure = other.measured(&artifact, 1 << 20).expect_err("is another one");
        assert!(failure.message.contains("computed digest doesn't match"), "{}", failure.message);
        let odd = Artifact { digest: "md5:00".into(), ..artifact };
        let failure = other.measured(&odd, 1 << 20).expect_err("nobody makes such digests");
        let told = "failed to verify archive: failed to parse digest 'md5:00': unsupported digest algorithm";
        assert_eq!(failure.message, told);
    }

    #[test]
    fn another_host_may_stand_in() {
        let hosts = Hosts { source: Some("localhost:8080".into()), watcher: None };
        assert_eq!(
            hosts.reached("http://source-controller.flux./a/b.tar.gz"),
            "http://localhost:8080/a/b.tar.gz"
        );
        assert_eq!(hosts.reached("http://source-watcher.flux./a"), "http://source-watcher.flux./a");
        assert_eq!(Hosts::default().reached("http://x/a"), "http://x/a");
    }
}
