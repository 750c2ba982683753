//! The roles of the start, and those that gather the rules of others.

use std::time::{Duration, Instant};

use sealfast_apiserver::server::{Options, State, start};
use serde_json::{Value, json};

use crate::client::{Client, MERGE, message, server};

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const OWN: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";

async fn rules(client: &Client, name: &str) -> anyhow::Result<Vec<Value>> {
    let (status, role) = client.call("GET", &format!("{ROLES}/{name}"), None).await?;
    anyhow::ensure!(status == 200, "{role}");
    Ok(role["rules"].as_array().cloned().unwrap_or_default())
}

/// Waits until a role has rules that are as wanted.
async fn gathered(client: &Client, name: &str, wanted: impl Fn(&[Value]) -> bool) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let rules = rules(client, name).await?;
        if wanted(&rules) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < end, "{name} has {rules:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn bind(admin: &Client, role: &str) -> anyhow::Result<()> {
    let api = "rbac.authorization.k8s.io";
    let binding = json!({
        "metadata": {"name": role}, "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": "User", "name": "alice"}],
    });
    assert_eq!(admin.call("POST", &format!("{OWN}/rolebindings"), Some(binding)).await?.0, 201);
    Ok(())
}

/// Verbs and numbers of rules are those of the reference.
#[tokio::test(flavor = "multi_thread")]
async fn no_role_but_one_may_do_everything() -> anyhow::Result<()> {
    let (running, admin) = server().await?;
    for (name, count) in [("admin", 29), ("edit", 27), ("view", 12)] {
        let rules = rules(&admin, name).await?;
        assert_eq!(rules.len(), count, "{name}: {rules:?}");
        for rule in &rules {
            let words = ["verbs", "apiGroups", "resources"]
                .map(|key| rule[key].as_array().cloned().unwrap_or_default());
            for word in words.iter().flatten() {
                assert!(
                    !["*", "escalate", "bind"].contains(&word.as_str().unwrap_or_default()),
                    "{name}: {rule}"
                );
            }
        }
        let reads = |rule: &Value| rule["verbs"] == json!(["get", "list", "watch"]);
        assert!(name != "view" || rules.iter().all(reads));
    }
    let secrets =
        |rules: &[Value]| rules.iter().any(|rule| rule["resources"].to_string().contains("secrets"));
    assert!(secrets(&rules(&admin, "edit").await?) && !secrets(&rules(&admin, "view").await?));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_administers_a_namespace_gives_no_more_than_he_has() -> anyhow::Result<()> {
    let (running, admin) = server().await?;
    bind(&admin, "admin").await?;
    let alice = admin.acting_as("alice");
    let role = |name: &str, rule: Value| json!({"metadata": {"name": name}, "rules": [rule]});
    let all = role("all", json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
    let (status, answer) = alice.call("POST", &format!("{OWN}/roles"), Some(all)).await?;
    assert_eq!(status, 403, "{answer}");
    assert!(message(&answer).contains("attempting to grant RBAC permissions not currently held"), "{answer}");
    for name in ["cluster-admin", "nope"] {
        let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
        let binding = json!({"metadata": {"name": name}, "roleRef": reference, "subjects": []});
        let (status, answer) = alice.call("POST", &format!("{OWN}/rolebindings"), Some(binding)).await?;
        assert!(status == 403 || status == 404, "{name}: {answer}");
    }
    let held = role(
        "held",
        json!({"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods", "secrets"]}),
    );
    assert_eq!(alice.call("POST", &format!("{OWN}/roles"), Some(held)).await?.0, 201);
    let pods = "/api/v1/namespaces/default/pods";
    for (method, path, wanted) in [
        ("GET", pods.to_owned(), 200),
        ("GET", format!("{OWN}/roles"), 200),
        ("DELETE", format!("{pods}?labelSelector=none"), 200),
        ("GET", "/api/v1/namespaces/default/podtemplates".to_owned(), 403),
        ("GET", "/api/v1/nodes".to_owned(), 403),
        ("GET", "/api/v1/namespaces/kube-system/pods".to_owned(), 403),
    ] {
        assert_eq!(alice.call(method, &path, None).await?.0, wanted, "{method} {path}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn gathered_rules_are_written_into_the_role() -> anyhow::Result<()> {
    let (running, admin) = server().await?;
    let rule =
        |resource: &str| json!({"verbs": ["get"], "apiGroups": ["w.example.com"], "resources": [resource]});
    let leaf = |name: &str, to: &str| {
        json!({
            "metadata": {"name": name, "labels": {format!("rbac.authorization.k8s.io/aggregate-to-{to}"): "true"}},
            "rules": [rule(name), rule("shared")],
        })
    };
    for (name, to) in [("ones", "view"), ("twos", "edit")] {
        assert_eq!(admin.call("POST", ROLES, Some(leaf(name, to))).await?.0, 201);
    }
    let has =
        |rules: &[Value], resource: &str| rules.iter().filter(|known| **known == rule(resource)).count();
    gathered(&admin, "view", |rules| (has(rules, "ones"), has(rules, "twos")) == (1, 0)).await?;
    for name in ["edit", "admin"] {
        let wanted = |rules: &[Value]| ["ones", "twos", "shared"].iter().all(|one| has(rules, one) == 1);
        gathered(&admin, name, wanted).await?;
    }
    let selector = json!({"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}});
    let own = json!({
        "metadata": {"name": "own"}, "rules": [rule("mine")], "aggregationRule": {"clusterRoleSelectors": [selector]},
    });
    assert_eq!(admin.call("POST", ROLES, Some(own)).await?.0, 201);
    gathered(&admin, "own", |rules| (has(rules, "ones"), has(rules, "mine")) == (1, 0)).await?;
    let (_, role) = admin.call("GET", &format!("{ROLES}/own"), None).await?;
    let managers = role["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let writes = |manager: &Value| manager["manager"] == "clusterrole-aggregation-controller";
    assert!(
        managers.iter().any(|manager| writes(manager) && manager["fieldsV1"]["f:rules"].is_object()),
        "{role}"
    );
    // What a client says itself does not last, and counts at no time.
    let own = json!({"rules": [rule("mine")]}).to_string();
    assert_eq!(admin.send("PATCH", &format!("{ROLES}/view"), MERGE, own).await?.0, 200);
    gathered(&admin, "view", |rules| (has(rules, "ones"), has(rules, "mine")) == (1, 0)).await?;
    assert_eq!(admin.call("DELETE", &format!("{ROLES}/ones"), None).await?.0, 200);
    for name in ["view", "edit", "admin"] {
        gathered(&admin, name, |rules| has(rules, "ones") == 0).await?;
    }
    running.stop().await;
    Ok(())
}

/// As the reference does it with roles that say that they may be brought up to date.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_wider_gathers_again_after_a_start() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::default().with_state(State::Dir(dir.path().to_owned()));
    let running = start(options.clone()).await?;
    let client = Client::of(&running)?;
    let wide =
        json!({"aggregationRule": null, "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]});
    let change = |name: &str| (format!("{ROLES}/{name}"), wide.to_string());
    for name in ["admin", "edit"] {
        let (path, change) = change(name);
        assert_eq!(client.send("PATCH", &path, MERGE, change).await?.0, 200);
    }
    let kept = json!({"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}});
    assert_eq!(client.send("PATCH", &format!("{ROLES}/edit"), MERGE, kept.to_string()).await?.0, 200);
    running.stop().await;
    let running = start(options).await?;
    let client = Client::of(&running)?;
    let everything = |rules: &[Value]| rules.iter().any(|rule| rule["verbs"] == json!(["*"]));
    assert!(everything(&rules(&client, "edit").await?), "somebody said that it stays");
    let (_, admin) = client.call("GET", &format!("{ROLES}/admin"), None).await?;
    assert!(admin["aggregationRule"].is_object(), "{admin}");
    running.stop().await;
    Ok(())
}
