//! Records of the state file: sealed, one behind the other, marks between them.
//!
//! Bytes of a file in, records out; what cannot be read is a torn end or damage (see `journal.rs`).

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use rand08::{RngCore, rngs::OsRng};

use crate::error::Error;

/// One record: the revision, and which object it wrote or deleted (none for marks and the head of a rewritten file).
pub(crate) struct Record {
    pub revision: u64,
    pub key: Option<(String, String, String)>,
    pub value: Option<Vec<u8>>,
}

/// Why a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is no state file of this version.
    Header,
    /// Its first record does not open.
    First,
    /// A record does not open that once did; its place in bytes.
    At(usize),
}

/// Returns the records and the length of what they fill; a torn end is left out.
pub(super) fn read_all(cipher: &Aes256Gcm, bytes: &[u8]) -> Result<(Vec<Record>, usize), Broken> {
    let Some(mut rest) = bytes.strip_prefix(HEADER) else {
        // Killed while the very first bytes were written.
        return if HEADER.starts_with(bytes) { Ok((Vec::new(), 0)) } else { Err(Broken::Header) };
    };
    let (mut records, mut marked) = (Vec::new(), false);
    let mut good = HEADER.len();
    while let Some((frame, behind)) = frame(rest) {
        match unseal(cipher, frame) {
            Some(record) if record.is_mark() => marked = true,
            Some(record) => records.push(record),
            None if frame.iter().chain(behind).all(|byte| *byte == 0) => break,
            None if records.is_empty() && !marked => return Err(Broken::First),
            None => break,
        }
        good = bytes.len() - behind.len();
        rest = behind;
    }
    if is_damaged(cipher, rest, marked) { Err(Broken::At(good)) } else { Ok((records, good)) }
}

/// True when what begins with a record that cannot be read was whole once; `marked` when there are marks before it.
fn is_damaged(cipher: &Aes256Gcm, rest: &[u8], marked: bool) -> bool {
    // Blocks that a power cut kept from the disk read as zeros.
    if rest.iter().all(|byte| *byte == 0) {
        return false;
    }
    let mut found = records_in(cipher, rest);
    if marked {
        return found.any(|(at, record)| record.unflushed().is_some_and(|gap| gap < at as u64));
    }
    found.next().is_some() || stated(rest).is_some_and(|length| length > LARGEST_SEALED)
}

/// The length that the next record says it has.
fn stated(bytes: &[u8]) -> Option<usize> {
    Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize)
}

/// The next whole record and what follows it.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = stated(bytes).filter(|length| *length <= LARGEST_SEALED)?;
    bytes.split_at_checked(FRAME + length)
}

/// The whole records that stand anywhere behind a broken one, and where they begin.
fn records_in(cipher: &Aes256Gcm, bytes: &[u8]) -> impl Iterator<Item = (usize, Record)> {
    let likely = |bytes: &[u8]| stated(bytes).is_none_or(|length| length <= LARGEST_SEALED);
    let mut next = 1;
    std::iter::from_fn(move || {
        while next < bytes.len() {
            let at = next;
            next += 1;
            if let Some((whole, behind)) = frame(&bytes[at..])
                && whole.len() > FRAME + TAG
                && likely(behind)
                && let Some(record) = unseal(cipher, whole)
            {
                next = at + whole.len();
                return Some((at, record));
            }
        }
        None
    })
}

/// A mark: the file was flushed but for so many bytes before it. It has no key, and that number as its value.
pub(super) fn mark(cipher: &Aes256Gcm, revision: u64, unflushed: u64) -> Result<Vec<u8>, Error> {
    seal(cipher, revision, None, Some(&unflushed.to_le_bytes()))
}

impl Record {
    fn is_mark(&self) -> bool {
        self.unflushed().is_some()
    }

    /// How many bytes before this mark were not flushed when it was written.
    fn unflushed(&self) -> Option<u64> {
        let value = self.value.as_deref().filter(|_| self.key.is_none())?;
        Some(u64::from_le_bytes(value.try_into().ok()?))
    }
}

