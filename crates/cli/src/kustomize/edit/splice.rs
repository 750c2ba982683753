//! A changed value over the text that it was read from.
//!
//! Only the bytes of what changed are new.
//!
//! The text is compared with the value entry by entry. What cannot be changed in place (flow style, aliases, a first
//! entry beside its dash) is written anew from the nearest entry above. The result is read back before it counts.

use std::ops::Range;

use sealfast_yaml::node::{Kind, Node, Style};
use serde_json::{Map, Value};

/// Writes `wanted` over `source`.
///
/// # Errors
/// When the source is no YAML, or no text was found that reads as the wanted value.
pub(super) fn over(source: &str, wanted: &Value) -> Result<String, String> {
    let documents = sealfast_yaml::parse::documents(source.as_bytes()).map_err(|error| error.to_string())?;
    let root = documents.first().and_then(|document| document.content.first());
    let mut draft = Draft { source, edits: Vec::new() };
    let is_done = match (root, wanted) {
        (Some(root), Value::Object(map)) if root.kind == Kind::Mapping && root.style != Style::Flow => {
            draft.mapping(root, map).is_ok()
        }
        (None, Value::Object(map)) => {
            draft.edits.push((source.len()..source.len(), lines(map, 0)));
            true
        }
        (Some(root), Value::Object(map)) if root.tag == "!!null" => {
            draft.edits.push((source.len()..source.len(), lines(map, 0)));
            true
        }
        _ => false,
    };
    let text = draft.apply();
    // Of a file whose last field went, comments may be left.
    let is_empty = wanted.as_object().is_some_and(Map::is_empty);
    let reads = |text: &str| {
        sealfast_yaml::json::from_yaml(text.as_bytes())
            .is_ok_and(|read| read == *wanted || is_empty && read.is_null())
    };
    if is_done && reads(&text) {
        return Ok(text);
    }
    let whole = with_breaks(sealfast_yaml::json::to_yaml(wanted), source);
    if documents.len() <= 1 && reads(&whole) {
        return Ok(whole);
    }
    Err("the file cannot be changed in place: write the field by hand".to_owned())
}

/// In-place change is not possible here; the entry above is written anew.
struct Anew;

struct Draft<'a> {
    source: &'a str,
    edits: Vec<(Range<usize>, String)>,
}

