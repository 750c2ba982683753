//! Rights that one verb must not lend to another.

use sealfast_apiserver::server::{Options, Running, start};
use serde_json::{Value, json};

use crate::client::{Client, message, server};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const APPLY: &str = "application/apply-patch+yaml";

/// A server on which Alice has one rule, for ConfigMaps unless it says otherwise; returns the administrator's client and
/// hers.
async fn alice_may(rule: Value) -> anyhow::Result<(Running, Client, Client)> {
    let (running, admin) = server().await?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let mut rule = rule;
    rule["apiGroups"] = json!([""]);
    if rule["resources"].is_null() {
        rule["resources"] = json!(["configmaps"]);
    }
    let role = json!({"metadata": {"name": "r"}, "rules": [rule]});
    assert_eq!(admin.call("POST", &format!("{rbac}/roles"), Some(role)).await?.0, 201);
    let binding = json!({
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    });
    assert_eq!(admin.call("POST", &format!("{rbac}/rolebindings"), Some(binding)).await?.0, 201);
    let alice = admin.acting_as("alice");
    Ok((running, admin, alice))
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_change_creates_nothing() -> anyhow::Result<()> {
    let (running, admin, alice) = alice_may(json!({"verbs": ["get", "patch", "update"]})).await?;
    let path = format!("{MAPS}/new?fieldManager=m");
    let (status, answer) = alice.send("PATCH", &path, APPLY, map("new").to_string()).await?;
    assert_eq!(status, 403, "{answer}");
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(message.contains("User \"alice\" cannot create resource \"configmaps\""), "{message}");
    assert_eq!(admin.call("GET", &format!("{MAPS}/new"), None).await?.0, 404);
    assert_eq!(admin.call("POST", MAPS, Some(map("new"))).await?.0, 201);
    assert_eq!(alice.send("PATCH", &path, APPLY, map("new").to_string()).await?.0, 200);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_gives_no_right_to_other_names() -> anyhow::Result<()> {
    let (running, _admin, alice) = alice_may(json!({"verbs": ["*"], "resourceNames": ["hers"]})).await?;
    let selected = format!("{MAPS}?fieldSelector=metadata.name%3Dhers");
    assert_eq!(alice.call("GET", &selected, None).await?.0, 200);
    assert_eq!(alice.call("POST", &selected, Some(map("other"))).await?.0, 403);
    assert_eq!(alice.call("GET", MAPS, None).await?.0, 403);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_a_way_to_pods_is_none_to_the_pods() -> anyhow::Result<()> {
    let ways = ["attach", "binding", "ephemeralcontainers", "exec", "log", "portforward", "proxy", "resize"];
    let resources: Vec<String> = ways.iter().map(|way| format!("pods/{way}")).collect();
    let (running, admin, alice) = alice_may(json!({"resources": resources, "verbs": ["*"]})).await?;
    let pods = "/api/v1/namespaces/default/pods";
    let spec = json!({"containers": [{"name": "c", "image": "hidden"}]});
    admin.call("POST", pods, Some(json!({"metadata": {"name": "p"}, "spec": spec}))).await?;
    let pod = admin.call("GET", &format!("{pods}/p"), None).await?.1;
    for way in ways {
        let path = format!("{pods}/p/{way}");
        let change = json!({"metadata": {"labels": {"hers": "1"}}}).to_string();
        let answers = [
            alice.call("GET", &path, None).await?,
            alice.send("PATCH", &path, "application/merge-patch+json", change).await?,
            alice.call("PUT", &path, Some(pod.clone())).await?,
        ];
        for (status, answer) in answers {
            // Who may give a pod more containers or other sizes sees it, as the reference has it, and changes nothing else.
            if ["ephemeralcontainers", "resize"].contains(&way) {
                assert!(answer["metadata"]["labels"].is_null(), "{way}: {answer}");
            } else {
                assert!(status >= 400 || way == "log", "{way}: {answer}");
                assert!(!answer.to_string().contains("hidden"), "{way}: {answer}");
            }
        }
    }
    assert_eq!(admin.call("GET", &format!("{pods}/p"), None).await?.1, pod);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_bound_to_what_is_not_there_or_more_than_he_has() -> anyhow::Result<()> {
    let (running, admin, alice) = alice_may(json!({"verbs": ["get", "list"]})).await?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let role = json!({
        "metadata": {"name": "granter"},
        "rules": [{"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]}],
    });
    assert_eq!(admin.call("POST", &format!("{rbac}/roles"), Some(role)).await?.0, 201);
    let binding = |role: &str| {
        json!({
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
        })
    };
    let bindings = format!("{rbac}/rolebindings");
    assert_eq!(admin.call("POST", &bindings, Some(binding("granter"))).await?.0, 201);
    let (status, answer) = alice.call("POST", &bindings, Some(binding("nope"))).await?;
    assert_eq!(status, 404, "{answer}");
    assert_eq!(answer["message"], "rolebindings.rbac.authorization.k8s.io \"nope\" not found");
    assert_eq!(admin.call("POST", &bindings, Some(binding("later"))).await?.0, 201);
    let rules = json!([
        {"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["configmaps", "pods"]},
    ]);
    let more = json!({"metadata": {"name": "more"}, "rules": rules});
    let (status, answer) = alice.call("POST", &format!("{rbac}/roles"), Some(more)).await?;
    assert_eq!(status, 403);
    let message = answer["message"].as_str().unwrap_or_default();
    let wanted = "(groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"configmaps\"], Verbs:[\"delete\"]}\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"delete\"]}";
    assert!(message.ends_with(wanted), "{message}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_gathered_by_expressions_and_in_chains() -> anyhow::Result<()> {
    let (running, admin, alice) = alice_may(json!({"verbs": ["get"]})).await?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let gathers = |name: &str, labels: Value, selector: Value| json!({"metadata": {"name": name, "labels": labels}, "aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": []});
    let expression = json!({"matchExpressions": [{"key": "to", "operator": "In", "values": ["top"]}]});
    let top = gathers("top", json!({}), expression);
    let middle = gathers("middle", json!({"to": "top"}), json!({"matchLabels": {"to": "middle"}}));
    let rules = json!([{"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]}]);
    let leaf = json!({"metadata": {"name": "leaf", "labels": {"to": "middle"}}, "rules": rules});
    for role in [top, middle, leaf] {
        assert_eq!(admin.call("POST", &format!("{rbac}/clusterroles"), Some(role)).await?.0, 201);
    }
    assert_eq!(alice.call("GET", MAPS, None).await?.0, 403);
    let binding = json!({
        "metadata": {"name": "alice"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "top"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    });
    let bindings = format!("{rbac}/clusterrolebindings");
    assert_eq!(admin.call("POST", &bindings, Some(binding)).await?.0, 201);
    assert_eq!(alice.call("GET", MAPS, None).await?.0, 200);
    assert_eq!(admin.call("DELETE", &format!("{bindings}/alice"), None).await?.0, 200);
    assert_eq!(alice.call("GET", MAPS, None).await?.0, 403);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_token_goes_with_its_object() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let admin = Client::of(&running)?;
    let home = "/api/v1/namespaces/default";
    let path = format!("{home}/serviceaccounts/default/token");
    let ask = |kind: &str, name: &str| json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name}}});
    let (status, answer) = admin.call("POST", &path, Some(ask("Pod", "nope"))).await?;
    assert_eq!((status, &answer["message"]), (404, &json!("pods \"nope\" not found")));
    let (status, answer) = admin.call("POST", &path, Some(ask("ConfigMap", "m"))).await?;
    assert_eq!(status, 400);
    assert_eq!(answer["message"], "cannot bind token to object of type /v1, Kind=ConfigMap");
    let secret = json!({"metadata": {"name": "s"}});
    assert_eq!(admin.call("POST", &format!("{home}/secrets"), Some(secret)).await?.0, 201);
    let (status, made) = admin.call("POST", &path, Some(ask("Secret", "s"))).await?;
    assert_eq!(status, 201, "{made}");
    let review = json!({"spec": {"token": made["status"]["token"]}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (_, alive) = admin.call("POST", reviews, Some(review.clone())).await?;
    assert_eq!(alive["status"]["authenticated"], true);
    assert_eq!(admin.call("DELETE", &format!("{home}/secrets/s"), None).await?.0, 200);
    let (_, dead) = admin.call("POST", reviews, Some(review)).await?;
    assert_eq!(dead["status"]["authenticated"], json!(null));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gathers_or_spells_out_more_than_he_could_have() -> anyhow::Result<()> {
    let (running, admin, alice) = alice_may(json!({"verbs": ["get"]})).await?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let rules = json!([{"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]);
    let role = json!({"metadata": {"name": "makes-roles"}, "rules": rules});
    assert_eq!(admin.call("POST", &format!("{rbac}/clusterroles"), Some(role)).await?.0, 201);
    let binding = json!({
        "metadata": {"name": "makes-roles"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "makes-roles"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    });
    assert_eq!(admin.call("POST", &format!("{rbac}/clusterrolebindings"), Some(binding)).await?.0, 201);

    let gathers = json!({"metadata": {"name": "later"}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "later"}}]}});
    let (status, answer) = alice.call("POST", &format!("{rbac}/clusterroles"), Some(gathers)).await?;
    let message = answer["message"].as_str().unwrap_or_default();
    assert_eq!(status, 403, "{message}");
    assert!(message.ends_with("must have cluster-admin privileges to use an aggregationRule"), "{message}");

    let words = |letter: char| (0..1000).map(|number| format!("{letter}{number}")).collect::<Vec<_>>();
    let rules = json!([{"verbs": words('v'), "apiGroups": words('g'), "resources": words('r')}]);
    let large = json!({"metadata": {"name": "large"}, "rules": rules});
    let (status, answer) = alice.call("POST", &format!("{rbac}/clusterroles"), Some(large)).await?;
    let message = answer["message"].as_str().unwrap_or_default();
    assert_eq!(status, 403, "{message}");
    assert!(message.contains("more than 10000 single permissions"), "{message}");
    running.stop().await;
    Ok(())
}

/// Rights and the choice of objects come from one reading of the selector.
#[tokio::test(flavor = "multi_thread")]
async fn an_escaped_comma_lends_no_right_to_a_collection() -> anyhow::Result<()> {
    let (running, admin, alice) = alice_may(json!({"verbs": ["*"], "resourceNames": ["hers"]})).await?;
    for name in ["hers", "other"] {
        assert_eq!(admin.call("POST", MAPS, Some(map(name))).await?.0, 201);
    }
    for selector in [
        "metadata.name!=x\\,metadata.name=hers",
        "metadata.name!=x\\,metadata.name\\=hers",
        "metadata.name=x\\,metadata.name\\=hers",
        "metadata.namespace!=x\\,metadata.name=hers",
        "metadata.name!=hers",
        "metadata.namespace=default",
    ] {
        let selector = selector.replace('\\', "%5C").replace('=', "%3D");
        for (method, more) in [("GET", ""), ("GET", "&watch=1&timeoutSeconds=1"), ("DELETE", "")] {
            let path = format!("{MAPS}?fieldSelector={selector}{more}");
            let (status, answer) = alice.call(method, &path, None).await?;
            assert_eq!(status, 403, "{method} {selector}{more}: {answer}");
        }
    }
    let path = format!("{MAPS}?fieldSelector=metadata.namespace%3Ddefault,metadata.name%3D%3Dhers");
    let (status, answer) = alice.call("GET", &path, None).await?;
    assert_eq!((status, answer["items"].as_array().map(Vec::len)), (200, Some(1)), "{answer}");
    // The reference lends a name to those who read alone.
    assert_eq!(alice.call("DELETE", &path, None).await?.0, 403);
    assert_eq!(admin.call("GET", &format!("{MAPS}/hers"), None).await?.0, 200);
    // As the reference says it.
    let path = format!("{MAPS}?fieldSelector=metadata.name%3Da%3Db");
    let (status, answer) = admin.call("GET", &path, None).await?;
    assert_eq!((status, message(&answer)), (400, "invalid field selector: unescaped character in value: 61"));
    running.stop().await;
    Ok(())
}

/// The reference reads UTF-8 in these headers; what is none is refused, and never taken for a header that is absent.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_cannot_be_read_lend_nothing() -> anyhow::Result<()> {
    let (running, admin) = server().await?;
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let who = |headers: Vec<(&'static str, &'static [u8])>| {
        let admin = &admin;
        async move {
            let answer = admin.with_headers("POST", path, &headers, json!({})).await?;
            let user = answer.1["status"]["userInfo"]["username"].as_str().unwrap_or_default().to_owned();
            anyhow::Ok((answer.0, user, answer.1))
        }
    };
    let (status, user, answer) = who(vec![("Impersonate-User", "j\u{fc}rgen".as_bytes())]).await?;
    assert_eq!((status, user.as_str()), (201, "j\u{fc}rgen"), "{answer}");
    let name: (&str, &[u8]) = ("Impersonate-User", b"alice");
    for headers in [
        vec![("Impersonate-User", &b"j\xfcrgen"[..])],
        vec![name, ("Impersonate-Group", &b"gr\xfcn"[..])],
        vec![name, ("Impersonate-Uid", &b"\xff"[..])],
        vec![name, ("Impersonate-Extra-Color", &b"gr\xfcn"[..])],
    ] {
        let (status, user, answer) = who(headers).await?;
        assert_eq!((status, user.as_str()), (400, ""), "{answer}");
    }
    for token in [&b"Bearer \xff"[..], "Bearer \u{fc}".as_bytes(), b"\xff"] {
        let (status, user, answer) = who(vec![("Authorization", token)]).await?;
        assert_eq!((status, user.as_str()), (401, ""), "{answer}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_change_a_role_lets_it_go_whatever_it_grants() -> anyhow::Result<()> {
    let (running, admin) = server().await?;
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let changer = json!({"metadata": {"name": "changer"}, "rules": [
        {"verbs": ["get", "update", "patch"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]});
    let held = json!({
        "metadata": {"name": "held", "finalizers": ["example.org/hold"]},
        "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    });
    for role in [changer, held] {
        assert_eq!(admin.call("POST", roles, Some(role)).await?.0, 201);
    }
    let binding = json!({
        "metadata": {"name": "changer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "changer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    });
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    assert_eq!(admin.call("POST", bindings, Some(binding)).await?.0, 201);
    let alice = admin.acting_as("alice");
    let path = format!("{roles}/held");
    let patch = |patch: Value| alice.send("PATCH", &path, "application/merge-patch+json", patch.to_string());
    assert_eq!(patch(json!({"metadata": {"labels": {"a": "b"}}})).await?.0, 403);
    assert_eq!(patch(json!({"metadata": {"finalizers": null}})).await?.0, 200);
    running.stop().await;
    Ok(())
}
