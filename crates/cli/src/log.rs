//! Logs as Flux writes them: one JSON object a line, or plain lines for people.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    /// Everything.
    Trace,
    /// What helps to find a mistake.
    Debug,
    /// What happens.
    Info,
    /// What goes wrong.
    Error,
}

/// How it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Encoding {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Console,
}

/// Starts logging to standard error. Our own crates alone have a say: others log what they receive.
pub(crate) fn start(level: Level, encoding: Encoding) {
    let level = match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        // Flux knows nothing between what happens and what goes wrong.
        Level::Error => "warn",
    };
    let ours = ["cli", "apiserver", "controllers", "cluster", "source", "keys", "kustomize"];
    begin(&ours.map(|name| format!("sealfast_{name}={level}")).join(","), encoding);
}

/// Says what nobody may miss who did not ask for a log: what the state of the embedded server lost or cannot take.
pub(crate) fn start_for_the_state() {
    begin("sealfast_apiserver::storage=warn", Encoding::Console);
}

fn begin(filter: &str, encoding: Encoding) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr);
    // Somebody else in the process may log already; then that one goes on.
    let _ = match encoding {
        Encoding::Json => builder.fmt_fields(Json).event_format(Json).try_init(),
        Encoding::Console => builder.with_target(false).with_ansi(is_coloured()).try_init(),
    };
}

/// Whether standard error takes colours: a terminal that knows them, whose user does not mind.
fn is_coloured() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

struct Json;

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let key = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(key.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        let value = match field.name() {
            "output" => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            _ => Value::String(text),
        };
        self.put(field, value);
    }
}

impl Fields {
    /// Names the object under its kind, too, as controller-runtime does.
    fn name_object(&mut self) {
        let text = |name: &str| self.0.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(kind), Some(name)) = (text("controllerKind"), text("name")) else { return };
        let object = json!({"name": name, "namespace": text("namespace")});
        self.0.insert(kind, object);
    }
}

/// Adds what is not there yet: what is said first is the event's own.
fn add(line: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (key, value) in fields {
        line.entry(key).or_insert(value);
    }
}

/// The word for a level; what is suspicious goes wrong.
fn word(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR | tracing::Level::WARN => "error",
        tracing::Level::INFO => "info",
        tracing::Level::DEBUG => "debug",
        tracing::Level::TRACE => "trace",
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.name_object();
        let mut line = Map::new();
        line.insert("level".to_owned(), word(*event.metadata().level()).into());
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        line.insert("ts".to_owned(), now.into());
        add(&mut line, fields.0);
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let own = extensions.get::<FormattedFields<N>>().map(|own| serde_json::from_str(&own.fields));
            add(&mut line, own.and_then(Result::ok).unwrap_or_default());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// What a span knows, kept as JSON.
impl<'w> FormatFields<'w> for Json {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, given: R) -> fmt::Result {
        let mut fields = Fields::default();
        given.record(&mut fields);
        write!(writer, "{}", Value::Object(fields.0))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().map_err(|_| io::ErrorKind::Other)?.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_those_of_controller_runtime() -> Result<(), Box<dyn std::error::Error>> {
        let lines = Lines::default();
        let writer = lines.clone();
        let builder = tracing_subscriber::fmt().fmt_fields(Json).event_format(Json);
        let subscriber = builder.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let output = json!({"ConfigMap/ns/a": "created"});
            tracing::info!(controllerKind = "Kustomization", namespace = "ns", name = "app", %output, "done");
            tracing::error_span!("run", reconcileID = "7").in_scope(|| tracing::warn!("odd"));
            let lies =
                tracing::error_span!("run", msg = "all is well", level = "debug", ts = "never", name = "b");
            lies.in_scope(|| tracing::error!(name = "a", level = "debug", "broken"));
        });
        let written = lines.0.lock().map_err(|_| "a writer panicked")?.clone();
        let lines: Vec<Value> =
            String::from_utf8(written)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        assert_eq!(lines[0]["level"], "info");
        assert_eq!(lines[0]["msg"], "done");
        assert_eq!(lines[0]["output"], json!({"ConfigMap/ns/a": "created"}));
        assert_eq!(lines[0]["Kustomization"], json!({"name": "app", "namespace": "ns"}));
        assert_eq!(lines[0]["reconcileID"], Value::Null);
        assert_eq!((&lines[1]["level"], &lines[1]["reconcileID"]), (&json!("error"), &json!("7")));
        let own = ["level", "msg", "name"].map(|key| lines[2][key].as_str().unwrap_or_default());
        assert_eq!(own, ["error", "broken", "a"]);
        assert_ne!(lines[2]["ts"], "never");
        Ok(())
    }
}
