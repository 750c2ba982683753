//! Input made to hurt: nothing panics or grows without bound.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use proptest::prelude::*;
use sealfast_yaml::decode::Decoder;
use sealfast_yaml::node::{Kind, Node};
use sealfast_yaml::{emit, json, parse, trace};

/// Does with an input all that can be done with one.
fn exercise(input: &[u8]) {
    let (documents, _) = parse::partial(input);
    for compact_sequences in [false, true] {
        let text = emit::documents(&documents, &emit::Options { indent: 2, compact_sequences });
        let _ = text.map(|text| parse::partial(text.as_bytes()));
    }
    for document in &documents {
        check_spans(document, input.len());
        let _ = json::from_node(document).map(|value| json::to_yaml(&value));
    }
    let _ = json::from_yaml_strict(input);
    let _ = json::documents(input).map(|values| values.iter().map(json::text).collect::<String>());
    let scan = trace::tokens(input);
    assert!(scan.tokens.len() <= 6 * input.len() + 16, "{} tokens", scan.tokens.len());
    assert!(trace::events(input).len() <= 6 * input.len() + 16);
}

fn check_spans(node: &Node, length: usize) {
    let wide = node.start.offset() <= node.end && node.text.start <= node.text.end;
    assert!(wide, "{node:?}");
    // UTF-16 grows when it becomes UTF-8.
    assert!(node.text.end <= 3 * length + 2, "{node:?}");
    if node.kind != Kind::Scalar {
        node.content.iter().for_each(|child| check_spans(child, length));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn inputs(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths.iter().map(|path| Ok(fs::read(path)?)).collect()
}

#[test]
fn the_fuzzing_corpus_passes() -> Result<()> {
    let inputs = inputs(&root().join("fuzz/corpus/yaml"))?;
    ensure!(!inputs.is_empty());
    inputs.iter().for_each(|input| exercise(input));
    Ok(())
}

/// Numbers that look random and are the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

const PIECES: [&str; 28] = [
    "\n", "\r\n", " ", "  ", "\t", "- ", "? ", ": ", "#", "# c\n", "\n\n", "&a ", "*a", "!!str ", "! ",
    "|\n", ">-\n", "'", "\"", "{", "}", "[", "]", ",", "---\n", "...\n", "\u{85}", "<<: ",
];

#[test]
fn mutated_golden_inputs_pass() -> Result<()> {
    let inputs = inputs(&root().join("golden/yaml/own"))?;
    ensure!(inputs.len() > 100);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for input in inputs.iter().filter(|input| input.len() < 3000) {
        for _ in 0..6 {
            let mut mutant = input.clone();
            for _ in 0..=dice.roll(3) {
                let at = dice.roll(mutant.len() + 1);
                match dice.roll(4) {
                    0 => mutant.truncate(at),
                    1 => drop(mutant.splice(at..at, PIECES[dice.roll(PIECES.len())].bytes())),
                    2 if at < mutant.len() => mutant[at] = dice.roll(256) as u8,
                    _ if at < mutant.len() => drop(mutant.remove(at)),
                    _ => {}
                }
            }
            exercise(&mutant);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_pass(input in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&input);
    }

    #[test]
    fn random_structure_passes(pieces in proptest::collection::vec(0..PIECES.len() + 4, 0..60)) {
        let words = ["a", "b: 1", "x y", "12"];
        let text: String = pieces.iter().map(|at| PIECES.get(*at).copied().unwrap_or_else(|| words[at - PIECES.len()])).collect();
        exercise(text.as_bytes());
    }
}

/// Runs on a thread with eight times the stack that runtimes give to theirs: unoptimised code takes so much more.
fn on_small_stack(run: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(run)?;
    thread.join().map_err(|_| anyhow::anyhow!("panicked"))
}

#[test]
fn deep_trees_fit_small_stacks() -> Result<()> {
    let nested =
        |open: &str, close: &str, levels: usize| format!("{}{}", open.repeat(levels), close.repeat(levels));
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        for levels in [450, 499, 501, 5_000, 20_000] {
            let text = nested(open, close, levels);
            on_small_stack(move || exercise(text.as_bytes()))?;
        }
    }
    let steps = (0..450).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
    on_small_stack(move || exercise(steps.as_bytes()))
}

#[test]
fn depth_is_bounded_in_the_reference_s_words() {
    let error = parse::documents("[".repeat(10_001).as_bytes()).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("yaml: exceeded max depth of 10000"));
    let open = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let error = parse::documents(open.as_bytes()).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("yaml: exceeded max depth of 500"));
}