/// length (4, little endian) | nonce (12) | sealed bytes; sealed are revision (8), flags (1), key, value.
pub(super) fn seal(
    cipher: &Aes256Gcm,
    revision: u64,
    key: Option<(&str, &str, &str)>,
    value: Option<&[u8]>,
) -> Result<Vec<u8>, Error> {
    let mut plain = revision.to_le_bytes().to_vec();
    plain.push(u8::from(key.is_some()) | (u8::from(value.is_some()) << 1));
    if let Some((resource, namespace, name)) = key {
        for part in [resource, namespace, name] {
            plain.extend((part.len() as u32).to_le_bytes());
            plain.extend(part.as_bytes());
        }
    }
    plain.extend(value.unwrap_or_default());
    let mut nonce = [0_u8; 12];
    OsRng.fill_bytes(&mut nonce);
    let payload = Payload { msg: &plain, aad: HEADER };
    let sealed = cipher.encrypt(Nonce::from_slice(&nonce), payload);
    zeroize::Zeroize::zeroize(&mut plain);
    let sealed = sealed.ok().filter(|sealed| sealed.len() <= LARGEST_SEALED).ok_or(Error::Seal)?;
    let mut out = (sealed.len() as u32).to_le_bytes().to_vec();
    out.extend(nonce);
    out.extend(sealed);
    Ok(out)
}

fn unseal(cipher: &Aes256Gcm, frame: &[u8]) -> Option<Record> {
    let (nonce, sealed) = frame.get(4..)?.split_at_checked(12)?;
    let payload = Payload { msg: sealed, aad: HEADER };
    let plain = zeroize::Zeroizing::new(cipher.decrypt(Nonce::from_slice(nonce), payload).ok()?);
    record(&plain)
}

fn record(plain: &[u8]) -> Option<Record> {
    let (revision, rest) = plain.split_at_checked(8)?;
    let revision = u64::from_le_bytes(revision.try_into().ok()?);
    let (&flags, mut rest) = rest.split_first()?;
    let mut parts = Vec::new();
    if flags & 1 != 0 {
        for _ in 0..3 {
            let (length, after) = rest.split_at_checked(4)?;
            let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
            let (part, after) = after.split_at_checked(length)?;
            parts.push(String::from_utf8(part.to_vec()).ok()?);
            rest = after;
        }
    }
    let mut parts = parts.into_iter();
    let key = match (parts.next(), parts.next(), parts.next()) {
        (Some(resource), Some(namespace), Some(name)) => Some((resource, namespace, name)),
        _ => None,
    };
    Some(Record { revision, key, value: (flags & 2 != 0).then(|| rest.to_vec()) })
}

pub(super) const HEADER: &[u8] = b"sealfast state 1\n";
const FRAME: usize = 16;
const TAG: usize = 16;
/// Bytes of the longest record: the largest object, and more than its names can take.
const LARGEST_SEALED: usize = super::stored::LARGEST + (64 << 10);

/// Bytes of what is noted after a flush, which is no object.
#[cfg(test)]
pub(crate) fn length_of_mark() -> usize {
    use aes_gcm::KeyInit;
    mark(&Aes256Gcm::new(&[0; 32].into()), 0, 0).expect("a mark is sealed").len()
}

#[cfg(test)]
mod tests {
    use aes_gcm::aead::KeyInit;

    use super::*;

    fn cipher() -> Aes256Gcm {
        Aes256Gcm::new(&[7; 32].into())
    }

    fn file(records: u64) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        for number in 1..=records {
            let record = seal(&cipher(), number, Some(("configmaps", "n", "c")), Some(b"{}"));
            bytes.extend(record.expect("a short record is sealed"));
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<usize, Broken> {
        read_all(&cipher(), bytes).map(|(records, _)| records.len())
    }

    #[test]
    fn a_file_cut_at_any_byte_keeps_its_whole_records() {
        let whole = file(3);
        let size = (whole.len() - HEADER.len()) / 3;
        for length in 0..=whole.len() {
            let kept = length.saturating_sub(HEADER.len()) / size;
            assert_eq!(read(&whole[..length]), Ok(kept), "cut at {length}");
        }
    }

    #[test]
    fn damage_before_other_records_is_told() {
        let whole = file(3);
        let size = (whole.len() - HEADER.len()) / 3;
        let second = HEADER.len() + size;
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            read(&bytes)
        };
        assert_eq!(flipped(0), Err(Broken::Header));
        assert_eq!(flipped(HEADER.len() + 20), Err(Broken::First));
        assert_eq!(flipped(second + 20), Err(Broken::At(second)));
        assert_eq!(flipped(whole.len() - 1), Ok(2), "the last record may be torn");
    }

