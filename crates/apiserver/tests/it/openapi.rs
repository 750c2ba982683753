//! OpenAPI documents: kept by the server, and by clients under their hashes.

use serde_json::json;

use crate::client::{Client, server};

const APPS: &str = "/openapi/v3/apis/apps/v1";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Where the index says that a document is.
async fn url(client: &Client, path: &str) -> anyhow::Result<String> {
    let (_, index) = client.call("GET", "/openapi/v3", None).await?;
    let url = index["paths"][path]["serverRelativeURL"].as_str();
    url.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("{path} is not in {index}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_told_by_their_hashes() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let current = url(&client, "apis/apps/v1").await?;
    let hash = current.split_once("hash=").map(|(_, hash)| hash.to_owned()).unwrap_or_default();
    let get = async |path: &str, tag: &str| {
        let answer = client.unless(path, tag).await?;
        let header = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let headers = ["etag", "cache-control", "location", "expires"].map(header);
        anyhow::Ok((answer.status().as_u16(), headers, answer.bytes().await?))
    };
    let tag = format!("\"{hash}\"");
    let (code, [found, kept, ..], document) = get(APPS, "").await?;
    assert_eq!((code, &*found, &*kept), (200, &*tag, "no-cache, private"));
    assert!(document.len() > 10_000);
    // Under its hash a document never changes.
    let (code, [found, kept, _, expires], same) = get(&current, "").await?;
    assert_eq!((code, &*found, &*kept), (200, &*tag, "public, immutable"));
    assert!(same == document && expires.ends_with(" GMT"), "{expires}");
    let (code, [_, _, location, _], moved) = get(&format!("{APPS}?hash=AB"), "").await?;
    assert_eq!((code, location, moved.len()), (301, current, 0));
    let (code, [found, ..], nothing) = get(APPS, &tag).await?;
    assert_eq!((code, found, nothing.len()), (304, tag, 0));
    let (code, [all, ..], _) = get("/openapi/v2", "\"other\"").await?;
    assert_eq!(code, 200);
    assert_eq!(get("/openapi/v2", &format!("W/{all}")).await?.0, 304);

    // Another schema is another document.
    let version = |kind: &str| {
        json!({"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": kind}}}}})
    };
    let names = json!({"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "as.a.b"},
        "spec": {"group": "a.b", "scope": "Namespaced", "names": names, "versions": [version("string")]},
    });
    let (code, made) = client.call("POST", DEFINITIONS, Some(definition)).await?;
    assert_eq!(code, 201, "{made}");
    let first = url(&client, "apis/a.b/v1").await?;
    assert_eq!(get(&first, "").await?.0, 200);
    let patch = json!({"spec": {"versions": [version("integer")]}}).to_string();
    let path = format!("{DEFINITIONS}/as.a.b");
    let (code, changed) = client.send("PATCH", &path, crate::client::MERGE, patch).await?;
    assert_eq!(code, 200, "{changed}");
    let second = url(&client, "apis/a.b/v1").await?;
    assert!(first != second && get(&first, "").await?.1[2] == second);
    assert!(String::from_utf8_lossy(&get(&second, "").await?.2).contains("\"integer\""));
    assert_eq!(get("/openapi/v2", &all).await?.0, 200, "it is about all kinds");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_version_leaves_out_what_it_cannot_say() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let fields = json!({
        "maybe": {"type": "object", "nullable": true, "required": ["a"], "properties": {"a": {"type": "string"}}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "mixed": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "count": {"type": "integer", "default": 3, "minimum": 1},
        "items": {"type": "array", "items": {"type": "string", "nullable": true}},
    });
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    let definition = json!({"metadata": {"name": "things.example.com"}, "spec": {
        "group": "example.com", "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"},
        "versions": [{
            "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
            "selectableFields": [{"jsonPath": ".spec.count"}],
        }],
    }});
    assert_eq!(client.call("POST", DEFINITIONS, Some(definition)).await?.0, 201);
    let (_, document) = client.call("GET", "/openapi/v2", None).await?;
    let kind = &document["definitions"]["com.example.v1.Thing"];
    assert_eq!(
        kind["properties"]["spec"]["properties"],
        json!({
            "maybe": {"required": ["a"]}, "open": {"x-kubernetes-preserve-unknown-fields": true},
            "mixed": {"x-kubernetes-int-or-string": true}, "count": {"type": "integer", "minimum": 1},
            "items": {"type": "array", "items": {}},
        })
    );
    let reference = "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1";
    assert_eq!(kind["properties"]["metadata"]["$ref"], format!("{reference}.ObjectMeta"));
    let list = &document["definitions"]["com.example.v1.ThingList"];
    assert_eq!(list["properties"]["metadata"]["$ref"], format!("{reference}.ListMeta"));
    assert_eq!(list["properties"]["items"]["items"], json!({"$ref": "#/definitions/com.example.v1.Thing"}));
    let selectable = json!([{"fieldPath": "spec.count"}]);
    assert_eq!(list["x-kubernetes-selectable-fields"], selectable);
    assert_eq!(kind["x-kubernetes-selectable-fields"], selectable);
    let names = [
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
        "apimachinery.pkg.apis.meta.v1.Time",
    ];
    for name in names {
        assert!(document["definitions"][format!("io.k8s.{name}")].is_object(), "{name}");
    }
    running.stop().await;
    Ok(())
}