impl Draft<'_> {
    /// Brings a block mapping to the wanted entries.
    fn mapping(&mut self, node: &Node, wanted: &Map<String, Value>) -> Result<(), Anew> {
        let Some((first, _)) = node.pairs().next() else { return Err(Anew) };
        if node.style == Style::Flow || !node.anchor.is_empty() || node.tagged {
            return Err(Anew);
        }
        let indent = first.start.column().saturating_sub(1);
        let mut missing = wanted.clone();
        let mut kept = 0;
        for (key, value) in node.pairs() {
            let present = plain(value).ok_or(Anew)?;
            let is_first_beside_dash = std::ptr::eq(key, first) && !self.starts_line(key.start.offset());
            match missing.shift_remove(&key.value) {
                Some(new) if new == present => kept += 1,
                Some(new) => {
                    kept += 1;
                    self.value(key, value, &new, indent)?;
                }
                None if is_first_beside_dash => return Err(Anew),
                None => self.edits.push((self.whole_lines(key.start.offset(), value), String::new())),
            }
        }
        if kept == 0 && !wanted.is_empty() && indent > 0 {
            return Err(Anew);
        }
        if !missing.is_empty() {
            let end = self.end_of_lines(end(node));
            self.insert(end, &lines(&missing, indent));
        }
        Ok(())
    }

    /// Changes the value of one entry of a mapping.
    fn value(&mut self, key: &Node, value: &Node, new: &Value, indent: usize) -> Result<(), Anew> {
        let before = self.edits.len();
        let is_done = match (value.kind, new) {
            (Kind::Mapping, Value::Object(map)) => self.mapping(value, map),
            (Kind::Sequence, Value::Array(items)) => self.sequence(value, items),
            (Kind::Scalar, new) => self.scalar(value, new),
            _ => Err(Anew),
        };
        if is_done.is_ok() {
            return Ok(());
        }
        self.edits.truncate(before);
        let mut entry = Map::new();
        entry.insert(key.value.clone(), new.clone());
        let text = lines(&entry, indent);
        let range = key.start.offset()..self.end_of_lines(end(value).max(key.end));
        self.edits.push((range, text.trim_start_matches(' ').to_owned()));
        Ok(())
    }

    /// Changes a scalar that stands on one line; what follows on its line stays.
    fn scalar(&mut self, node: &Node, new: &Value) -> Result<(), Anew> {
        let text = sealfast_yaml::json::to_yaml(new);
        let text = text.trim_end_matches('\n');
        let range = node.text.clone();
        let is_plain =
            !matches!(node.style, Style::Literal | Style::Folded) && node.anchor.is_empty() && !node.tagged;
        let is_scalar = !matches!(new, Value::Array(_) | Value::Object(_));
        if !is_plain
            || !is_scalar
            || range.is_empty()
            || text.contains('\n')
            || self.source[range.clone()].contains('\n')
        {
            return Err(Anew);
        }
        self.edits.push((range, text.to_owned()));
        Ok(())
    }

    /// Brings a block sequence to the wanted items: what both ends share stays, the rest is matched in order.
    fn sequence(&mut self, node: &Node, wanted: &[Value]) -> Result<(), Anew> {
        if node.style == Style::Flow
            || node.content.is_empty()
            || wanted.is_empty()
            || !node.anchor.is_empty()
        {
            return Err(Anew);
        }
        let present: Vec<Value> = node.content.iter().map(plain).collect::<Option<_>>().ok_or(Anew)?;
        let dash = self.dash(node.content.first().ok_or(Anew)?)?;
        let indent = self.column(dash);
        if !self.starts_line(dash) {
            return Err(Anew);
        }
        let mut next = 0;
        for (at, item) in node.content.iter().enumerate() {
            if wanted.get(next) == Some(&present[at]) {
                next += 1;
            } else if wanted[next..].contains(&present[at]) || wanted.len() - next < node.content.len() - at {
                // Something new comes before this item, or this item goes.
                match wanted[next..].iter().position(|item| *item == present[at]) {
                    Some(distance) => {
                        let start = self.line_start(self.dash(item)?);
                        self.insert(start, &items(&wanted[next..next + distance], indent));
                        next += distance + 1;
                    }
                    None => {
                        let start = self.line_start(self.dash(item)?);
                        self.edits.push((start..self.end_of_lines(end(item)), String::new()));
                    }
                }
            } else {
                self.item(item, &wanted[next], indent)?;
                next += 1;
            }
        }
        if next < wanted.len() {
            let end = self.end_of_lines(end(node));
            self.insert(end, &items(&wanted[next..], indent));
        }
        Ok(())
    }

    /// Changes one item.
    fn item(&mut self, item: &Node, new: &Value, indent: usize) -> Result<(), Anew> {
        let before = self.edits.len();
        let is_done = match (item.kind, new) {
            (Kind::Mapping, Value::Object(map)) => self.mapping(item, map),
            (Kind::Scalar, new) => self.scalar(item, new),
            _ => Err(Anew),
        };
        if is_done.is_ok() {
            return Ok(());
        }
        self.edits.truncate(before);
        let range = self.line_start(self.dash(item)?)..self.end_of_lines(end(item));
        self.edits.push((range, items(std::slice::from_ref(new), indent)));
        Ok(())
    }

    fn insert(&mut self, at: usize, text: &str) {
        let needs_break = at > 0 && !self.source[..at].ends_with('\n');
        let text = if needs_break { format!("\n{text}") } else { text.to_owned() };
        self.edits.push((at..at, text));
    }

    /// Returns the offset of the dash in front of an item on its line.
    fn dash(&self, item: &Node) -> Result<usize, Anew> {
        let start = item.start.offset();
        let line = self.line_start(start);
        self.source[line..start].rfind('-').map(|at| line + at).ok_or(Anew)
    }

    fn column(&self, offset: usize) -> usize {
        offset - self.line_start(offset)
    }

    fn starts_line(&self, offset: usize) -> bool {
        self.source[self.line_start(offset)..offset].trim_start_matches(' ').is_empty()
    }

    fn line_start(&self, offset: usize) -> usize {
        self.source[..offset].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Returns where the line that an offset ends on is over, its break included.
    fn end_of_lines(&self, offset: usize) -> usize {
        if self.source[..offset].ends_with('\n') {
            return offset;
        }
        self.source[offset..].find('\n').map_or(self.source.len(), |at| offset + at + 1)
    }

    fn whole_lines(&self, start: usize, value: &Node) -> Range<usize> {
        self.line_start(start)..self.end_of_lines(end(value).max(start))
    }

    fn apply(mut self) -> String {
        // A stable sort: what is inserted at one place stays in order.
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut text = String::with_capacity(self.source.len() + 256);
        let mut done = 0;
        for (range, new) in &self.edits {
            text.push_str(&self.source[done.min(range.start)..range.start]);
            text.push_str(&with_breaks(new.clone(), self.source));
            done = range.end;
        }
        text.push_str(&self.source[done..]);
        text
    }
}

/// Ends the lines of a new text as those of the source end.
fn with_breaks(text: String, source: &str) -> String {
    let is_first_long = source.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r'));
    if is_first_long { text.replace('\n', "\r\n") } else { text }
}

/// Returns where the text of a node ends; comments behind it do not count.
fn end(node: &Node) -> usize {
    match node.kind {
        Kind::Scalar if !node.text.is_empty() => node.text.end,
        Kind::Mapping | Kind::Sequence if node.style != Style::Flow && !node.content.is_empty() => {
            node.content.iter().map(end).max().unwrap_or(node.end)
        }
        _ => node.end,
    }
}

