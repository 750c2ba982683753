//! Whole numbers: how they may be written, and those that are kept as texts.

use serde_json::{Value, json};

use crate::client::{MERGE, STRATEGIC, message, server};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const SETS: &str = "/apis/apps/v1/namespaces/default/daemonsets";
const NUMBER: &str = "deprecated.daemonset.template.generation";

/// Recorded from kube-apiserver 1.36.3: whole numbers are compared with the whole part of a limit.
#[tokio::test(flavor = "multi_thread")]
async fn limits_of_custom_numbers_are_those_of_the_reference() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let of = |kind: &str, step: f64| json!({"type": kind, "multipleOf": step});
    let spec = json!({"type": "object", "properties": {
        "tenth": of("number", 0.1), "hundredth": of("number", 0.01), "even": of("integer", 2.0),
        "half": of("integer", 0.5), "three": of("number", 1.5),
        "least": {"type": "number", "minimum": 0.5}, "most": {"type": "number", "maximum": 1_000_000.0},
    }});
    let root = json!({"type": "object", "properties": {"spec": spec}});
    let definition = json!({"metadata": {"name": "sums.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "sums", "kind": "Sum"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": root}}],
    }});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(client.call("POST", definitions, Some(definition)).await?.0, 201);
    let zero = |name: &str| {
        format!(
            "spec.{name}: Invalid value: 0: factor MultipleOf declared for spec.{name} must be positive: 0"
        )
    };
    let multiple = |name: &str, of: &str| format!("spec.{name} in body should be a multiple of {of}");
    let fits = String::new;
    for (name, value, wanted) in [
        ("tenth", json!(0.3), fits()),
        ("tenth", json!(-0.3), fits()),
        ("tenth", json!(0.05), multiple("tenth", "0.1")),
        ("tenth", json!(3), zero("tenth")),
        ("tenth", json!(1e300), multiple("tenth", "0.1")),
        ("hundredth", json!(0.05), fits()),
        ("hundredth", json!(0.29), multiple("hundredth", "0.01")),
        ("even", json!(-4), fits()),
        ("even", json!(3), multiple("even", "2")),
        ("half", json!(3), "MultipleOf value must be of type integer (default format) in spec.half".into()),
        ("three", json!(4), fits()),
        ("three", json!(4.5), fits()),
        ("three", json!(2.5), multiple("three", "1.5")),
        ("least", json!(0), fits()),
        ("least", json!(0.25), "spec.least in body should be greater than or equal to 0.5".into()),
        ("most", json!(1_000_000.5), "spec.most in body should be less than or equal to 1e+06".into()),
        ("most", json!(1_000_001), "spec.most in body should be less than or equal to 1000000".into()),
    ] {
        let body = json!({"apiVersion": "example.com/v1", "kind": "Sum", "metadata": {"name": "x"}, "spec": {name: value}});
        let path = "/apis/example.com/v1/namespaces/default/sums?dryRun=All";
        let (code, answer) = client.call("POST", path, Some(body)).await?;
        let wanted_code = if wanted.is_empty() { 201 } else { 422 };
        assert!(code == wanted_code && message(&answer).contains(&wanted), "{name} {value}: {code} {answer}");
    }
    running.stop().await;
    Ok(())
}

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