#[test]
fn aliases_do_not_explode() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let item = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![item; 10].join(", ")));
    }
    let error = json::from_yaml(bomb.as_bytes()).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("yaml: document contains excessive aliasing"));
    let chain: String = (1..1_500).map(|level| format!("a{level}: &a{level} [*a{}]\n", level - 1)).collect();
    exercise(format!("a0: &a0 1\n{chain}").as_bytes());
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 2_000].join(", "));
    let error = json::from_yaml(long.as_bytes()).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("yaml: document contains excessive aliasing"));
}

#[test]
fn what_aliases_copy_counts_over_the_whole_stream() -> Result<()> {
    let document =
        |copies| format!("a: &a '{}'\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; copies].join(", "));
    let stream = parse::documents(format!("{}---\n{}", document(140), document(140)).as_bytes())?;
    let mut decoder = Decoder::new(&stream);
    decoder.value(&stream[0])?;
    let error = decoder.value(&stream[1]).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("yaml: document contains excessive aliasing"));
    Ok(())
}

/// Twelve times the input takes about twelve times as long; work that grows with the square would take 144 times.
/// A busy machine may hold one measurement up, hardly three.
#[test]
fn large_input_takes_linear_time() {
    type Make = fn(usize) -> String;
    let shapes: [(&str, Make); 9] = [
        ("one word", |size| "x".repeat(10 * size)),
        ("block text", |size| format!("|\n{}", " x\n".repeat(size))),
        ("escapes", |size| format!("\"{}\"", "\\u00e9 ".repeat(size))),
        ("comments", |size| "# comment\n".repeat(size)),
        ("items with comments", |size| "- a # c\n".repeat(size)),
        ("empty lines", |size| "\n".repeat(size)),
        ("documents", |size| "---\n".repeat(size)),
        ("keys", |size| (0..size).map(|key| format!("k{key}: {key}\n")).collect::<String>() + "k1: 2\n"),
        ("one key", |size| "a: 1\n".repeat(size)),
    ];
    for (name, make) in shapes {
        let time = |size: usize| {
            let text = make(size);
            let started = Instant::now();
            exercise(text.as_bytes());
            started.elapsed().as_secs_f64()
        };
        let is_linear = || time(12_000) < time(1_000).max(0.01) * 100.0;
        assert!((0..3).any(|_| is_linear()), "{name}");
    }
}

#[test]
fn too_large_input_is_refused() {
    let limits = parse::Limits { bytes: 10, ..parse::Limits::default() };
    assert!(parse::documents_with(b"a: 1\n", &limits).is_ok());
    assert!(parse::documents_with(b"a: 123456789\n", &limits).is_err());
}

#[test]
fn too_many_nodes_are_refused() {
    let limits = parse::Limits { nodes: 100, ..parse::Limits::default() };
    let list = |items: usize| format!("[{}]", ",".repeat(items).replace(',', "x,"));
    assert!(parse::documents_with(list(90).as_bytes(), &limits).is_ok());
    let refused = parse::documents_with(list(110).as_bytes(), &limits).err();
    let error = refused.map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("too many nodes: a stream may have 100 keys, values and ends"), "{error}");
    let documents = "---\na: 1\n".repeat(40);
    assert!(
        parse::documents_with(documents.as_bytes(), &limits).is_err(),
        "the stream counts, not the document"
    );
}

#[test]
fn aliases_of_all_documents_of_a_stream_count() {
    let text = "x".repeat(1 << 20);
    let aliases = ["*a"; 100].join(", ");
    let document = format!("---\na: &a {text}\nb: [{aliases}]\n");
    let read = |documents: usize| json::documents(document.repeat(documents).as_bytes());
    assert_eq!(read(2).map(|values| values.len()), Ok(2));
    assert!(read(3).is_err());
}

#[test]
fn messages_quote_no_values() {
    let secret = "hunter2";
    for text in
        [format!("{secret}\n"), format!("a: !!int {secret}\n"), format!("a: {{ {{ b: {secret} }} : c }}\n")]
    {
        let documents = parse::documents(text.as_bytes()).unwrap_or_default();
        let error = Decoder::new(&documents).string_map(&documents[0]).err();
        let error = error.unwrap_or_else(|| panic!("{text} was read"));
        assert!(error.in_full().contains(secret), "{error}");
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        let lost = format!("a: 1\nb: *{secret}\n");
        let error = parse::documents(lost.as_bytes()).err().unwrap_or_else(|| panic!("{lost} was read"));
        assert_eq!(error.in_full(), format!("yaml: unknown anchor '{secret}' referenced"));
        assert_eq!(error.to_string(), "yaml: line 2: unknown anchor referenced");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
        let odd = format!("{{ ? !!null '' : {secret} }}\n");
        let error = json::from_yaml(odd.as_bytes()).err().unwrap_or_else(|| panic!("{odd} was read"));
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
}
