//! Bodies as clients write them, in each of their forms.

use serde_json::{Value, json};

use crate::client::{Client, message, server};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A field of a message that is text, or a message.
fn field(number: u8, value: &str) -> String {
    format!("{}{}{value}", char::from(number * 8 + 2), char::from(value.len() as u8))
}

/// A number, of less than 128.
fn number(number: u8, value: u8) -> String {
    format!("{}{}", char::from(number * 8), char::from(value))
}

fn named(name: &str) -> String {
    field(1, &field(1, name))
}

fn envelope(api_version: &str, kind: &str, message: &str) -> String {
    let stated = |number: u8, text: &str| if text.is_empty() { String::new() } else { field(number, text) };
    format!("k8s\0{}{}", field(1, &(stated(1, api_version) + &stated(2, kind))), field(2, message))
}

async fn sent(client: &Client, method: &str, path: &str, body: String) -> anyhow::Result<(u16, Value)> {
    client.send(method, path, PROTOBUF, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_says_what_it_is_or_is_what_the_path_says() -> anyhow::Result<()> {
    let (_running, client) = server().await?;
    let dry = format!("{MAPS}?dryRun=All");
    let refused = |kind: &str, version: &str, why: &str| {
        format!("{kind} in version \"{version}\" cannot be handled as a ConfigMap: {why}")
    };
    for (version, kind) in
        [("v1", "ConfigMap"), ("", "ConfigMap"), ("v1", ""), ("", ""), ("a/b/c", "ConfigMap")]
    {
        let (status, answer) = sent(&client, "POST", &dry, envelope(version, kind, &named("a"))).await?;
        assert_eq!(
            (status, &answer["kind"], &answer["apiVersion"]),
            (201, &json!("ConfigMap"), &json!("v1"))
        );
    }
    for (version, kind, why) in [
        (
            "v1",
            "Secret",
            refused("Secret", "v1", "converting (v1.Secret) to (core.ConfigMap): unknown conversion"),
        ),
        (
            "v1",
            "Foo",
            refused(
                "Foo",
                "v1",
                "no kind \"Foo\" is registered for version \"v1\" in scheme \"pkg/runtime/scheme.go:111\"",
            ),
        ),
    ] {
        let (status, answer) = sent(&client, "POST", &dry, envelope(version, kind, &named("a"))).await?;
        assert_eq!((status, message(&answer)), (400, why.as_str()));
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}});
        let (status, answer) = client.call("POST", &dry, Some(object)).await?;
        assert_eq!((status, message(&answer)), (400, why.as_str()));
    }
    let whole = envelope("v1", "ConfigMap", &named("a"));
    let no_kind = "the object provided is unrecognized (must be of type ConfigMap): ";
    for (body, why) in [
        (String::new(), "empty data"),
        ("k8s\0".into(), "empty body"),
        (whole[..whole.len() - 1].into(), "unexpected EOF"),
        (
            "{}".into(),
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
        ),
    ] {
        let (status, answer) = sent(&client, "POST", &dry, body).await?;
        assert_eq!((status, message(&answer)), (400, format!("{no_kind}{why}").as_str()));
    }
    let huge = envelope("v1", "ConfigMap", &(named("a") + "\x12\x7f"));
    let (status, answer) = sent(&client, "POST", &dry, huge).await?;
    assert_eq!((status, message(&answer)), (400, refused("ConfigMap", "v1", "unexpected EOF").as_str()));
    let (status, answer) = client.send("POST", &dry, "application/json", r#"{"data":{"a":"#.into()).await?;
    let why = format!("{no_kind}couldn't get version/kind; json parse error: unexpected end of JSON input");
    assert_eq!((status, message(&answer)), (400, why.as_str()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_of_every_shape_is_read_as_json_is() -> anyhow::Result<()> {
    let (_running, client) = server().await?;
    // A zero that says something, a class of parameters whose name is cased otherwise, hooks.
    let container = field(2, &(field(1, "a") + &field(2, "b")));
    let spec = container + &number(4, 0);
    let (_, pod) = sent(
        &client,
        "POST",
        "/api/v1/namespaces/default/pods?dryRun=All",
        envelope("v1", "Pod", &(named("p") + &field(2, &spec))),
    )
    .await?;
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 0, "{pod}");
    let parameters = field(1, "a.b") + &field(2, "K") + &field(3, "n");
    let class = named("c") + &field(2, &(field(1, "x.y/z") + &field(2, &parameters)));
    let classes = "/apis/networking.k8s.io/v1/ingressclasses";
    let (_, class) =
        sent(&client, "POST", classes, envelope("networking.k8s.io/v1", "IngressClass", &class)).await?;
    assert_eq!(class["spec"]["parameters"]["apiGroup"], "a.b", "{class}");
    let schema = named("s") + &field(2, &(field(1, &field(1, "exempt")) + &number(2, 7)));
    let schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
    let body = envelope("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", &schema);
    let (_, schema) = sent(&client, "POST", schemas, body).await?;
    assert_eq!(schema["spec"]["matchingPrecedence"], 7, "{schema}");
    let hook = field(1, "h.x.y") + &field(2, &field(3, "https://a.b")) + &field(6, "None") + &field(8, "v1");
    let body = envelope(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        &(named("h") + &field(2, &hook)),
    );
    let hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let (_, hooks) = sent(&client, "POST", hooks, body).await?;
    assert_eq!(hooks["webhooks"][0]["sideEffects"], "None", "{hooks}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bodies_in_protobuf_do_what_they_say() -> anyhow::Result<()> {
    let (_running, client) = server().await?;
    client.call("POST", MAPS, Some(json!({"metadata": {"name": "m"}}))).await?;
    let map = format!("{MAPS}/m");
    let (status, answer) = sent(&client, "DELETE", &map, envelope("v1", "ConfigMap", &named("m"))).await?;
    let why =
        "no kind \"ConfigMap\" is registered for version \"v1\" in scheme \"pkg/runtime/scheme.go:111\"";
    assert_eq!((status, message(&answer)), (400, why));
    let precondition = field(2, &field(1, "other"));
    let (status, _) = sent(&client, "DELETE", &map, envelope("", "", &precondition)).await?;
    assert_eq!(status, 409);
    assert_eq!(sent(&client, "DELETE", &map, envelope("apps/v1", "DeleteOptions", "")).await?.0, 200);
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "b"}]}});
    client.call("POST", pods, Some(pod)).await?;
    let eviction = format!("{pods}/p/eviction?dryRun=All");
    for version in ["policy/v1", "policy/v1beta1", ""] {
        let (status, answer) =
            sent(&client, "POST", &eviction, envelope(version, "Eviction", &named("p"))).await?;
        assert_eq!(status, 201, "{version}: {answer}");
    }
    let (status, answer) = sent(&client, "POST", &eviction, envelope("v1", "Pod", &named("p"))).await?;
    let why = "Pod in version \"v1\" cannot be handled as a Eviction: converting (v1.Pod) to (policy.Eviction): unknown conversion";
    assert_eq!((status, message(&answer)), (400, why));
    Ok(())
}
