//! What a person types behind a question.

use std::io::{self, BufRead, ErrorKind};

/// More than anybody types.
const LONGEST: u64 = 1 << 10;

/// Reads a line of standard input, without its end; nothing when there is none.
///
/// # Errors
/// Those of reading, and a line that no person types.
pub(crate) fn line() -> io::Result<Option<Vec<u8>>> {
    bounded(std::io::stdin().lock())
}

fn bounded(input: impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = input.take(LONGEST).read_until(b'\n', &mut line)?;
    let is_ended = line.pop_if(|last| *last == b'\n').is_some();
    if read as u64 == LONGEST && !is_ended {
        return Err(io::Error::new(ErrorKind::InvalidData, "the answer is too long"));
    }
    Ok((read > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, repeat};

    use super::bounded;

    #[test]
    fn answers_are_short() {
        let line = |input: &[u8]| bounded(input).ok().flatten();
        assert_eq!(line(b"y\nn\n"), Some(b"y".to_vec()));
        assert_eq!(line(b"y"), Some(b"y".to_vec()));
        assert_eq!(line(b"\n"), Some(Vec::new()));
        assert_eq!(line(b""), None);
        let endless = bounded(BufReader::new(repeat(0)));
        assert_eq!(endless.map_err(|wrong| wrong.to_string()), Err("the answer is too long".to_owned()));
    }
}