    #[test]
    fn a_damaged_length_is_no_torn_end() {
        let whole = file(3);
        let size = (whole.len() - HEADER.len()) / 3;
        for (record, bit) in (0..3).flat_map(|record| (0..32).map(move |bit| (record, bit))) {
            let at = HEADER.len() + record * size;
            let mut bytes = whole.clone();
            bytes[at + bit / 8] ^= 1 << (bit % 8);
            let long = bit >= 22;
            match read(&bytes) {
                Err(Broken::At(told)) => assert_eq!(told, at, "bit {bit}"),
                Err(Broken::First) => assert!(record == 0 && !long, "bit {bit} of record {record}"),
                // Nothing tells a longer length of the last record from a write that was cut short.
                other => assert!(other == Ok(2) && record == 2 && !long, "{other:?}, bit {bit} of {record}"),
            }
        }
    }

    #[test]
    fn blocks_that_never_reached_the_disk_are_a_torn_end() {
        let mut bytes = file(2);
        bytes.extend([0; 4096]);
        assert_eq!(read(&bytes), Ok(2));
    }

    /// Three records that were flushed, a mark that says so, and three more.
    fn marked() -> (Vec<u8>, usize) {
        let flushed = file(3);
        let size = (flushed.len() - HEADER.len()) / 3;
        let sealed = mark(&cipher(), 3, 0).expect("a mark is sealed");
        let more = file(3).split_off(HEADER.len());
        (flushed.into_iter().chain(sealed).chain(more).collect(), size)
    }

    #[test]
    fn what_was_never_flushed_may_have_holes() {
        let (whole, size) = marked();
        assert_eq!(read(&whole), Ok(6));
        let first = whole.len() - 3 * size;
        for number in 0..3 {
            let mut bytes = whole.clone();
            bytes[first + number * size..][..size].fill(0);
            assert_eq!(read(&bytes), Ok(3 + number), "record {number} did not reach the disk");
            bytes[first + number * size..][..4].fill(0xff);
            assert_eq!(read(&bytes), Ok(3 + number), "it is noise");
        }
        // A later flush is told of behind the hole: then it was on the disk.
        let later = mark(&cipher(), 6, 0).expect("a mark is sealed");
        let mut bytes = [&whole[..], &later[..]].concat();
        bytes[first + size..][..size].fill(0);
        assert_eq!(read(&bytes), Err(Broken::At(first + size)));
        // But not when that flush went only up to the hole.
        let short = mark(&cipher(), 6, 2 * size as u64).expect("a mark is sealed");
        let mut bytes = [&whole[..], &short[..]].concat();
        bytes[first + size..][..size].fill(0);
        assert_eq!(read(&bytes), Ok(4));
        let mut bytes = whole;
        bytes[HEADER.len() + size + 20] ^= 1;
        assert_eq!(read(&bytes), Err(Broken::At(HEADER.len() + size)), "before the mark");
    }

    #[test]
    fn hostile_lengths_and_noise_are_survived() {
        let mut bytes = file(1);
        let end = bytes.len();
        bytes.extend(u32::MAX.to_le_bytes());
        bytes.extend([9; 40]);
        assert_eq!(read(&bytes), Err(Broken::At(end)));
        assert_eq!(read(b"some other file of a person"), Err(Broken::Header));
        let sealed = [&b"1234567\x00"[..], &[3], &u32::MAX.to_le_bytes(), b"x"].concat();
        assert!(record(&sealed).is_none());
    }
}
