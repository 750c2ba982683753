//! One transcript: requests in order, answers compared with the recorded ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use crate::wire::{Answer, Request};
use crate::{Server, compare, normal};

/// Plays a case.
pub(crate) fn play(server: &Arc<Server>, folder: &Path) -> Result<(), String> {
    let bytes = std::fs::read(folder.join("case.json")).map_err(|error| error.to_string())?;
    let case: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let mut play = Play {
        server: Arc::clone(server),
        case,
        run: letters(),
        captured: BTreeMap::new(),
        watches: BTreeMap::new(),
    };
    play.captured.insert("run".into(), json!(play.run));
    let outcome = play.all();
    play.clean_up();
    outcome
}

/// Eight letters of this run.
pub(crate) fn letters() -> String {
    use std::hash::{BuildHasher, Hasher};
    let mut number = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (0..8)
        .map(|_| {
            let letter = b'a' + u8::try_from(number % 26).unwrap_or(0);
            number /= 26;
            char::from(letter)
        })
        .collect()
}

type Watching = tokio::task::JoinHandle<Result<Answer, String>>;

struct Play {
    server: Arc<Server>,
    case: Value,
    run: String,
    captured: BTreeMap<String, Value>,
    watches: BTreeMap<String, Watching>,
}

impl Play {
    fn all(&mut self) -> Result<(), String> {
        for namespace in self.names("namespaces") {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            let answer = self.plain("POST", "/api/v1/namespaces", Some(&body))?;
            if answer.status != 201 {
                return Err(format!("namespace {namespace}: {} {}", answer.status, answer.text));
            }
        }
        let steps = self.case["steps"].as_array().cloned().unwrap_or_default();
        for (at, step) in steps.iter().enumerate() {
            self.step(step).map_err(|why| {
                let request = &step["request"];
                format!(
                    "step {} ({} {}): {why}",
                    at + 1,
                    request["method"].as_str().unwrap_or("check"),
                    request["path"].as_str().unwrap_or_default()
                )
            })?;
        }
        Ok(())
    }

    fn clean_up(&mut self) {
        let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        for path in self.names("cleanup") {
            let _ = self.plain("DELETE", &path, Some(&body));
        }
        for namespace in self.names("namespaces") {
            let _ = self.plain("DELETE", &format!("/api/v1/namespaces/{namespace}"), None);
        }
    }

    fn names(&self, key: &str) -> Vec<String> {
        let list = self.case[key].as_array().into_iter().flatten();
        list.filter_map(|value| self.fill(value).as_str().map(str::to_owned)).collect()
    }

