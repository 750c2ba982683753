//! What is wrong with sources of volumes, and features that are off.

use serde_json::{Value, json};

use crate::client::{Client, server};

const VOLUMES: &str = "/api/v1/persistentvolumes";
const PODS: &str = "/api/v1/namespaces/default/pods";

async fn faults(client: &Client, path: &str, object: Value) -> anyhow::Result<Vec<(String, String)>> {
    let (status, answer) = client.call("POST", path, Some(object)).await?;
    anyhow::ensure!([201, 422].contains(&status), "{answer}");
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
    let causes = answer["details"]["causes"].as_array().into_iter().flatten();
    Ok(causes.map(|cause| (text(cause, "field"), text(cause, "message"))).collect())
}

fn volume(sources: Value) -> Value {
    let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]});
    if let (Some(spec), Value::Object(sources)) = (spec.as_object_mut(), sources) {
        spec.extend(sources);
    }
    json!({"metadata": {"name": "v"}, "spec": spec})
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_of_volumes_are_looked_at() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let iqn = "iqn.2001-04.com.example:storage";
    for (sources, wanted) in [
        (
            json!({"hostPath": {"path": "/a", "type": "x"}, "nfs": {"server": "a", "path": "/b"}}),
            vec![
                (
                    "spec.hostPath.type",
                    "Unsupported value: \"x\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
                ),
                ("spec.nfs", "Forbidden: may not specify more than 1 volume type"),
            ],
        ),
        (
            json!({"flocker": {}}),
            vec![("spec.flocker", "Required value: one of datasetName and datasetUUID is required")],
        ),
        (json!({"gcePersistentDisk": {}}), vec![("spec.persistentDisk.pdName", "Required value")]),
        (
            json!({"fc": {"targetWWNs": ["a"]}}),
            vec![("spec.fc.lun", "Required value: lun is required if targetWWNs is specified")],
        ),
        (
            json!({"quobyte": {"registry": "x"}}),
            vec![
                (
                    "spec.quobyte.registry",
                    "Invalid value: \"x\": must be a host:port pair or multiple pairs separated by commas",
                ),
                ("spec.quobyte.volume", "Required value"),
            ],
        ),
        (
            json!({"cinder": {"volumeID": "a", "secretRef": {"name": "s"}}}),
            vec![("spec.cinder.secretRef.namespace", "Required value")],
        ),
        (
            json!({"flexVolume": {"options": {"a.k8s.io/b": "c"}}}),
            vec![
                ("spec.flexVolume.driver", "Required value"),
                (
                    "spec.flexVolume.options[a.k8s.io/b]",
                    "Invalid value: \"a.k8s.io/b\": kubernetes.io and k8s.io namespaces are reserved",
                ),
            ],
        ),
        (
            json!({"azureDisk": {"diskName": "a", "diskURI": "b", "kind": "Managed"}}),
            vec![(
                "spec.azureDisk.diskURI",
                "Unsupported value: \"b\": supported values: \"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}\"",
            )],
        ),
        (
            json!({"iscsi": {"targetPortal": "a", "iqn": iqn, "lun": 256}}),
            vec![("spec.iscsi.lun", "Invalid value: 256: must be between 0 and 255, inclusive")],
        ),
        (
            json!({"iscsi": {"targetPortal": "a", "iqn": "iqn.x", "lun": 0}}),
            vec![("spec.iscsi.iqn", "Invalid value: \"iqn.x\": must be valid format")],
        ),
        (
            json!({"hostPath": {"path": "/a"}, "volumeAttributesClassName": ""}),
            vec![
                ("spec.volumeAttributesClassName", "Required value: an empty string is disallowed"),
                ("spec.csi", "Required value: has to be specified when using volumeAttributesClassName"),
            ],
        ),
    ] {
        let found = faults(&client, VOLUMES, volume(sources.clone())).await?;
        let found: Vec<(&str, &str)> =
            found.iter().map(|(field, why)| (field.as_str(), why.as_str())).collect();
        assert_eq!(found, wanted, "{sources}");
    }
    let term = json!({"matchLabelExpressions": [{"key": "a", "values": ["b"]}]});
    let class = json!({"metadata": {"name": "c"}, "provisioner": "a.b/c", "allowedTopologies": [term, {}]});
    let found = faults(&client, "/apis/storage.k8s.io/v1/storageclasses", class).await?;
    let twice = ("allowedTopologies[1].matchLabelExpressions".to_owned(), "Duplicate value: \"\"".to_owned());
    assert_eq!(found, [twice.clone(), twice]);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_features_that_are_off_are_dropped_and_owned() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let container = json!({"name": "c", "image": "i", "lifecycle": {"stopSignal": "SIGTERM"}});
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [container]}});
    let (status, pod) = client.call("POST", PODS, Some(pod)).await?;
    assert_eq!((status, pod["spec"]["containers"][0].get("lifecycle")), (201, None), "{pod}");
    let owned =
        &pod["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"]["k:{\"name\":\"c\"}"];
    assert!(owned["f:lifecycle"].is_object(), "{owned}");
    let linux = json!({"metadata": {"name": "l"}, "spec": {"os": {"name": "linux"}, "containers": [
        {"name": "c", "image": "i", "securityContext": {"windowsOptions": {"runAsUserName": "a"}}},
    ]}});
    let found = faults(&client, PODS, linux).await?;
    let why = "Forbidden: windows options cannot be set for a linux pod".to_owned();
    assert_eq!(found, [("spec.containers[0].securityContext.windowsOptions".to_owned(), why)]);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_and_token_requests_say_who_wrote_them() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews?fieldManager=m";
    let spec = json!({"resourceAttributes": {"verb": "get", "resource": "pods"}});
    let (_, review) = client.call("POST", reviews, Some(json!({"spec": spec}))).await?;
    let entry = &review["metadata"]["managedFields"][0];
    assert_eq!(
        (&entry["manager"], &entry["apiVersion"]),
        (&json!("m"), &json!("authorization.k8s.io/v1")),
        "{review}"
    );
    assert!(entry["fieldsV1"]["f:spec"]["f:resourceAttributes"]["f:verb"].is_object(), "{entry}");
    let named = json!({"metadata": {"name": "n"}, "spec": spec});
    let found = faults(&client, reviews, named).await?;
    assert!(
        found.len() == 1 && found[0].0 == "metadata" && found[0].1.ends_with("must be empty"),
        "{found:?}"
    );
    let tokens = "/api/v1/namespaces/default/serviceaccounts/default/token?fieldManager=m";
    let asked = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"audiences": ["x"]}});
    let (status, token) = client.call("POST", tokens, Some(asked)).await?;
    assert_eq!((status, &token["metadata"]["labels"]), (201, &json!({"a": "b"})), "{token}");
    let entry = &token["metadata"]["managedFields"][0];
    assert_eq!((&entry["manager"], &entry["subresource"]), (&json!("m"), &json!("token")), "{entry}");
    let fields = json!({"f:audiences": {}, "f:expirationSeconds": {}});
    assert_eq!(entry["fieldsV1"]["f:spec"], fields, "{entry}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_judged_as_changes() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let class = |text: &str| json!({"metadata": {"name": "p"}, "value": 5, "description": text});
    client.call("POST", classes, Some(class("a"))).await?;
    let (_, changed) = client.call("PUT", &format!("{classes}/p"), Some(class("b"))).await?;
    assert_eq!(
        (&changed["description"], &changed["metadata"]["generation"]),
        (&json!("b"), &json!(1)),
        "{changed}"
    );
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let slice = |label: &str| json!({"metadata": {"name": "s", "labels": {"a": label}}, "addressType": "IPv4", "endpoints": [], "ports": []});
    client.call("POST", slices, Some(slice("a"))).await?;
    let (_, changed) = client.call("PUT", &format!("{slices}/s"), Some(slice("b"))).await?;
    assert_eq!(changed["metadata"]["generation"], 2, "{changed}");
    let maps = "/api/v1/namespaces/default/configmaps";
    client.call("POST", maps, Some(json!({"metadata": {"name": "m"}}))).await?;
    let odd = json!({"metadata": {"name": "m", "generateName": "x/y", "finalizers": ["Bad!"]}});
    let (_, refused) = client.call("PUT", &format!("{maps}/m"), Some(odd)).await?;
    let causes = refused["details"]["causes"].as_array().into_iter().flatten();
    let found: Vec<&str> = causes.filter_map(|cause| cause["field"].as_str()).collect();
    let count = |field: &str| found.iter().filter(|found| **found == field).count();
    assert_eq!((count("metadata.finalizers"), count("metadata.generateName")), (2, 2), "{refused}");
    // The first page of a list is of the version that it names.
    let (status, gone) = client.call("GET", &format!("{maps}?limit=1&resourceVersion=1"), None).await?;
    let why = "The resourceVersion for the provided list is too old.";
    assert_eq!((status, gone["message"].as_str()), (410, Some(why)));
    assert_eq!(client.call("GET", &format!("{maps}?resourceVersion=1"), None).await?.0, 200);
    let labels = |name: &str| json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": name, "operator": "Exists"}]}]});
    let volume = |name: &str| {
        let mut volume = volume(json!({"hostPath": {"path": "/a"}}));
        volume["spec"]["nodeAffinity"] = json!({"required": labels(name)});
        volume
    };
    client.call("POST", VOLUMES, Some(volume("beta.kubernetes.io/os"))).await?;
    let path = format!("{VOLUMES}/v");
    let (status, refused) = client.call("PUT", &path, Some(volume("other"))).await?;
    assert_eq!(
        (status, &refused["details"]["causes"][0]["field"]),
        (422, &json!("nodeAffinity")),
        "{refused}"
    );
    assert_eq!(client.call("PUT", &path, Some(volume("kubernetes.io/os"))).await?.0, 200);
    running.stop().await;
    Ok(())
}
