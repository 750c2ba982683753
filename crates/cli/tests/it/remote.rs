//! `kustomize build` over bases and files of other hosts, which a switch allows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

use sealfast_testkit::git::Server;
use sealfast_testkit::git::sshd::Sshd;

const POD: &[u8] = b"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n";

/// Builds a kustomization that lists one address.
fn build(address: &str, args: &[&str]) -> Output {
    let desk = tempfile::tempdir().unwrap();
    let file = format!("namePrefix: a-\nresources: [\"{address}\"]\n");
    std::fs::write(desk.path().join("kustomization.yaml"), file).unwrap();
    Command::new(env!("CARGO_BIN_EXE_sealfast"))
        .args(["kustomize", "build"])
        .args(args)
        .current_dir(desk.path())
        .env_clear()
        .output()
        .unwrap()
}

fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn prints(address: &str, allowed: &str) -> String {
    let output = build(address, &["--allow-remote", allowed]);
    assert!(output.status.success(), "{address}: {}", talk(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refuses(address: &str, args: &[&str]) -> String {
    let output = build(address, args);
    assert_eq!(output.status.code(), Some(1), "{address}");
    assert!(output.stdout.is_empty(), "{address}");
    talk(&output)
}

#[test]
fn bases_come_from_allowed_repositories() {
    let server = Server::start().unwrap();
    let url = server.create("app").unwrap();
    let host = url.strip_suffix("app.git").unwrap();
    let file = |text: &'static str| ("base/kustomization.yaml", text.as_bytes());
    let first = [file("resources: [pod.yaml]\n"), ("base/pod.yaml", POD)];
    let first = server.commit("app", "main", &first, "first").unwrap();
    server.tag("app", "v1", &first, None).unwrap();
    let second = file("resources: [pod.yaml]\nnameSuffix: -two\n");
    server.commit("app", "main", &[second], "second").unwrap();
    server
        .commit("app", "release/x", &[("base/kustomization.yaml", b"resources: [../..]\n")], "out")
        .unwrap();

    assert!(prints(&format!("{url}/base"), host).contains("name: a-x-two\n"));
    assert!(prints(&format!("{url}//base?timeout=60s"), host).contains("name: a-x-two\n"));
    for reference in ["ref=v1", "version=v1", &format!("ref={first}"), "ref=v1&submodules=false"] {
        assert!(prints(&format!("{url}/base?{reference}"), host).contains("name: a-x\n"), "{reference}");
    }
    let out = refuses(&format!("{url}/base?ref=release%2Fx"), &["--allow-remote", host]);
    assert!(out.contains("accumulating resources from '../..'"), "{out}");
    let closed = refuses(&format!("{url}/base"), &[]);
    assert!(closed.contains("is not allowed: only local files are read"), "{closed}");
    let other = refuses(&format!("{url}/base"), &["--allow-remote", "https://example.com/"]);
    assert!(other.contains("--allow-remote does not name the start of this address"), "{other}");
    let gone = refuses(&format!("{url}/base?ref=none"), &["--allow-remote", host]);
    assert!(gone.contains("none"), "{gone}");
}

/// A repository with a kustomization whose only resource lies in a submodule.
fn with_submodule(server: &Server) -> String {
    server.create("part").unwrap();
    let part = server.commit("part", "main", &[("pod.yaml", POD)], "part").unwrap();
    let url = server.create("whole").unwrap();
    let list = "[submodule \"part\"]\n\tpath = lib/part\n\turl = ../part.git\n";
    let files = [
        ("base/kustomization.yaml", b"resources: [../lib/part/pod.yaml]\n".as_slice()),
        (".gitmodules", list.as_bytes()),
    ];
    server.commit("whole", "main", &files, "whole").unwrap();
    let home = tempfile::tempdir().unwrap();
    server.run(home.path(), &["clone", "-q", &url, "work"]).unwrap();
    let work = home.path().join("work");
    let entry = format!("160000,{part},lib/part");
    server.run(&work, &["checkout", "-q", "main"]).unwrap();
    server.run(&work, &["update-index", "--add", "--cacheinfo", &entry]).unwrap();
    server.run(&work, &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "module"]).unwrap();
    server.run(&work, &["push", "-q", "origin", "HEAD:main"]).unwrap();
    url
}

#[test]
fn submodules_come_from_allowed_addresses_too() {
    let server = Server::start().unwrap();
    let url = with_submodule(&server);
    let host = url.strip_suffix("whole.git").unwrap();
    let outside = ["--load-restrictor", "LoadRestrictionsNone", "--allow-remote"];
    let output = build(&format!("{url}/base"), &[&outside[..], &[host]].concat());
    assert!(output.status.success(), "{}", talk(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("name: a-x\n"));
    let narrow = refuses(&format!("{url}/base"), &[&outside[..], &[url.as_str()]].concat());
    assert!(narrow.contains("unable to fetch submodule 'lib/part'"), "{narrow}");
    assert!(narrow.contains("part.git` is not among the addresses that are allowed"), "{narrow}");
    let without = refuses(&format!("{url}/base?submodules=false"), &[&outside[..], &[host]].concat());
    assert!(without.contains("lib/part"), "{without}");
}

#[test]
fn bases_come_over_ssh_with_a_key() {
    let server = Server::start().unwrap();
    server.create("app").unwrap();
    let files = [("base/kustomization.yaml", b"resources: [pod.yaml]\n".as_slice()), ("base/pod.yaml", POD)];
    server.commit("app", "main", &files, "first").unwrap();
    let sshd = Sshd::start(&server, &["ed25519"]).unwrap();
    let desk = tempfile::tempdir().unwrap();
    let key = desk.path().join("key");
    let hosts = desk.path().join("hosts");
    std::fs::write(&key, sshd.identity("ed25519", "", "OPENSSH").unwrap()).unwrap();
    std::fs::write(&hosts, sshd.known_hosts("ed25519").unwrap()).unwrap();
    let url = sshd.url("app");
    let host = url.strip_suffix("app.git").unwrap();
    let (key, hosts) = (key.to_str().unwrap(), hosts.to_str().unwrap());

    let args = ["--allow-remote", host, "--ssh-identity", key, "--known-hosts", hosts];
    let output = build(&format!("{url}//base?ref=main"), &args);
    assert!(output.status.success(), "{}", talk(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("name: a-x\n"));

    let keyless = refuses(&format!("{url}//base"), &["--allow-remote", host, "--known-hosts", hosts]);
    assert!(keyless.contains("the key that --ssh-identity names"), "{keyless}");
    std::fs::write(hosts, "").unwrap();
    let unknown = refuses(&format!("{url}//base"), &args);
    assert!(!unknown.contains("name: a-x"), "{unknown}");
    let closed = refuses(&format!("{url}//base"), &["--allow-remote", "ssh://git@example.com/"]);
    assert!(closed.contains("--allow-remote does not name the start of this address"), "{closed}");
}

/// Answers requests in turn, each with a status line, a header and a content; returns where.
fn answering(answers: Vec<(String, &'static [u8])>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (head, content) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head =
                format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", content.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(content).unwrap();
        }
    });
    host
}

#[test]
fn single_files_come_from_allowed_addresses() {
    let host = answering(vec![("200 OK".to_owned(), POD)]);
    assert!(prints(&format!("{host}pod.yaml"), &host).contains("name: a-x\n"));
    let closed = refuses(&format!("{host}pod.yaml"), &[]);
    assert!(closed.contains("is not allowed: only local files are read"), "{closed}");

    let host = answering(vec![("404 Not Found".to_owned(), b"")]);
    let missing = refuses(&format!("{host}pod.yaml"), &["--allow-remote", &host]);
    assert!(missing.contains("the server answers with status 404"), "{missing}");

    let elsewhere = answering(vec![("200 OK".to_owned(), POD)]);
    let host = answering(vec![(format!("302 Found\r\nlocation: {elsewhere}pod.yaml"), b"")]);
    let moved = refuses(&format!("{host}pod.yaml"), &["--allow-remote", &host]);
    assert!(moved.contains("where --allow-remote does not allow it"), "{moved}");
}
