//! Ten ends without warning: afterwards everything is there, once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::person::{Person, files_with, need};

const FLEET: usize = 20;
const KILLS: u64 = 10;

/// Kills the process at ten moments; what was seen before a kill is the same object after it.
#[test]
fn nothing_is_lost_or_applied_twice() -> Result<()> {
    need(&["git", "kubectl", "bash"])?;
    let mut person = Person::new()?;
    let server = sealfast_testkit::git::Server::start()?;
    server.create("fleet")?;
    person.set("REPOSITORY_URL", server.url("fleet"));
    person.set("FLEET", FLEET.to_string());
    let state = person.path("state").display().to_string();
    person.sh(PUSH_FLEET)?;

    let mut up = person.up(&["--state", &state])?;
    person.sh(APPLY_FLEET)?;
    let mut seen = BTreeMap::new();
    for round in 0..KILLS {
        std::thread::sleep(Duration::from_millis(40 + 110 * round));
        remember(&person, &mut seen)?;
        up.kill()?;
        up = person.up(&["--state", &state])?;
        still_the_same(&person, &seen)?;
    }
    person.until(Duration::from_secs(120), READY, &format!("ready {FLEET}"))?;
    remember(&person, &mut seen)?;
    ensure!(seen.len() == 2 * FLEET, "each Kustomization applies two objects, {} are there", seen.len());
    still_the_same(&person, &seen)?;

    let found = files_with(&person.path("state"), &["plain-value-of-", "cGxhaW4tdmFsdWUtb2Yt"])?;
    ensure!(found.is_empty(), "decrypted values in the state directory: {found:?}");
    Ok(())
}

/// Uid and version of every object of the fleet that exists now.
fn objects(person: &Person) -> Result<BTreeMap<String, (String, String)>> {
    let text = person.sh("kubectl -n default get secrets,configmaps -l fleet=yes -o json")?;
    let list: Value = serde_json::from_str(&text)?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| {
            let metadata = &item["metadata"];
            let key = format!("{}/{}", word(&item["kind"]), word(&metadata["name"]));
            (key, (word(&metadata["uid"]), word(&metadata["resourceVersion"])))
        })
        .collect())
}

fn remember(person: &Person, seen: &mut BTreeMap<String, (String, String)>) -> Result<()> {
    seen.extend(objects(person)?);
    Ok(())
}

/// Every object seen before is there with the same uid, and nobody wrote it a second time.
fn still_the_same(person: &Person, seen: &BTreeMap<String, (String, String)>) -> Result<()> {
    let now = objects(person)?;
    for (name, before) in seen {
        ensure!(now.get(name) == Some(before), "{name} was {before:?}, is {:?}", now.get(name));
    }
    Ok(())
}

const PUSH_FLEET: &str = r#"
sealfast keys generate age --output fleet.agekey
recipient=$(sed -n 's/^# public key: //p' fleet.agekey)
git -c init.defaultBranch=main clone -q "$REPOSITORY_URL" fleet 2>/dev/null
cd fleet && git symbolic-ref HEAD refs/heads/main
for n in $(seq 1 $FLEET); do
  mkdir -p app-$n
  cat > app-$n/settings.yaml <<EOF
apiVersion: v1
kind: ConfigMap
metadata: {name: settings-$n, namespace: default, labels: {fleet: "yes"}}
data: {number: "$n"}
EOF
  cat > app-$n/secret.yaml <<EOF
apiVersion: v1
kind: Secret
metadata: {name: secret-$n, namespace: default, labels: {fleet: "yes"}}
stringData: {value: plain-value-of-$n}
EOF
  sops --age=$recipient --encrypt --encrypted-regex '^(data|stringData)$' --in-place app-$n/secret.yaml
done
git add -A && git commit -qm fleet && git push -q origin main 2>&1
"#;

const APPLY_FLEET: &str = r#"
kubectl -n flux-system create secret generic sops-age --from-file=fleet.agekey >/dev/null
flux create source git fleet --url=$REPOSITORY_URL --branch=main --export > fleet.yaml
for n in $(seq 1 $FLEET); do
  flux create kustomization app-$n --source=fleet --path=./app-$n --prune=true --interval=10m \
    --retry-interval=2s --decryption-provider=sops --decryption-secret=sops-age --export >> fleet.yaml
done
kubectl apply --server-side -f fleet.yaml >/dev/null
"#;

const READY: &str = r#"
echo ready $(kubectl -n flux-system get kustomizations -o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' | grep -c True)
"#;