    fn plain(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let body = body.map(|body| body.to_string().into_bytes());
        let request = Request { method, path, headers: &Value::Null, body, auth: None };
        self.server.runtime.block_on(self.server.client.request(&request))
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        if let Some(check) = step.get("check") {
            return self.check(check);
        }
        if let Some(delay) = step["delay"].as_f64() {
            std::thread::sleep(Duration::from_secs_f64(delay));
        }
        let end = Instant::now() + Duration::from_secs_f64(step["poll"].as_f64().unwrap_or(0.0));
        loop {
            let Some(answer) = self.once(step)? else { return Ok(()) };
            let remembered = answer.status >= 300 || self.remember(step, &answer);
            let outcome = self.compare(step, &answer);
            let outcome =
                outcome.and_then(|()| if remembered { Ok(()) } else { Err("nothing to remember".into()) });
            if outcome.is_ok() || Instant::now() >= end {
                return outcome;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn check(&self, check: &Value) -> Result<(), String> {
        for (word, wanted) in [("same", true), ("differ", false)] {
            if let Some([left, right]) = check[word].as_array().map(Vec::as_slice) {
                let value = |name: &Value| self.captured.get(name.as_str().unwrap_or_default());
                if (value(left) == value(right)) != wanted {
                    return Err(format!("{left} and {right} must be: {word}"));
                }
            }
        }
        Ok(())
    }

    fn once(&mut self, step: &Value) -> Result<Option<Answer>, String> {
        if let Some(name) = step["collect"].as_str() {
            let task = self.watches.remove(name).ok_or("no such watch")?;
            return self.server.runtime.block_on(task).map_err(|error| error.to_string())?.map(Some);
        }
        let request = self.fill(&step["request"]);
        let body = self.body(&request);
        let Some(watch) = step.get("watch") else {
            let request = asked(&request, body);
            return self.server.runtime.block_on(self.server.client.request(&request)).map(Some);
        };
        let events = watch["events"].as_u64().unwrap_or(0) as usize;
        let seconds = watch["seconds"].as_f64().unwrap_or(5.0);
        if let Some(name) = step["background"].as_str() {
            let server = Arc::clone(&self.server);
            let (sender, receiver) = std::sync::mpsc::channel();
            let task = self.server.runtime.spawn(async move {
                let asked = asked(&request, body);
                server
                    .client
                    .watch(&asked, events, seconds, move || {
                        let _ = sender.send(());
                    })
                    .await
            });
            let _ = receiver.recv_timeout(Duration::from_secs(10));
            self.watches.insert(name.to_owned(), task);
            return Ok(None);
        }
        let asked = asked(&request, body);
        self.server.runtime.block_on(self.server.client.watch(&asked, events, seconds, || {})).map(Some)
    }

    fn body(&self, request: &Value) -> Option<Vec<u8>> {
        if let Some(text) = request["bodyBase64"].as_str() {
            let mut bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
            while let Some(at) = bytes.windows(8).position(|part| part == b"rrrrrrrr") {
                bytes[at..at + 8].copy_from_slice(self.run.as_bytes());
            }
            return Some(bytes);
        }
        match request.get("body")? {
            Value::String(text) => Some(text.clone().into_bytes()),
            Value::Null => None,
            other => Some(other.to_string().into_bytes()),
        }
    }

    fn remember(&mut self, step: &Value, answer: &Answer) -> bool {
        let body = answer.body();
        let mut all = true;
        for (name, pointer) in step["capture"].as_object().into_iter().flatten() {
            match body.pointer(pointer.as_str().unwrap_or_default()) {
                Some(value) => drop(self.captured.insert(name.clone(), value.clone())),
                None => all = false,
            }
        }
        all
    }

    fn compare(&self, step: &Value, answer: &Answer) -> Result<(), String> {
        let want = &step["response"];
        if want["status"].as_u64() != Some(u64::from(answer.status)) {
            return Err(format!(
                "status {}, want {}: {}",
                answer.status,
                want["status"],
                answer.text.chars().take(400).collect::<String>()
            ));
        }
        self.compare_headers(&want["headers"], answer)?;
        let mode = want["match"].as_str().unwrap_or("exact");
        if mode == "status" {
            return Ok(());
        }
        let mut body = answer.body();
        if mode == "pattern" {
            let pattern = format!("(?s)^(?:{})$", want["body"].as_str().unwrap_or_default());
            let fits = regex::Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(&answer.text));
            return if fits { Ok(()) } else { Err(format!("body does not match: {}", answer.text)) };
        }
        if self.case["managedFields"] != true {
            compare::without_managers(&mut body);
        }
        for pointer in want["ignore"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            compare::strip(&mut body, pointer);
        }
        let body = normal::value(&body, "", &self.run, &self.captured);
        compare::differs(&want["body"], &body, mode == "subset", "").map_or(Ok(()), Err)
    }

    fn compare_headers(&self, want: &Value, answer: &Answer) -> Result<(), String> {
        let got = |name: &str| -> Vec<String> {
            let values = answer.headers.iter().filter(|(known, _)| known == name);
            let mut values: Vec<String> =
                values.map(|(_, value)| normal::text(value, &self.run, &self.captured)).collect();
            values.sort();
            values
        };
        for name in ["content-type", "retry-after", "location", "allow"] {
            let packed = |text: &str| text.split_whitespace().collect::<String>();
            if let Some(wanted) = want[name].as_str()
                && got(name).first().map(|found| packed(found)) != Some(packed(wanted))
            {
                return Err(format!("header {name}: got {:?} want {wanted}", got(name)));
            }
        }
        let mut wanted: Vec<String> = match &want["warning"] {
            Value::String(one) => vec![one.clone()],
            other => {
                other.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
            }
        };
        wanted.sort();
        if got("warning") == wanted {
            Ok(())
        } else {
            Err(format!("header warning: got {:?} want {wanted:?}", got("warning")))
        }
    }

    /// `{{name}}` becomes the value of that name, `{{big:N}}` so many letters.
    fn fill(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let text = |key: &String| self.fill_text(key);
                Value::Object(map.iter().map(|(key, value)| (text(key), self.fill(value))).collect())
            }
            Value::Array(list) => list.iter().map(|value| self.fill(value)).collect(),
            Value::String(text) => json!(self.fill_text(text)),
            other => other.clone(),
        }
    }

    fn fill_text(&self, text: &str) -> String {
        let big = text
            .strip_prefix("{{big:")
            .and_then(|rest| rest.strip_suffix("}}"))
            .and_then(|count| count.parse().ok());
        if let Some(count) = big {
            return "x".repeat(count);
        }
        let mut out = text.to_owned();
        for (name, value) in &self.captured {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out = out.replace(&format!("{{{{{name}}}}}"), &shown);
        }
        out
    }
}

fn asked(request: &Value, body: Option<Vec<u8>>) -> Request<'_> {
    Request {
        method: request["method"].as_str().unwrap_or("GET"),
        path: request["path"].as_str().unwrap_or_default(),
        headers: &request["headers"],
        body,
        auth: request["auth"].as_str(),
    }
}
