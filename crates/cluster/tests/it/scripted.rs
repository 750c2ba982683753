//! A server that answers as a test wants it, and notes what it is asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use sealfast_cluster::client::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The server; it ends on drop.
pub(crate) struct Scripted {
    pub(crate) client: Client,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// One answer.
#[derive(Clone)]
pub(crate) struct Said {
    code: u16,
    /// Lines of the head, each with its end.
    head: &'static str,
    body: String,
    after: Duration,
    /// Whether more might come for ever.
    is_open: bool,
}

impl Said {
    pub(crate) fn new(code: u16, body: impl ToString) -> Said {
        Said { code, head: "", body: body.to_string(), after: Duration::ZERO, is_open: false }
    }

    /// An answer that has begun, and never ends.
    pub(crate) fn without_end(body: impl ToString) -> Said {
        Said { is_open: true, ..Said::new(200, body) }
    }

    /// The same, so much later.
    pub(crate) fn after(self, after: Duration) -> Said {
        Said { after, ..self }
    }

    pub(crate) fn with(self, head: &'static str) -> Said {
        Said { head, ..self }
    }

    /// A refusal in the words of an API server.
    pub(crate) fn refused(code: u16, reason: &str) -> Said {
        let said = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": reason, "message": "out of order"});
        Said::new(code, said)
    }

    /// There is no object of that name.
    pub(crate) fn missing(name: &str) -> Said {
        let details = json!({"name": name, "kind": "widgets"});
        Said::new(404, json!({"kind": "Status", "reason": "NotFound", "code": 404, "details": details}))
    }

    /// The groups of a server, each with one version.
    pub(crate) fn groups(groups: &[(&str, &str)]) -> Said {
        let entry =
            |(name, version): &(&str, &str)| json!({"name": name, "versions": [{"version": version}]});
        let entries: Vec<Value> = groups.iter().map(entry).collect();
        Said::new(200, json!({"kind": "APIGroupList", "groups": entries}))
    }

    /// The kinds of a version, each with its plural.
    pub(crate) fn kinds(kinds: &[(&str, &str)]) -> Said {
        let entry = |(kind, name): &(&str, &str)| json!({"kind": kind, "name": name, "namespaced": true});
        let entries: Vec<Value> = kinds.iter().map(entry).collect();
        Said::new(200, json!({"kind": "APIResourceList", "resources": entries}))
    }
}

impl Scripted {
    /// A server that answers each request, told as `GET /path?query`.
    pub(crate) async fn start(answer: impl Fn(&str) -> Said + Send + Sync + 'static) -> Result<Scripted> {
        // Another test of this process may have chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = Client::from_url(&format!("http://{}", listener.local_addr()?), None, None).await?;
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (noted, answer) = (Arc::clone(&asked), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                // Who hangs up has heard enough.
                tokio::spawn(async move { one(stream, &noted, &*answer).await.unwrap_or_default() });
            }
        });
        Ok(Scripted { client, asked, task })
    }

    /// What was asked so far, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one request, and closes the connection.
async fn one(
    mut stream: TcpStream,
    noted: &Mutex<Vec<String>>,
    answer: &impl Fn(&str) -> Said,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let Said { code, head, body, after, is_open } = answer(&line);
    noted.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    tokio::time::sleep(after).await;
    let length = if is_open { body.len() + 1 } else { body.len() };
    let head = format!("HTTP/1.1 {code} x\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes()).await?;
    if is_open {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// Whether a request is there with its body.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()).is_none_or(|length: usize| body.len() >= length)
}