/// Returns the plain value of a node; none where an alias or a merge key stands.
fn plain(node: &Node) -> Option<Value> {
    let document = Node::document(node.clone());
    let text = sealfast_yaml::emit::documents(&[document], &sealfast_yaml::emit::Options::default()).ok()?;
    sealfast_yaml::json::from_yaml(text.as_bytes()).ok()
}

/// Writes entries as lines with an indentation.
fn lines(map: &Map<String, Value>, indent: usize) -> String {
    indented(&sealfast_yaml::json::to_yaml(&Value::Object(map.clone())), indent)
}

fn items(items: &[Value], indent: usize) -> String {
    indented(&sealfast_yaml::json::to_yaml(&Value::Array(items.to_vec())), indent)
}

fn indented(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    text.split_inclusive('\n')
        .map(|line| if line == "\n" { line.to_owned() } else { format!("{margin}{line}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::over;

    fn changed(source: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut value = sealfast_yaml::json::from_yaml(source.as_bytes()).unwrap_or_default();
        change(&mut value);
        over(source, &value).unwrap_or_else(|error| panic!("{error}"))
    }

    const FILE: &str = "\
# what this is
resources:   # the files
  - a.yaml   # first
  - 'b.yaml'

# images follow
images:
- name: nginx  # the server
  newTag: \"1.0\"
namePrefix: x-   # why
";

    #[test]
    fn nothing_changed_gives_the_same_bytes() {
        assert_eq!(changed(FILE, |_| {}), FILE);
    }

    #[test]
    fn a_scalar_changes_alone() {
        let text = changed(FILE, |value| value["namePrefix"] = json!("y-"));
        assert_eq!(text, FILE.replace("x-", "y-"));
    }

    #[test]
    fn an_item_is_added_where_its_list_ends() {
        let text =
            changed(FILE, |value| value["resources"].as_array_mut().expect("a list").push(json!("c.yaml")));
        assert_eq!(text, FILE.replace("  - 'b.yaml'\n", "  - 'b.yaml'\n  - c.yaml\n"));
    }

    #[test]
    fn an_item_goes_alone() {
        let text = changed(FILE, |value| drop(value["resources"].as_array_mut().expect("a list").remove(0)));
        assert_eq!(text, FILE.replace("  - a.yaml   # first\n", ""));
    }

    #[test]
    fn an_entry_of_an_item_changes_alone_and_new_ones_follow_it() {
        let text = changed(FILE, |value| {
            value["images"][0] = json!({"name": "nginx", "newTag": "2.0", "digest": "d"})
        });
        assert_eq!(text, FILE.replace("newTag: \"1.0\"\n", "newTag: \"2.0\"\n  digest: d\n"));
    }

    #[test]
    fn a_field_comes_at_the_end_and_goes_with_its_lines() {
        let text = changed(FILE, |value| value["namespace"] = json!("shop"));
        assert_eq!(text, format!("{FILE}namespace: shop\n"));
        let text = changed(FILE, |value| drop(value.as_object_mut().expect("a map").remove("images")));
        assert_eq!(text, FILE.replace("images:\n- name: nginx  # the server\n  newTag: \"1.0\"\n", ""));
    }

    #[test]
    fn flow_style_is_written_anew_and_the_rest_stays() {
        let source = "resources: [a.yaml]  # here\nnamePrefix: x-\n";
        let text = changed(source, |value| value["resources"] = json!(["a.yaml", "b.yaml"]));
        assert_eq!(text, "resources:\n- a.yaml\n- b.yaml\nnamePrefix: x-\n");
    }

    #[test]
    fn an_empty_file_and_one_without_a_last_line_break_grow() {
        assert_eq!(over("", &json!({"namespace": "a"})).as_deref(), Ok("namespace: a\n"));
        assert_eq!(
            over("# only this\n", &json!({"namespace": "a"})).as_deref(),
            Ok("# only this\nnamespace: a\n")
        );
        let text = changed("resources:\n- a.yaml", |value| value["namespace"] = json!("b"));
        assert_eq!(text, "resources:\n- a.yaml\nnamespace: b\n");
    }

    #[test]
    fn lines_end_as_those_of_the_file_do() {
        let source = "resources:\r\n- a.yaml\r\nnamePrefix: x-\r\n";
        let text = changed(source, |value| value["resources"] = json!(["a.yaml", "b.yaml"]));
        assert_eq!(text, source.replace("- a.yaml\r\n", "- a.yaml\r\n- b.yaml\r\n"));
    }

    #[test]
    fn comments_stay_when_the_last_field_goes() {
        let source = "# what this is\nsecretGenerator:\n- name: a\n";
        assert_eq!(over(source, &json!({})).as_deref(), Ok("# what this is\n"));
    }

    #[test]
    fn block_texts_and_nested_maps_keep_their_neighbours() {
        let source = "patches:\n- patch: |-\n    - op: remove\n      path: /a\n  target: {kind: Pod}\n- path: b.yaml\n";
        let text = changed(source, |value| drop(value["patches"].as_array_mut().expect("a list").remove(1)));
        assert_eq!(text, "patches:\n- patch: |-\n    - op: remove\n      path: /a\n  target: {kind: Pod}\n");
    }
}
