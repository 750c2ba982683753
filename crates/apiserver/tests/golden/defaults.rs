//! One pair of data/defaults: what is posted, and what the reference made of it.

use std::path::Path;

use serde_json::{Value, json};

use crate::wire::Request;
use crate::{Server, compare, normal, transcript};

/// Posts `KIND.in.yaml` into a fresh namespace and compares with `KIND.out.yaml`.
pub(crate) fn play(server: &Server, input: &Path) -> Result<(), String> {
    let run = transcript::letters();
    let namespace = format!("d-{run}");
    let object = read(input, &namespace)?;
    let output = input.to_string_lossy().replace(".in.yaml", ".out.yaml");
    let (collection, namespaced) = collection(server, &object)?;
    let collection = match namespaced {
        true => collection.replace("{namespace}", &namespace),
        false => collection,
    };
    post(server, "/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))?;
    let outcome = post(server, &collection, &object).and_then(|got| {
        let want = read(Path::new(&output), &namespace)?;
        compare::differs(&normalized(&want, &run), &normalized(&got, &run), false, "").map_or(Ok(()), Err)
    });
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    call(server, "DELETE", &format!("{collection}/{name}"), None)?;
    call(server, "DELETE", &format!("/api/v1/namespaces/{namespace}"), None)?;
    outcome
}

fn normalized(object: &Value, run: &str) -> Value {
    let mut object = normal::value(object, "", run, &std::collections::BTreeMap::new());
    for key in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        compare::strip(&mut object, &format!("/metadata/{key}"));
    }
    let text = regex::Regex::new("kube-api-access-[a-z0-9]{5}")
        .expect("a fixed expression")
        .replace_all(&object.to_string(), "kube-api-access-<rand>")
        .into_owned();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// The path of the kind's collection, and whether it is namespaced.
fn collection(server: &Server, object: &Value) -> Result<(String, bool), String> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let list = call(server, "GET", &root, None)?;
    let resources = list["resources"].as_array().into_iter().flatten();
    let wanted = |resource: &&Value| {
        resource["kind"] == object["kind"] && !resource["name"].as_str().unwrap_or_default().contains('/')
    };
    let found = resources.into_iter().find(wanted).ok_or("the kind is not served")?;
    let plural = found["name"].as_str().unwrap_or_default();
    Ok(match found["namespaced"] == true {
        true => (format!("{root}/namespaces/{{namespace}}/{plural}"), true),
        false => (format!("{root}/{plural}"), false),
    })
}

fn post(server: &Server, path: &str, object: &Value) -> Result<Value, String> {
    let answer = call(server, "POST", path, Some(object))?;
    if answer["kind"] == "Status" { Err(answer.to_string()) } else { Ok(answer) }
}

fn call(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let body = body.map(|body| body.to_string().into_bytes());
    let request = Request { method, path, headers: &Value::Null, body, auth: None };
    server.runtime.block_on(server.client.request(&request)).map(|answer| answer.body())
}

/// A file of the pair, with the recorded namespace replaced.
fn read(path: &Path, namespace: &str) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let text = text.replace("rfdef\n", &format!("{namespace}\n"));
    let node = sealfast_yaml::parse::first(text.as_bytes()).map_err(|error| error.to_string())?;
    let node = node.ok_or("the file is empty")?;
    sealfast_yaml::json::from_node(&node).map_err(|error| error.to_string())
}
