//! Two pipes between a thread that blocks and a task that does not.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Chunks that may wait in each direction.
const WAITING: usize = 64;

/// The end that blocks. Reading gives what the task sends, and ends when the task drops its end.
pub(super) struct Blocking {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

/// The task's end.
pub(super) struct Task {
    /// Takes what is read at the other end.
    pub(super) answers: Sender<Bytes>,
    /// Gives what is written at the other end; none once that is dropped.
    pub(super) requests: Receiver<Bytes>,
}

/// Makes both pipes.
pub(super) fn pair() -> (Blocking, Task) {
    let (answers, incoming) = channel(WAITING);
    let (outgoing, requests) = channel(WAITING);
    let reader = Reader { incoming, current: Bytes::new() };
    (Blocking { reader, writer: Writer { outgoing } }, Task { answers, requests })
}

/// Reads what the task sends.
pub(super) struct Reader {
    incoming: Receiver<Bytes>,
    current: Bytes,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.incoming.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Writes for the task to take.
pub(super) struct Writer {
    outgoing: Sender<Bytes>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.outgoing.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
