//! Whole numbers: how they may be written, and those that are kept as texts.

use serde_json::{Value, json};

use crate::client::{MERGE, STRATEGIC, message, server};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const SETS: &str = "/apis/apps/v1/namespaces/default/daemonsets";
const NUMBER: &str = "deprecated.daemonset.template.generation";

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_in_json_are_written_as_such() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let text =
        |port: &str| format!(r#"{{"metadata":{{"name":"s"}},"spec":{{"ports":[{{"port":{port}}}]}}}}"#);
    let why = "cannot unmarshal number 80.0 into Go struct field ServicePort.spec.ports.port of type int32";
    let (code, refused) = client.send("POST", SERVICES, "application/json", text("80.0")).await?;
    assert!(code == 400 && message(&refused).contains(why), "{refused}");
    let (code, made) = client.send("POST", SERVICES, "application/yaml", text("80.0")).await?;
    assert_eq!((code, &made["spec"]["ports"][0]["port"]), (201, &json!(80)));
    let one = format!("{SERVICES}/s");
    let (code, refused) = client.send("PATCH", &one, MERGE, text("81.0")).await?;
    assert!(code == 422 && message(&refused).contains("cannot unmarshal number 81.0"), "{refused}");
    let json_patch = r#"[{"op": "replace", "path": "/spec/ports/0/port", "value": 81.0}]"#.to_owned();
    assert_eq!(client.send("PATCH", &one, "application/json-patch+json", json_patch).await?.0, 422);
    let grace = r#"{"spec": {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5.0}}}}"#;
    let (code, patched) = client.send("PATCH", &one, STRATEGIC, grace.to_owned()).await?;
    assert_eq!(code, 200, "{patched}");
    assert_eq!(patched["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], 5);
    let applied = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "t"}, "spec": {"ports": [{"port": 82.0}]}}"#;
    let path = format!("{SERVICES}/t?fieldManager=m");
    let (code, made) =
        client.send("PATCH", &path, "application/apply-patch+yaml", applied.to_owned()).await?;
    assert_eq!((code, &made["spec"]["ports"][0]["port"]), (201, &json!(82)), "{made}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_are_counted_by_a_number() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let set = |number: &str| {
        let labels = json!({"a": "b"});
        json!({
            "metadata": {"name": "d", "annotations": {NUMBER: number}},
            "spec": {"selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]},
            }},
        })
    };
    for (number, why) in [
        ("abc", "parsing \"abc\": invalid syntax"),
        ("", "parsing \"\": invalid syntax"),
        ("99999999999999999999", "value out of range"),
    ] {
        let (code, refused) = client.call("POST", SETS, Some(set(number))).await?;
        let head = "DaemonSet in version \"v1\" cannot be handled as a DaemonSet: strconv.ParseInt: ";
        assert!(code == 400 && message(&refused).starts_with(head), "{refused}");
        assert!(message(&refused).ends_with(why), "{refused}");
    }
    let shown = |set: &Value| set["metadata"]["annotations"][NUMBER].clone();
    let (_, made) = client.call("POST", SETS, Some(set("-3"))).await?;
    assert_eq!(shown(&made), "1", "{made}");
    let path = format!("{SETS}/d");
    let patch = |number: &str, label: Value| {
        let template = json!({"metadata": {"labels": {"z": label}}});
        json!({"metadata": {"annotations": {NUMBER: number}}, "spec": {"template": template}}).to_string()
    };
    let (code, refused) = client.send("PATCH", &path, MERGE, patch("xyz", Value::Null)).await?;
    assert!(code == 422 && message(&refused).ends_with("parsing \"xyz\": invalid syntax"), "{refused}");
    let (_, patched) = client.send("PATCH", &path, MERGE, patch("77", json!("1"))).await?;
    assert_eq!(shown(&patched), "2", "{patched}");
    running.stop().await;
    Ok(())
}
