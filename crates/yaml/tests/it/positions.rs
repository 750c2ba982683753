//! Where nodes stand in their source.

use anyhow::{Context, Result};
use sealfast_yaml::node::Node;
use sealfast_yaml::parse;

/// Returns the source text of the values under the given keys of the first document.
fn texts<'a>(source: &'a str, keys: &[&str]) -> Result<Vec<&'a str>> {
    let documents = parse::documents(source.as_bytes())?;
    let root = &documents.first().context("no document")?.content[0];
    keys.iter()
        .map(|key| {
            let node = root.field(key).with_context(|| format!("no `{key}`"))?;
            source.get(node.text.clone()).context("no such span")
        })
        .collect()
}

#[test]
fn spans_cover_quotes_and_blocks_exactly() -> Result<()> {
    let source = "a: plain words # c\nb: \"dou\\\"ble\"\nc: 'sin''gle' \nd: |\n  one\n  two\n\n# next\ne: >-\n  folded\n  text\n\n\nf: é ü\ng: &x !!str tagged\nh: |+\n  kept\n\n\ni: multi\n  line\nj:\n";
    let found = texts(source, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"])?;
    let expected = [
        "plain words",
        "\"dou\\\"ble\"",
        "'sin''gle'",
        "|\n  one\n  two\n",
        ">-\n  folded\n  text\n",
        "é ü",
        "tagged",
        "|+\n  kept\n\n\n",
        "multi\n  line",
        "",
    ];
    assert_eq!(found, expected);
    Ok(())
}

#[test]
fn spans_count_the_byte_order_mark() -> Result<()> {
    assert_eq!(texts("\u{feff}a: b\n", &["a"])?, ["b"]);
    Ok(())
}

#[test]
fn replacing_a_span_replaces_the_value() -> Result<()> {
    fn scalars<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
        if node.content.is_empty() && node.text.end > node.text.start {
            found.push(node);
        }
        node.content.iter().for_each(|child| scalars(child, found));
    }
    let source =
        "# head\nname: web\nlist: [1, \"two\", 'three']\nmap: {k: v}\ntext: |\n  a\n  b\nlast: end\n";
    let documents = parse::documents(source.as_bytes())?;
    let mut found = Vec::new();
    scalars(&documents[0], &mut found);
    assert_eq!(found.len(), 13);
    for node in found.iter().filter(|node| !node.value.contains('\n')) {
        let mut changed = source.to_owned();
        changed.replace_range(node.text.clone(), "replaced");
        let again = parse::documents(changed.as_bytes())?;
        let mut values = Vec::new();
        scalars(&again[0], &mut values);
        assert_eq!(values.iter().filter(|value| value.value == "replaced").count(), 1, "{changed}");
        assert_eq!(values.len(), found.len(), "{changed}");
    }
    Ok(())
}
