//! Hostile clients: what they send is bounded, and others are served meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealfast_apiserver::server::{Limits, Options, Running, Sync, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::client::Client;
use crate::killed::Server;

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_do_not_end_are_cut_off() -> anyhow::Result<()> {
    let running = start(Options::default().with_limits(quick())).await?;
    let mut endless = connect(&running).await?;
    endless.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n").await?;
    let line = [b"X-Filler: ".as_slice(), &[b'x'; 1000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 10_000_000 && endless.write_all(&line).await.is_ok() {
        sent += line.len();
    }
    let answer = rest(&mut endless).await;
    assert!(sent < 2_000_000, "{sent} bytes of headers were taken");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");

    let started = Instant::now();
    let mut slow = connect(&running).await?;
    slow.write_all(b"GET /version HTTP/1.1\r\nHost:").await?;
    rest(&mut slow).await;
    assert!(started.elapsed() < Duration::from_secs(20), "a slow head is cut off");
    assert_eq!(Client::of(&running)?.call("GET", "/version", None).await?.0, 200);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_keeps_no_place() -> anyhow::Result<()> {
    let mut limits = quick();
    limits.connections = 4;
    let running = start(Options::default().with_limits(limits)).await?;
    // All places are taken: by who says nothing, by half a preface of HTTP/2, by a head without end.
    let mut taken = Vec::new();
    for text in ["", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nHost:"] {
        let mut stream = connect(&running).await?;
        stream.write_all(text.as_bytes()).await?;
        taken.push(stream);
    }
    for mut stream in taken {
        let mut text = Vec::new();
        let end = stream.read_to_end(&mut text);
        let _ = tokio::time::timeout(Duration::from_secs(60), end).await.context("it is not cut off")?;
    }
    assert_eq!(Client::of(&running)?.call("GET", "/version", None).await?.0, 200, "there is room again");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn selectors_and_packed_bodies_are_bounded() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let many = vec!["a!=b"; 5_000].join(",");
    assert_eq!(client.open(&format!("{COLLECTION}?labelSelector={many}")).await?.status().as_u16(), 200);
    let more = "a!=b,".repeat(30_000);
    let refused = client.open(&format!("{COLLECTION}?labelSelector={more}")).await;
    assert!(
        refused.map_or(true, |answer| matches!(answer.status().as_u16(), 414 | 431)),
        "a head has its bounds"
    );
    // Packed bodies are not unpacked: what looks small cannot grow.
    let mut packed = connect(&running).await?;
    let head = format!(
        "POST {COLLECTION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n",
        token(&running)?
    );
    packed.write_all(head.as_bytes()).await?;
    packed.write_all(&[0x1f, 0x8b, 8, 0]).await?;
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(Duration::from_secs(60), packed.read(&mut answer)).await??;
    assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 400"));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_in_size_and_time() -> anyhow::Result<()> {
    let running = start(Options::default().with_limits(quick())).await?;
    let client = Client::of(&running)?;
    let large = json!({"metadata": {"name": "c"}, "data": {"a": "x".repeat(4 << 20)}});
    assert_eq!(client.call("POST", COLLECTION, Some(large)).await?.0, 413);

    let token = token(&running)?;
    let mut slow = connect(&running).await?;
    let head = format!(
        "POST {COLLECTION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).await?;
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(Duration::from_secs(20), slow.read(&mut answer)).await??;
    assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 408"));

    // A refused request leaves its connection fit for the next one.
    let mut reused = connect(&running).await?;
    for _ in 0..2 {
        let head = format!(
            "POST {COLLECTION} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        reused.write_all(head.as_bytes()).await?;
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(20), reused.read(&mut answer)).await??;
        assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 403"));
    }

    // Nobody's body is read: the answer comes before it.
    let mut nobody = connect(&running).await?;
    let head = format!(
        "POST {COLLECTION} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n"
    );
    nobody.write_all(head.as_bytes()).await?;
    let read = tokio::time::timeout(Duration::from_secs(20), nobody.read(&mut answer)).await??;
    assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 403"));
    running.stop().await;
    Ok(())
}

/// Large bodies of one user that were announced and begun, and do not come.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_hold_up_nobody_else() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.body = Duration::from_secs(600);
    let running = start(Options::default().with_limits(limits)).await?;
    let client = Client::of(&running)?;
    let mut slow = Vec::new();
    for _ in 0..60 {
        let mut stream = connect(&running).await?;
        let head = format!(
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nImpersonate-User: mallory\r\nContent-Type: application/json\r\nContent-Length: 3145728\r\nExpect: 100-continue\r\n\r\n",
            token(&running)?
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = [0; 12];
        let waited = tokio::time::timeout(Duration::from_secs(60), stream.read_exact(&mut answer)).await;
        let _ = waited.context("the body of a request is not read")??;
        assert_eq!(&answer, b"HTTP/1.1 100");
        stream.write_all(&[b' '; 32 << 10]).await?;
        slow.push(stream);
    }
    for length in [10, 1 << 20] {
        let body = json!({"metadata": {"name": format!("c{length}")}, "data": {"a": "x".repeat(length)}});
        let created = client.call("POST", COLLECTION, Some(body));
        let created = tokio::time::timeout(Duration::from_secs(60), created).await;
        assert_eq!(created.context("it is held up")??.0, 201, "{length}");
    }
    // He himself has his room again as soon as he lets go.
    drop(slow);
    let review = json!({"spec": {"nonResourceAttributes": {"path": format!("/{}", "x".repeat(1 << 20)), "verb": "get"}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let asked = client.acting_as("mallory").call("POST", path, Some(review)).await?.0;
    assert_eq!(asked, 201);
    running.stop().await;
    Ok(())
}

/// Ten objects of 0.9 MB.
async fn create_large(client: &Client) -> anyhow::Result<()> {
    for number in 0..10 {
        let body =
            json!({"metadata": {"name": format!("large{number}")}, "data": {"a": "x".repeat(900_000)}});
        anyhow::ensure!(client.call("POST", COLLECTION, Some(body)).await?.0 == 201);
    }
    Ok(())
}

async fn ask(running: &Running, path: &str, accept: &str) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut stream = connect_narrowly(running).await?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nAccept: {accept}\r\n\r\n",
        token(running)?
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

/// The first bytes of an answer, and no more.
async fn begun(stream: &mut TlsStream<TcpStream>) -> anyhow::Result<String> {
    let mut answer = [0; 12];
    tokio::time::timeout(Duration::from_secs(60), stream.read_exact(&mut answer)).await??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_of_an_answer_keeps_no_place() -> anyhow::Result<()> {
    for (path, accept) in [(COLLECTION, "application/json"), (TABLES, TABLE)] {
        let mut limits = Limits::default();
        limits.answer = Duration::from_secs(1);
        limits.head = Duration::from_secs(600);
        limits.connections = 2;
        let running = start(Options::default().with_limits(limits)).await?;
        let client = Client::of(&running)?;
        create_large(&client).await?;
        // This client has the other place.
        let mut stuck = ask(&running, path, accept).await?;
        assert_eq!(begun(&mut stuck).await?, "HTTP/1.1 200", "{accept}");
        let end = Instant::now() + Duration::from_secs(60);
        while Client::of(&running)?.call("GET", "/version", None).await.is_err() {
            anyhow::ensure!(Instant::now() < end, "it keeps its place: {accept}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let seen = rest(&mut stuck).await;
        assert!(seen.len() < 9_000_000, "it was cut off: {accept}");
        running.stop().await;
    }
    Ok(())
}

/// A list, and what a watch begins with, keep all objects as they were until they are taken.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_little_now_and_then_is_cut_off_in_the_end() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.whole = Duration::from_secs(1);
    let running = start(Options::default().with_limits(limits)).await?;
    create_large(&Client::of(&running)?).await?;
    for path in [COLLECTION.to_owned(), format!("{COLLECTION}?watch=1")] {
        let mut slow = ask(&running, &path, "application/json").await?;
        let started = Instant::now();
        let mut some = vec![0; 16 << 10];
        while tokio::time::timeout(Duration::from_secs(30), slow.read(&mut some))
            .await?
            .is_ok_and(|read| read > 0)
        {
            anyhow::ensure!(started.elapsed() < Duration::from_secs(20), "it goes on: {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(started.elapsed() > Duration::from_millis(900), "{path}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_are_bounded() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.answer = Duration::from_secs(600);
    let running = start(Options::default().with_limits(limits)).await?;
    let client = Client::of(&running)?;
    create_large(&client).await?;
    // Lists are made while they are taken, and take no room.
    let mut lists = Vec::new();
    for _ in 0..60 {
        let mut stream = ask(&running, COLLECTION, "application/json").await?;
        assert_eq!(begun(&mut stream).await?, "HTTP/1.1 200");
        lists.push(stream);
    }
    // Tables are made as a whole: a few of them take the share of a user.
    let mut tables = Vec::new();
    for number in 0..8 {
        let mut stream = ask(&running, TABLES, TABLE).await?;
        let wanted = if number < 3 { "HTTP/1.1 200" } else { "HTTP/1.1 429" };
        assert_eq!(begun(&mut stream).await?, wanted, "table {number}");
        tables.push(stream);
    }
    let (status, whole) = client.call("GET", COLLECTION, None).await?;
    let items = whole["items"].as_array().context("it is a list")?;
    assert_eq!((status, items.iter().filter(|item| item["data"]["a"] != Value::Null).count()), (200, 10));
    assert_eq!(
        client.acting_as("alice").call("GET", "/version", None).await?.0,
        200,
        "others have their own"
    );
    drop(tables);
    let end = Instant::now() + Duration::from_secs(60);
    while begun(&mut ask(&running, TABLES, TABLE).await?).await? != "HTTP/1.1 200" {
        anyhow::ensure!(Instant::now() < end, "the room is not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_trees_are_refused_and_harm_nobody() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    client.call("POST", DEFINITIONS, Some(free_form())).await?;
    let deep = |levels: usize, open: &str, close: &str| {
        format!(
            "{{\"apiVersion\":\"deep.example.com/v1\",\"kind\":\"Free\",\"metadata\":{{\"name\":\"d{levels}\"}},\"spec\":{{\"a\":{}1{}}}}}",
            open.repeat(levels),
            close.repeat(levels)
        )
    };
    for (levels, media, wanted) in [
        (90, "application/json", 201),
        (125, "application/json", 400),
        (50_000, "application/json", 400),
        (140, "application/yaml", 400),
        (50_000, "application/yaml", 400),
    ] {
        let body = deep(levels, "[", "]");
        assert_eq!(client.send("POST", FREE, media, body).await?.0, wanted, "{levels} levels of {media}");
    }
    let (_, kept) = client.call("GET", &format!("{FREE}/d90"), None).await?;
    assert_eq!(kept["metadata"]["name"], "d90");

    // Copies of copies grow without end, in size and in depth.
    let mut copies = vec![json!({"op": "add", "path": "/spec/a", "value": [1]})];
    copies.extend((0..40).map(|_| json!({"op": "copy", "from": "/spec/a", "path": "/spec/a/-"})));
    let patch = Value::from(copies).to_string();
    let path = format!("{FREE}/d90");
    assert_eq!(client.send("PATCH", &path, "application/json-patch+json", patch).await?.0, 422);
    let filler = json!([
        {"op": "add", "path": "/spec/a", "value": "x".repeat(1 << 20)},
        {"op": "copy", "from": "/spec/a", "path": "/spec/b"}, {"op": "copy", "from": "/spec/a", "path": "/spec/c"},
    ]);
    let status = client.send("PATCH", &path, "application/json-patch+json", filler.to_string()).await?.0;
    assert_eq!(status, 413);
    running.stop().await;
    Ok(())
}

/// Objects that are small to send and were large, or long, to judge.
#[tokio::test(flavor = "multi_thread")]
async fn objects_full_of_faults_are_told_of_in_part() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let many = |one: Value| Value::Array(vec![one; 20_000]);
    let bounds: serde_json::Map<String, Value> =
        (0..40_000).map(|at| (format!("cpu{at}"), json!("1"))).collect();
    let mut own: serde_json::Map<String, Value> =
        (0..40_000).map(|at| (format!("a.b/{at}"), json!("1"))).collect();
    own.insert("secrets".into(), json!("1"));
    let template = |spec: Value| json!({"metadata": {"name": "x"}, "template": {"spec": spec}});
    let container = json!({"name": "x", "image": "x", "resources": {"claims": many(json!({"name": "x"}))}});
    let mounting = json!({"name": "x", "volumeMounts": many(json!({"name": "x", "mountPath": "/x"})), "volumeDevices": many(json!({"name": "x"}))});
    let open = json!({"name": "x", "ports": many(json!({"name": "x", "hostPort": 1, "containerPort": 1}))});
    let cases = [
        (
            "resourcequotas",
            json!({"metadata": {"name": "x"}, "spec": {"scopes": many(json!("no")), "hard": bounds}}),
        ),
        (
            "resourcequotas",
            json!({"metadata": {"name": "x"}, "spec": {"scopes": many(json!("BestEffort")), "hard": own}}),
        ),
        ("podtemplates", template(json!({"containers": many(json!({"name": "x"}))}))),
        (
            "podtemplates",
            template(json!({"containers": [container], "resourceClaims": many(json!({"name": "y"}))})),
        ),
        ("podtemplates", template(json!({"containers": [mounting], "volumes": many(json!({"name": "y"}))}))),
        (
            "podtemplates",
            template(json!({"containers": [open], "schedulingGates": many(json!({"name": "y"}))})),
        ),
        ("services", json!({"metadata": {"name": "x"}, "spec": {"ports": many(json!({"port": 1}))}})),
    ];
    for (at, (plural, object)) in cases.into_iter().enumerate() {
        let path = format!("/api/v1/namespaces/default/{plural}");
        let (status, answer) = client.call("POST", &path, Some(object)).await?;
        assert_eq!(status, 422, "case {at}");
        let causes = answer["details"]["causes"].as_array().map(Vec::len).unwrap_or_default();
        assert!(causes > 1 && causes <= 1001, "case {at}: {causes} causes");
        assert!(answer.to_string().len() < 4 << 20, "case {at}: {} bytes", answer.to_string().len());
        let last = answer["details"]["causes"][causes - 1]["message"].as_str().unwrap_or_default();
        assert!(last.contains("there may be more faults"), "case {at}: {last}");
    }
    running.stop().await;
    Ok(())
}

/// Lists whose objects are read, each many times as large as its text, read one after another.
#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_table_are_not_in_memory_together() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let server = Server::spawn_with(dir.path(), Sync::Second)?;
    let client = Client::by(&server.kubeconfig().await?)?;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(client.call("POST", definitions, Some(free_form())).await?.0, 201);
    let path = "/apis/deep.example.com/v1/namespaces/default/frees";
    for number in 0..16 {
        let object = json!({
            "apiVersion": "deep.example.com/v1", "kind": "Free", "metadata": {"name": format!("f{number}")},
            "spec": {"list": vec![0; 150_000]},
        });
        assert_eq!(client.call("POST", path, Some(object)).await?.0, 201);
    }
    let before = server.most_memory()?;
    let table = client.accept(path, "application/json;as=Table;v=v1;g=meta.k8s.io").await?;
    let table: Value = serde_json::from_str(&table.text().await?)?;
    assert_eq!(table["rows"].as_array().map(Vec::len), Some(16));
    let selected = client.open(&format!("{path}?fieldSelector=metadata.name!%3Df1&limit=1")).await?;
    assert_eq!(selected.status().as_u16(), 200);
    let more = server.most_memory()?.saturating_sub(before);
    assert!(more < 40 << 10, "{more} KiB more");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_stated_last_is_given_to_no_other() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    // As many as there are.
    let mut ports: Vec<Value> = (1..2768).map(|at| json!({"name": format!("p{at}"), "port": at})).collect();
    ports.push(json!({"name": "last", "port": 2768, "nodePort": 30_000}));
    let service = json!({"metadata": {"name": "x"}, "spec": {"type": "NodePort", "ports": ports}});
    let (status, answer) = client.call("POST", "/api/v1/namespaces/default/services", Some(service)).await?;
    assert_eq!(status, 201, "{}", answer["message"]);
    let ports = answer["spec"]["ports"].as_array().context("it has ports")?;
    let given: std::collections::HashSet<i64> =
        ports.iter().filter_map(|port| port["nodePort"].as_i64()).collect();
    assert_eq!(given.len(), 2768);
    running.stop().await;
    Ok(())
}

/// A client that may read all, in the name of a user of no group.
async fn reader(client: &Client, user: &'static str) -> anyhow::Result<Client> {
    let subjects = json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]);
    let role = json!({"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "view"});
    let binding = json!({"metadata": {"name": user}, "roleRef": role, "subjects": subjects});
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let (status, made) = client.call("POST", path, Some(binding)).await?;
    anyhow::ensure!(status == 201, "{made}");
    Ok(client.acting_as(user))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_all_watches() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.watches = 8;
    let running = start(Options::default().with_limits(limits)).await?;
    let client = Client::of(&running)?;
    let watch = format!("{COLLECTION}?watch=1");
    let mut open = Vec::new();
    for (user, count, why) in [
        ("ann", 4, "\"ann\" has 4 watches, and who shares with it; nobody may have more"),
        ("bob", 3, "there are too many watches"),
    ] {
        let reader = reader(&client, user).await?;
        for _ in 0..count {
            open.push(reader.respond("GET", &watch, "", String::new()).await?);
        }
        assert!(open.iter().all(|watch| watch.status().as_u16() == 200), "{user}");
        let (status, refused) = reader.call("GET", &watch, None).await?;
        let message = refused["message"].as_str().unwrap_or_default();
        assert!(status == 429 && message.starts_with(why), "{refused}");
    }
    assert_eq!(client.open(&watch).await?.status().as_u16(), 200, "some are kept for masters");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_all_connections() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.connections = 8;
    limits.head = Duration::from_secs(600);
    let running = start(Options::default().with_limits(limits)).await?;
    // Those who say nothing make room, who came first before others.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(connect(&running).await?);
    }
    let client = Client::of(&running)?;
    assert_eq!(client.call("GET", "/version", None).await?.0, 200);
    let mut nothing = [0; 1];
    let sent_away = silent[0].read(&mut nothing);
    assert!(tokio::time::timeout(Duration::from_secs(20), sent_away).await?.map_or(true, |read| read == 0));
    drop(silent);
    // One user has his share, and not more.
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let (_, granted) = client.call("POST", path, Some(body)).await?;
    let token = granted["status"]["token"].as_str().unwrap_or_default();
    let ask = async |stream: &mut TlsStream<TcpStream>, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut answer)).await??;
        anyhow::Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
    };
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&running).await?;
        assert!(ask(&mut stream, "/apis").await?.starts_with("HTTP/1.1 200"));
        open.push(stream);
    }
    let mut more = connect(&running).await?;
    assert!(ask(&mut more, "/livez").await?.starts_with("HTTP/1.1 200"), "health takes no place");
    let refused = ask(&mut more, "/apis").await?;
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("has 4 connections"), "{refused}");
    drop(open.pop());
    let end = Instant::now() + Duration::from_secs(20);
    while !ask(&mut more, "/apis").await?.starts_with("HTTP/1.1 200") {
        anyhow::ensure!(Instant::now() < end, "a closed connection still counts");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_are_counted() -> anyhow::Result<()> {
    let mut limits = Limits::default();
    limits.watches = 3;
    let running = start(Options::default().with_limits(limits)).await?;
    let client = Client::of(&running)?;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(client.open(&format!("{COLLECTION}?watch=1")).await?);
    }
    let refused = client.open(&format!("{COLLECTION}?watch=1")).await?;
    assert_eq!(refused.status().as_u16(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    open.clear();
    let end = Instant::now() + Duration::from_secs(20);
    while client.open(&format!("{COLLECTION}?watch=1")).await?.status().as_u16() != 200 {
        anyhow::ensure!(Instant::now() < end, "closed watches still count");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await;
    Ok(())
}

fn quick() -> Limits {
    let mut limits = Limits::default();
    limits.head = Duration::from_secs(1);
    limits.body = Duration::from_secs(1);
    limits
}

fn free_form() -> Value {
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "frees.deep.example.com"},
        "spec": {
            "group": "deep.example.com", "scope": "Namespaced", "names": {"plural": "frees", "kind": "Free"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
            }],
        },
    })
}

fn line(running: &Running, key: &str) -> anyhow::Result<String> {
    let kubeconfig = running.kubeconfig();
    let found = kubeconfig.lines().find_map(|line| line.trim().strip_prefix(key));
    found.map(|text| text.trim().to_owned()).context("the kubeconfig is whole")
}

pub(crate) fn token(running: &Running) -> anyhow::Result<String> {
    line(running, "token:")
}

pub(crate) async fn connect(running: &Running) -> anyhow::Result<TlsStream<TcpStream>> {
    secured(running, TcpStream::connect(running.addr()).await?).await
}

/// A connection that holds little of what its client does not take.
pub(crate) async fn connect_narrowly(running: &Running) -> anyhow::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(8 << 10)?;
    secured(running, socket.connect(running.addr()).await?).await
}

async fn secured(running: &Running, stream: TcpStream) -> anyhow::Result<TlsStream<TcpStream>> {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let authority = STANDARD.decode(line(running, "certificate-authority-data:")?)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&authority)?)?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, stream).await?)
}

/// What the server still says until it closes.
pub(crate) async fn rest(stream: &mut TlsStream<TcpStream>) -> String {
    let mut text = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut text)).await;
    String::from_utf8_lossy(&text).into_owned()
}

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
const TABLES: &str = "/api/v1/namespaces/default/configmaps?includeObject=Object";
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const FREE: &str = "/apis/deep.example.com/v1/namespaces/default/frees";
