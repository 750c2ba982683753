//! One kubectl session: a script, its output and its exit code.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use regex::Regex;
use serde_json::{Value, json};

use crate::wire::Request;
use crate::{Server, normal, transcript};

/// True when kubectl can be run.
pub(crate) fn is_there() -> bool {
    let version = Command::new("kubectl")
        .args(["version", "--client"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Plays a session. Some of them wait for a second and expect that something came; too many at once are too slow.
pub(crate) fn play(server: &Arc<Server>, folder: &Path) -> Result<(), String> {
    static AT_ONCE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(3);
    let _turn = server.runtime.block_on(AT_ONCE.acquire()).map_err(|error| error.to_string())?;
    let run = transcript::letters();
    let namespace = format!("k-{run}");
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    send(server, "POST", "/api/v1/namespaces", Some(body))?;
    let outcome = session(server, folder, &run, &namespace);
    send(server, "DELETE", &format!("/api/v1/namespaces/{namespace}"), None)?;
    outcome
}

fn session(server: &Server, folder: &Path, run: &str, namespace: &str) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let home = tempfile::tempdir().map_err(text)?;
    let work = tempfile::tempdir().map_err(text)?;
    let kubeconfig = home.path().join("kubeconfig");
    std::fs::write(&kubeconfig, &server.kubeconfig).map_err(text)?;
    if folder.join("files").is_dir() {
        copy(&folder.join("files"), work.path(), run).map_err(text)?;
    }
    let script = std::fs::read_to_string(folder.join("cmd.txt")).map_err(text)?;
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(work.path())
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .env("HOME", home.path())
        .env("KUBECONFIG", &kubeconfig)
        .env("TZ", "UTC")
        .env("LANG", "C.UTF-8")
        .env("RUN", run)
        .env("NS", namespace)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(text)?;
    let got = normalized(&String::from_utf8_lossy(&output.stdout), run);
    let want = columns(&std::fs::read_to_string(folder.join("expected.stdout")).map_err(text)?);
    let errors = String::from_utf8_lossy(&output.stderr);
    if got != want {
        return Err(format!("--- want\n{want}\n--- got\n{got}\n--- stderr\n{errors}"));
    }
    let code = std::fs::read_to_string(folder.join("expected.exit")).map_err(text)?;
    if output.status.code() != code.trim().parse().ok() {
        return Err(format!("exit {:?}, want {}: {errors}", output.status.code(), code.trim()));
    }
    Ok(())
}

fn send(server: &Server, method: &str, path: &str, body: Option<Value>) -> Result<(), String> {
    let body = body.map(|body| body.to_string().into_bytes());
    let request = Request { method, path, headers: &Value::Null, body, auth: None };
    server.runtime.block_on(server.client.request(&request)).map(|_| ())
}

fn copy(from: &Path, to: &Path, run: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, run)?;
        } else {
            let text = std::fs::read_to_string(entry.path())?;
            std::fs::write(target, text.replace("{{run}}", run))?;
        }
    }
    Ok(())
}

fn normalized(text: &str, run: &str) -> String {
    let mut out = normal::volatile(&text.replace(run, "{{run}}"));
    for (pattern, replacement) in [
        (r#"(?m)^(\s*"?resourceVersion"?: )"\d+""#, r#"${1}"<rv>""#),
        (r"(?m)^(\s*Resource Version:\s+)\d+", "${1}<rv>"),
        (r#""resourceVersion":"\d+""#, r#""resourceVersion":"<rv>""#),
        (r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}", "<date>"),
        (r"(?m)([ \t(])(\d+m)?\d+s( *$|  | *\))", "${1}<age>${3}"),
        (r"/tmp/(LIVE|MERGED)-\d+", "/tmp/${1}-N"),
        (r"10\.\d+\.\d+\.\d+", "<ip>"),
        (r"(?m) +$", ""),
    ] {
        out = Regex::new(pattern).expect("a fixed expression").replace_all(&out, replacement).into_owned();
    }
    columns(&out)
}

/// How wide a column of ages is depends on how long things took.
fn columns(text: &str) -> String {
    Regex::new("<age> +").expect("a fixed expression").replace_all(text, "<age> ").into_owned()
}
