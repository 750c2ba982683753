//! Lists and mappings between brackets.

use crate::error::Error;
use crate::node::Node;

use super::{Emitter, Place, foot_of, is_simple_key};

impl Emitter {
    pub(super) fn flow_sequence(&mut self, node: &Node, place: Place) -> Result<(), Error> {
        self.writer.open_flow(b"[");
        let outer = self.deepen(place, self.writer.best_indent, true, false);
        self.flow_level += 1;
        let mut comma_is_written = true;
        for item in &node.content {
            self.take_up(item, "");
            if !comma_is_written {
                self.writer.tight_indicator(b",");
            }
            self.head_comment();
            if self.writer.column == 0 {
                self.writer.write_indent();
            }
            comma_is_written = self.comments_wait();
            self.node(item, Place::FlowItem)?;
        }
        self.take_up_end(node.comments.as_deref(), "", place);
        self.flow_level -= 1;
        self.writer.indent = outer;
        if self.writer.column == 0 {
            self.writer.write_indent();
        }
        self.close_flow(b"]");
        Ok(())
    }

    pub(super) fn flow_mapping(&mut self, node: &Node, place: Place) -> Result<(), Error> {
        self.writer.open_flow(b"{");
        let outer = self.deepen(place, self.writer.best_indent, true, false);
        self.flow_level += 1;
        let mut comma_is_written = true;
        let mut tail = "";
        for pair in node.content.chunks_exact(2) {
            let (key, value) = (&pair[0], &pair[1]);
            self.take_up_key(key, tail);
            tail = foot_of(key);
            if !comma_is_written {
                self.writer.tight_indicator(b",");
            }
            self.head_comment();
            if self.writer.column == 0 {
                self.writer.write_indent();
            }
            if is_simple_key(key) {
                self.node(key, Place::SimpleKey)?;
                self.take_up(value, "");
                self.writer.tight_indicator(b":");
            } else {
                self.writer.indicator(b"?");
                self.node(key, Place::Key)?;
                self.take_up(value, "");
                self.writer.indicator(b":");
            }
            comma_is_written = self.comments_wait();
            self.node(value, Place::FlowValue)?;
        }
        self.take_up_end(node.comments.as_deref(), tail, place);
        let comments_wait = !self.head.is_empty() || !self.foot.is_empty() || !self.tail.is_empty();
        if comments_wait && !comma_is_written {
            self.writer.tight_indicator(b",");
        }
        self.head_comment();
        self.flow_level -= 1;
        self.writer.indent = outer;
        self.close_flow(b"}");
        Ok(())
    }

    fn close_flow(&mut self, bracket: &[u8]) {
        self.writer.tight_indicator(bracket);
        self.line_comment();
        self.foot_comment();
    }
}
