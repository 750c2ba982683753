//! Bounded lines: what is too long is passed over to its end.

use futures::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// Longer lines are not shown.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// One line.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// All of it, with its line break.
    Whole(Vec<u8>),
    /// It is too long. Its rest must not pass for a line: anybody may have written what stands there.
    TooLong,
}

/// The lines of a stream.
pub(super) struct Lines<Stream>(Stream);

impl<Stream: AsyncBufRead + Unpin> Lines<Stream> {
    pub(super) fn new(stream: Stream) -> Self {
        Self(stream)
    }

    /// Returns the next line; none at the end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Line>> {
        let line = self.piece().await?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.len() < LONGEST_LINE || line.ends_with(b"\n") {
            return Ok(Some(Line::Whole(line)));
        }
        loop {
            let rest = self.piece().await?;
            if rest.len() < LONGEST_LINE || rest.ends_with(b"\n") {
                return Ok(Some(Line::TooLong));
            }
        }
    }

    async fn piece(&mut self) -> std::io::Result<Vec<u8>> {
        let mut piece = Vec::new();
        (&mut self.0).take(LONGEST_LINE as u64).read_until(b'\n', &mut piece).await?;
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_rest_of_a_long_line_is_no_line() {
        let long = [vec![b'x'; LONGEST_LINE], b"{\"msg\":\"forged\"}\n".to_vec()].concat();
        let longest = [vec![b'x'; LONGEST_LINE - 1], b"\n".to_vec()].concat();
        let text = [long, longest.clone(), vec![b'y'; 3 * LONGEST_LINE], b"\nend".to_vec()].concat();
        let mut lines = Lines::new(futures::io::Cursor::new(text));
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.expect("from memory") {
            found.push(line);
        }
        let whole = |line: &[u8]| Line::Whole(line.to_vec());
        assert_eq!(found, [Line::TooLong, whole(&longest), Line::TooLong, whole(b"end")]);
    }
}
