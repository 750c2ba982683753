//! What the program logs, kept for the tests of this process.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata};

/// The fields of a line.
pub(crate) type Line = BTreeMap<&'static str, String>;

static HEARD: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// All lines since somebody first asked.
pub(crate) struct Heard(());

/// Listens from now on.
pub(crate) fn heard() -> Heard {
    static LISTENS: OnceLock<()> = OnceLock::new();
    LISTENS.get_or_init(|| drop(tracing::subscriber::set_global_default(Listener)));
    Heard(())
}

impl Heard {
    /// A field of the first line that has it and is wanted.
    pub(crate) fn field(&self, name: &str, wanted: impl Fn(&Line) -> bool) -> Option<String> {
        HEARD.lock().iter().filter(|line| wanted(line)).find_map(|line| line.get(name).cloned())
    }

    /// All that was said.
    pub(crate) fn all(&self) -> String {
        HEARD.lock().iter().flat_map(Line::values).flat_map(|text| [text, "\n"]).collect()
    }
}

struct Listener;

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sealfast") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        HEARD.lock().push(fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(Line);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
