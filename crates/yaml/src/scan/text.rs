//! The place in the text: looking at it, and moving on.

use crate::chars::{LINE, byte, is_break, is_breakz, run, width};

use super::Scanner;

impl Scanner<'_> {
    #[inline]
    pub(super) fn at(&self, ahead: usize) -> u8 {
        byte(self.text, self.pos.offset + ahead)
    }

    /// Passes one character.
    #[inline]
    pub(super) fn skip(&mut self) {
        let first = self.at(0);
        if !matches!(first, b' ' | b'\t') {
            self.newlines = 0;
        }
        self.pos.index += 1;
        self.pos.column += 1;
        self.pos.offset += width(first);
    }

    /// Passes one line break, if there is one.
    pub(super) fn skip_line(&mut self) {
        if self.at(0) == b'\r' && self.at(1) == b'\n' {
            self.pos.index += 2;
            self.pos.offset += 2;
        } else if is_break(self.text, self.pos.offset) {
            self.pos.index += 1;
            self.pos.offset += width(self.at(0));
        } else {
            return;
        }
        self.pos.column = 0;
        self.pos.line += 1;
        self.newlines += 1;
    }

    /// Copies one character.
    #[inline]
    pub(super) fn read(&mut self, out: &mut Vec<u8>) {
        let offset = self.pos.offset;
        self.skip();
        out.extend_from_slice(&self.text[offset..self.pos.offset.min(self.text.len())]);
    }

    /// Copies the bytes of a class from here on.
    #[inline]
    pub(super) fn read_run(&mut self, class: u8, out: &mut Vec<u8>) {
        let offset = self.pos.offset;
        let length = run(self.text, offset, class);
        if length == 0 {
            return;
        }
        let bytes = &self.text[offset..offset + length];
        if !bytes.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            self.newlines = 0;
        }
        out.extend_from_slice(bytes);
        self.pos.index += length;
        self.pos.column += length;
        self.pos.offset += length;
    }

    /// Copies the rest of the line.
    pub(super) fn read_to_break(&mut self, out: &mut Vec<u8>) {
        loop {
            self.read_run(LINE, out);
            if is_breakz(self.text, self.pos.offset) {
                return;
            }
            self.read(out);
        }
    }

    /// Copies one line break in its normal form: CR LF, CR, LF and NEL become LF.
    pub(super) fn read_line(&mut self, out: &mut Vec<u8>) {
        match self.at(0) {
            b'\r' if self.at(1) == b'\n' => {
                out.push(b'\n');
                self.pos.index += 2;
                self.pos.offset += 2;
            }
            b'\r' | b'\n' => {
                out.push(b'\n');
                self.pos.index += 1;
                self.pos.offset += 1;
            }
            0xc2 => {
                out.push(b'\n');
                self.pos.index += 1;
                self.pos.offset += 2;
            }
            0xe2 => {
                out.extend_from_slice(&self.text[self.pos.offset..self.pos.offset + 3]);
                self.pos.index += 1;
                self.pos.offset += 3;
            }
            _ => return,
        }
        self.pos.column = 0;
        self.pos.line += 1;
        self.newlines += 1;
    }
}
