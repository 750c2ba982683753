//! The headers of a tar archive: ustar, with PAX records for long names.
//!
//! Follows: Go's archive/tar, which chooses the plain form whenever it can.

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;

const LONGEST_NAME: usize = 100;
const LONGEST_PREFIX: usize = 155;

/// Returns the header of a directory.
pub(super) fn directory(path: &str) -> Vec<u8> {
    entry(path, b'5', 0o750, 0)
}

/// Returns the header of a regular file.
pub(super) fn file(path: &str, size: usize, executable: bool) -> Vec<u8> {
    entry(path, b'0', if executable { 0o700 } else { 0o600 }, size)
}

/// Returns how many zero bytes follow a content of this size.
pub(super) fn padding(size: usize) -> usize {
    size.next_multiple_of(BLOCK) - size
}

fn entry(path: &str, kind: u8, mode: u32, size: usize) -> Vec<u8> {
    if path.is_ascii() && path.len() <= LONGEST_NAME {
        return block(path, "", kind, mode, size).to_vec();
    }
    if path.is_ascii()
        && let Some((prefix, name)) = split(path)
    {
        return block(name, prefix, kind, mode, size).to_vec();
    }
    let record = record("path", path);
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let beside = if folder.is_empty() {
        format!("PaxHeaders.0/{name}")
    } else {
        format!("{folder}/PaxHeaders.0/{name}")
    };
    let mut bytes = block(&short(&beside), "", b'x', 0, record.len()).to_vec();
    bytes.extend_from_slice(record.as_bytes());
    bytes.resize(bytes.len() + padding(record.len()), 0);
    bytes.extend_from_slice(&block(&short(path), "", kind, mode, size));
    bytes
}

/// Splits a long name at a slash so that both parts fit.
fn split(path: &str) -> Option<(&str, &str)> {
    let reach = path.len().min(LONGEST_PREFIX + 1);
    let at = path[..reach].rfind('/').filter(|at| *at > 0)?;
    let (prefix, name) = (&path[..at], &path[at + 1..]);
    (name.len() <= LONGEST_NAME && !name.is_empty()).then_some((prefix, name))
}

/// Returns what of a name old readers can hold: ASCII, cut to length.
fn short(path: &str) -> String {
    path.chars()
        .filter(char::is_ascii)
        .take(LONGEST_NAME)
        .collect::<String>()
        .trim_end_matches('/')
        .to_owned()
}

/// A record begins with its own length in bytes.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut size = rest + rest.to_string().len();
    size = rest + size.to_string().len();
    format!("{size} {key}={value}\n")
}

fn block(name: &str, prefix: &str, kind: u8, mode: u32, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put(&mut block, 0, name);
    put(&mut block, 100, &format!("{mode:07o}"));
    put(&mut block, 108, "0000000");
    put(&mut block, 116, "0000000");
    put(&mut block, 124, &format!("{size:011o}"));
    put(&mut block, 136, "00000000000");
    block[156] = kind;
    put(&mut block, 257, "ustar\x0000");
    if kind != b'x' {
        put(&mut block, 329, "0000000");
        put(&mut block, 337, "0000000");
    }
    put(&mut block, 345, prefix);
    // The sum counts its own field as blanks.
    put(&mut block, 148, "        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block, 148, &format!("{sum:06o}\0 "));
    block
}

fn put(block: &mut [u8; BLOCK], at: usize, text: &str) {
    block[at..at + text.len()].copy_from_slice(text.as_bytes());
}
