//! Metadata and keyring -> data key: groups, order, threshold.
//!
//! In each group the first key that opens gives the group's share. Groups that need a service are opened at the same time,
//! after those that need none, and only as many as the threshold asks for; a failure tells about all of them.
//!
//! Follows: `GetDataKeyWithKeyServices` of sops 3.13.2. Differs: several groups without a threshold need all groups;
//! services that are not needed are not asked.

use std::collections::VecDeque;
use std::fmt;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::metadata::{KeyGroup, Metadata};
use sealfast_sops::shamir;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyring::Keyring;
use crate::place::{Place, places};
use crate::report;

/// The types of keys that are tried before others when nothing else was chosen.
pub const DEFAULT_ORDER: [&str; 2] = ["age", "pgp"];

/// Choices for [`data_key`].
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Types of master keys (`age`, `pgp`, `kms` …) in the order in which they are tried, before all other types; empty
    /// for [`DEFAULT_ORDER`].
    pub order: Vec<String>,
}

/// Why the data key could not be recovered: what happened with each group and key.
#[derive(Debug)]
pub struct Failure {
    /// The groups in the order of the metadata.
    pub groups: Vec<GroupResult>,
    /// How many groups were needed; 0 when there is a single group.
    pub required: usize,
    /// What was wrong with the recovered parts, when there were enough.
    pub combining: Option<Error>,
}

/// What happened with one group.
#[derive(Debug, Default)]
pub struct GroupResult {
    /// True when one of its keys opened.
    pub is_open: bool,
    /// The keys that did not open, in the order in which they were tried.
    pub failed: Vec<KeyFailure>,
}

/// What happened with one key.
#[derive(Debug)]
pub struct KeyFailure {
    /// The key as people name it.
    pub key: String,
    /// Why it did not open, one entry a key service that was asked.
    pub reasons: Vec<Error>,
}

impl Failure {
    /// Returns the report that `sops` prints with exit code 128, without colours and without a line break at its end.
    #[must_use]
    pub fn report(&self) -> String {
        report::text(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no master key opens the data key")?;
        if let Some(error) = &self.combining {
            return write!(f, ": {}", error.with_causes());
        }
        let mut separator = ": ";
        for failure in self.groups.iter().flat_map(|group| &group.failed) {
            let reasons: Vec<String> = failure.reasons.iter().map(Error::with_causes).collect();
            write!(f, "{separator}{}: {}", failure.key, reasons.join(", "))?;
            separator = "; ";
        }
        if self.required > 0 {
            let open = self.groups.iter().filter(|group| group.is_open).count();
            write!(f, "{separator}{open} of {} needed groups opened", self.required)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Recovers the data key of a document.
///
/// ```
/// # use sealfast_sops::{master_key::MasterKey, metadata::{KeyGroup, Metadata}, time::Time};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sealfast_keys::{keyring::Keyring, unlock};
///
/// let key = MasterKey::Age { recipient: "age1…".to_owned(), enc: String::new() };
/// let metadata = Metadata::new(vec![KeyGroup { keys: vec![key] }], Time::parse("2026-01-02T03:04:05Z")?);
/// let Err(failure) = unlock::data_key(&metadata, &Keyring::empty(), &unlock::Options::default()).await else {
///     panic!("nothing is at hand");
/// };
/// assert_eq!(failure.groups[0].failed[0].key, "age1…");
/// assert!(failure.report().contains("failed to load age identities"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Failure`], which tells what happened with each key.
pub async fn data_key(metadata: &Metadata, keyring: &Keyring, options: &Options) -> Result<DataKey, Failure> {
    let required = match (metadata.key_groups.len(), metadata.shamir_threshold) {
        (0 | 1, _) => 0,
        (count, 0) => count,
        (_, threshold) => threshold,
    };
    let wanted = required.max(1);
    let mut groups: Vec<Opening<'_>> =
        metadata.key_groups.iter().map(|group| Opening::new(group, keyring, options)).collect();
    let mut open = 0;
    // What needs no service first, one after the other, because a program may ask the person.
    for group in &mut groups {
        if open < wanted {
            open += usize::from(group.run(keyring, Reach::AtHand).await);
        }
    }
    // No more of the others at a time than are missing: the next one is opened when one fails.
    let closed = groups.iter_mut().filter(|group| group.part.is_none());
    let mut others = closed.map(|group| group.run(keyring, Reach::Everything));
    let mut waiting: FuturesUnordered<_> = others.by_ref().take(wanted.saturating_sub(open)).collect();
    while let Some(is_open) = waiting.next().await {
        if !is_open {
            waiting.extend(others.next());
        }
    }
    drop((waiting, others));
    let (parts, groups): (Vec<_>, Vec<_>) = groups.into_iter().map(Opening::end).unzip();
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.len() < wanted {
        return Err(Failure { groups, required, combining: None });
    }
    assemble(parts, required).map_err(|source| Failure {
        groups,
        required,
        combining: Some(Error::Combine(source)),
    })
}

/// How far an attempt may reach.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    /// Not beyond this machine.
    AtHand,
    Everything,
}

/// A group that is being opened: its attempts in order, and what came of them.
struct Opening<'a> {
    attempts: VecDeque<(&'a MasterKey, Place<'a>)>,
    part: Option<Zeroizing<Vec<u8>>>,
    failed: Vec<KeyFailure>,
}

impl<'a> Opening<'a> {
    fn new(group: &'a KeyGroup, keyring: &'a Keyring, options: &Options) -> Self {
        let keys = in_order(group, options).into_iter();
        let attempts = keys.flat_map(|key| places(keyring).map(move |place| (key, place))).collect();
        Self { attempts, part: None, failed: Vec::new() }
    }

    /// Makes the next attempts until one succeeds, none is left or the next one reaches too far; true when it is open.
    async fn run(&mut self, keyring: &Keyring, reach: Reach) -> bool {
        while let Some((key, place)) = self.attempts.front() {
            if reach == Reach::AtHand && !place.is_at_hand(key) {
                return false;
            }
            match place.open(key, keyring).await {
                Ok(part) => {
                    self.part = Some(part);
                    return true;
                }
                Err(error) => self.note(key.identity_string(), error),
            }
            self.attempts.pop_front();
        }
        false
    }

    fn note(&mut self, key: String, error: Error) {
        match self.failed.last_mut() {
            Some(failure) if failure.key == key => failure.reasons.push(error),
            _ => self.failed.push(KeyFailure { key, reasons: vec![error] }),
        }
    }

    fn end(self) -> (Option<Zeroizing<Vec<u8>>>, GroupResult) {
        (self.part.clone(), GroupResult { is_open: self.part.is_some(), failed: self.failed })
    }
}

fn assemble(
    mut parts: Vec<Zeroizing<Vec<u8>>>,
    required: usize,
) -> Result<DataKey, sealfast_sops::error::Error> {
    let secret = match required {
        0 => parts.swap_remove(0),
        _ => shamir::combine(&parts.iter().map(|part| part.as_slice()).collect::<Vec<_>>())?,
    };
    DataKey::from_bytes(&secret)
}

/// Sorts the keys of a group: types that were named first, in their order, then the others as stored.
fn in_order<'a>(group: &'a KeyGroup, options: &Options) -> Vec<&'a MasterKey> {
    let place = |name: &str| match options.order.as_slice() {
        [] => DEFAULT_ORDER.iter().position(|known| *known == name),
        order => order.iter().position(|known| known == name),
    };
    let mut keys: Vec<_> = group.keys.iter().collect();
    keys.sort_by_key(|key| place(key.type_name()).unwrap_or(usize::MAX));
    keys
}
