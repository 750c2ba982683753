//! `sealfast up` over a folder: the sample, saving, and what it refuses.

use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::person::{Person, need};

pub(crate) const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/guide");
const SOON: Duration = Duration::from_secs(30);

#[test]
fn the_sample_becomes_ready() -> Result<()> {
    let person = Person::new()?;
    let done = up_once(&person, &[SAMPLE])?;
    let (table, talk) = texts(&done);
    assert_eq!(done.status.code(), Some(0), "{talk}");
    assert!(table.contains("basic-auth") && table.contains("password=••••••"), "{table}");
    assert!(table.contains("api-token") && table.contains("token=••••••"), "{table}");
    assert!(table.contains("1/1 ready"), "the Deployment counts as ready: {table}");
    assert!(talk.contains("✔ kustomization flux-system/guide: ready"), "{talk}");
    assert!(talk.contains("demo.agekey"), "says that the sample brings its identity: {talk}");
    let said = table + &talk;
    assert!(!said.contains("correct-horse") && !said.contains("demo-token"), "nothing decrypted: {said}");
    Ok(())
}

#[test]
fn the_table_is_also_json() -> Result<()> {
    let person = Person::new()?;
    let done = up_once(&person, &[SAMPLE, "--output", "json"])?;
    let rows: Value = serde_json::from_slice(&done.stdout)?;
    let names: Vec<&str> =
        rows.as_array().into_iter().flatten().filter_map(|row| row["name"].as_str()).collect();
    assert!(names.contains(&"basic-auth") && names.contains(&"web"), "{names:?}");
    Ok(())
}

#[test]
fn saving_a_file_applies_it() -> Result<()> {
    need(&["kubectl", "bash"])?;
    let mut person = Person::new()?;
    person.sh(&format!("cp -r {SAMPLE} guide"))?;
    let _up = person.up(&["guide"])?;
    let greeting = "kubectl -n demo get configmaps -o jsonpath='{range .items[*]}{.data.GREETING}{end}'";
    person.until(SOON, greeting, "hello")?;
    person.sh("sed -i s/GREETING=hello/GREETING=again/ guide/base/kustomization.yaml")?;
    person.until(SOON, greeting, "again")?;
    Ok(())
}

#[test]
fn a_repository_is_followed_by_its_url() -> Result<()> {
    need(&["git", "bash"])?;
    let mut person = Person::new()?;
    let server = sealfast_testkit::git::Server::start()?;
    server.create("sample")?;
    person.set("REPOSITORY_URL", server.url("sample"));
    person.sh(&format!(
        "git init -q sample && cp -r {SAMPLE}/. sample && cd sample && git add -A && git commit -qm sample
         git push -q \"$REPOSITORY_URL\" HEAD:refs/heads/main 2>&1"
    ))?;
    let path = ["--path", "overlays/demo", "--identity", "sample/demo.agekey"];
    let done = up_once(&person, &[&[server.url("sample").as_str()], &path[..]].concat())?;
    let (table, talk) = texts(&done);
    assert_eq!(done.status.code(), Some(0), "{talk}");
    assert!(talk.contains("✔ gitrepository flux-system/sample: ready: stored artifact"), "{talk}");
    assert!(talk.contains("Applied revision: HEAD@sha1:"), "{talk}");
    assert!(table.contains("password=••••••"), "{table}");
    // It may be anybody's: what the person's own keys open is not for it.
    person.set("SOPS_AGE_KEY_FILE", "sample/demo.agekey");
    let told = refused(&person, &[server.url("sample").as_str(), "--path", "overlays/demo"])?;
    assert!(told.contains("cannot get sops data key") || told.contains("spec.decryption"), "{told}");
    Ok(())
}

#[test]
fn a_repository_is_followed_over_ssh() -> Result<()> {
    need(&["git"])?;
    let person = Person::new()?;
    let server = sealfast_testkit::git::Server::start()?;
    let sshd = sealfast_testkit::git::sshd::Sshd::start(&server, &["ed25519"])?;
    server.create("app")?;
    let settings = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n";
    server.commit("app", "main", &[("settings.yaml", settings)], "first")?;
    let url = sshd.url("app");
    let keyless = refused(&person, &[&url])?;
    assert!(keyless.contains("hint: ") && keyless.contains("--ssh-identity"), "{keyless}");
    let (key, hosts) = (person.path("key"), person.path("hosts"));
    std::fs::write(&key, sshd.identity("ed25519", "", "OPENSSH")?)?;
    std::fs::write(&hosts, sshd.known_hosts("ed25519")?)?;
    let [key, hosts] = [&key, &hosts].map(|path| path.to_string_lossy());
    let done = up_once(&person, &[&url, "--ssh-identity", &key, "--known-hosts", &hosts])?;
    let (table, talk) = texts(&done);
    assert!(table.contains("settings"), "{table}{talk}");
    Ok(())
}

/// What Flux's bootstrap leaves in a repository: its own source, whose address nobody here can reach, and a
/// Kustomization for the very path that it lies in.
const FLEET: &str = r"
mkdir -p fleet/clusters/staging/flux-system fleet/apps
cat > fleet/clusters/staging/flux-system/gotk-sync.yaml <<'END'
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m0s, ref: {branch: main}, secretRef: {name: flux-system}, url: 'ssh://git@nowhere.invalid/fleet'}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m0s, path: ./clusters/staging, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
END
cat > fleet/clusters/staging/apps.yaml <<'END'
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {interval: 10m0s, path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
END
cat > fleet/apps/settings.yaml <<'END'
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: default}
data: {a: b}
END
";

#[test]
fn a_folder_stands_in_for_the_repository_of_a_fleet() -> Result<()> {
    let person = Person::new()?;
    person.sh(FLEET)?;
    let staging = ["fleet", "--path", "./clusters/staging"];
    let done = up_once(&person, &[&staging[..], &["--stands-for", "flux-system"]].concat())?;
    let (table, talk) = texts(&done);
    assert_eq!(done.status.code(), Some(0), "{talk}");
    assert!(table.contains("settings"), "{table}");
    assert!(
        talk.contains("gitrepository flux-system/flux-system: ready: suspended at local@sha256:"),
        "{talk}"
    );
    assert!(
        talk.contains("kustomization flux-system/apps: ready: Applied revision: local@sha256:"),
        "{talk}"
    );
    Ok(())
}

#[test]
fn the_key_secrets_of_a_fleet_are_made_from_the_identities() -> Result<()> {
    let person = Person::new()?;
    person.sh(FLEET)?;
    person.sh(
        "sealfast keys generate age --output staging.agekey
         sed -i 's/path: .\\/apps,/& decryption: {provider: sops, secretRef: {name: sops-age}},/' fleet/clusters/staging/apps.yaml
         printf 'apiVersion: v1\\nkind: Secret\\nmetadata: {name: login, namespace: default}\\nstringData: {word: swordfish}\\n' > fleet/apps/login.yaml
         sealfast encrypt --age \"$(grep -o 'age1[a-z0-9]*' staging.agekey)\" --encrypted-regex '^stringData$' --in-place fleet/apps/login.yaml",
    )?;
    let staging = ["fleet", "--path", "./clusters/staging", "--stands-for", "flux-system"];
    let done = up_once(&person, &[&staging[..], &["--identity", "staging.agekey"]].concat())?;
    let (table, talk) = texts(&done);
    assert_eq!(done.status.code(), Some(0), "{talk}");
    assert!(
        talk.contains("the Secret `flux-system/sops-age` that Kustomization `flux-system/apps`"),
        "{talk}"
    );
    assert!(table.contains("word=••••••") && !table.contains("swordfish"), "{table}");
    Ok(())
}

#[test]
fn what_git_ignores_is_not_offered() -> Result<()> {
    need(&["git"])?;
    let person = Person::new()?;
    person.sh(
        "mkdir -p app/below && cd app && git init -q && printf '*.dec.yaml\\nbelow/\\n' > .gitignore
         for name in kept left kept.below; do
             printf 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: %s, namespace: default}\\n' $name > $name.yaml
         done
         mv left.yaml left.dec.yaml && mv kept.below.yaml below/tracked.yaml && cp left.dec.yaml below/left.yaml
         git add --force below/tracked.yaml",
    )?;
    let (table, talk) = texts(&up_once(&person, &["app"])?);
    assert!(table.contains("kept") && table.contains("kept.below"), "{table}{talk}");
    assert!(!table.contains("left"), "{table}");
    Ok(())
}

#[test]
fn a_kubeconfig_of_other_clusters_is_left_alone() -> Result<()> {
    let person = Person::new()?;
    let other = "kind: Config\nclusters: [{name: prod, cluster: {server: 'https://prod.invalid'}}]\n";
    person.sh(&format!("printf \"{other}\" > config"))?;
    let talk = refused(&person, &["--kubeconfig", "config"])?;
    assert!(talk.contains("`config` is there already") && talk.contains("hint: "), "{talk}");
    person.sh("grep -q prod config")?;
    Ok(())
}

#[test]
fn what_would_wait_for_a_kubelet_becomes_ready() -> Result<()> {
    let person = Person::new()?;
    person.sh(r"mkdir app && cat > app/all.yaml <<'END'
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: default}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: default}
spec: {containers: [{name: a, image: b}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: front, namespace: default}
spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: a}}
END")?;
    let done = up_once(&person, &["app"])?;
    let (table, talk) = texts(&done);
    assert_eq!(done.status.code(), Some(0), "{table}{talk}");
    Ok(())
}

#[test]
fn a_folder_without_manifests_is_told_as_such() -> Result<()> {
    let person = Person::new()?;
    person.sh("mkdir app && echo '{}' > app/object.json")?;
    let (_, talk) = texts(&up_once(&person, &["app"])?);
    assert!(talk.contains("nothing was applied: there is no manifest"), "{talk}");
    Ok(())
}

#[test]
fn a_repository_that_nobody_made_is_named_with_the_mend() -> Result<()> {
    let person = Person::new()?;
    person.sh(FLEET)?;
    person.sh("rm -r fleet/clusters/staging/flux-system")?;
    let talk = refused(&person, &["fleet", "--path", "./clusters/staging"])?;
    assert!(
        talk.contains("kustomization flux-system/apps") && talk.contains("--stands-for flux-system"),
        "{talk}"
    );
    Ok(())
}

#[test]
fn broken_yaml_names_file_and_line() -> Result<()> {
    let person = Person::new()?;
    person.sh("mkdir app && printf 'kind: ConfigMap\\nmetadata: {name: [\\n' > app/settings.yaml")?;
    let talk = refused(&person, &["app"])?;
    assert!(talk.contains("settings.yaml") && talk.contains("line 2"), "{talk}");
    Ok(())
}

#[test]
fn an_encrypted_resource_without_decryption_is_refused() -> Result<()> {
    let person = Person::new()?;
    let talk = refused(&person, &[&format!("{SAMPLE}/base")])?;
    assert!(talk.contains("Secret") && talk.contains("basic-auth"), "names the object: {talk}");
    assert!(talk.contains("hint: ") && talk.contains("spec.decryption"), "says what to do: {talk}");
    Ok(())
}

#[test]
fn a_wrong_identity_names_the_recipient() -> Result<()> {
    let person = Person::new()?;
    person.sh("sealfast keys generate age --output other.agekey")?;
    let talk = refused(&person, &[SAMPLE, "--identity", "other.agekey"])?;
    assert!(
        talk.contains("api-token.yaml") || talk.contains("basic-auth"),
        "names the file or object: {talk}"
    );
    assert!(talk.contains("age1y7ah2kuph0lrj5gyursqfaz6f7qe7fgjv9eltug2hmla5kx4uaqs4dfgf2"), "{talk}");
    assert!(talk.contains("hint: "), "says what to do: {talk}");
    Ok(())
}

#[test]
fn flux_acts_for_whom_it_is_told_to() -> Result<()> {
    need(&["kubectl", "bash"])?;
    let mut person = Person::new()?;
    let _up = person.up(&[])?;
    let nothing = person.try_sh("flux get kustomizations --all-namespaces")?;
    assert!(texts(&nothing).1.contains("no Kustomization objects found"), "the administrator may look");
    let refused = person.try_sh("flux get kustomizations --all-namespaces --as alice")?;
    let (_, talk) = texts(&refused);
    assert!(!refused.status.success() && talk.contains("User \"alice\" cannot list"), "{talk}");
    let refused = person.try_sh("flux get kustomizations --user alice")?;
    let (_, talk) = texts(&refused);
    assert!(!refused.status.success() && talk.contains("--user is not supported"), "{talk}");
    Ok(())
}

#[test]
fn a_missing_key_secret_is_named() -> Result<()> {
    need(&["kubectl", "bash"])?;
    let mut person = Person::new()?;
    person.sh(&format!("cp -r {SAMPLE} guide"))?;
    let _up = person.up(&["guide"])?;
    person.until(SOON, READY, "True")?;
    person.sh("kubectl -n flux-system delete secret sealfast-identities >/dev/null && flux reconcile ks guide || true")?;
    let message = person.until(SOON, READY, "False")?;
    assert!(message.contains("sealfast-identities"), "names the Secret: {message}");
    assert!(message.contains("hint: ") && message.contains("create the decryption Secret"), "{message}");
    Ok(())
}

#[test]
fn a_changed_value_is_noticed() -> Result<()> {
    let person = Person::new()?;
    person.sh(&format!("cp -r {SAMPLE} guide"))?;
    // A value in the clear that the MAC covers: the ciphertexts stay whole.
    person.sh("sed -i 's/^kind: Secret/&\\ntype: Opaque/' guide/base/basic-auth.yaml")?;
    let talk = refused(&person, &["guide"])?;
    assert!(talk.contains("basic-auth.yaml") && talk.contains("MAC"), "{talk}");
    Ok(())
}

#[test]
fn a_failing_child_ends_the_wait() -> Result<()> {
    let person = Person::new()?;
    person.sh(NESTED)?;
    let start = Instant::now();
    let talk = refused(&person, &["fleet", "--timeout", "100s"])?;
    assert!(talk.contains("kustomization flux-system/child: failed to decode"), "names the child: {talk}");
    assert!(talk.contains("broken.yaml"), "and its file: {talk}");
    assert!(start.elapsed() < Duration::from_secs(60), "the parent's health check is not waited for");
    Ok(())
}

#[test]
fn identities_settings_and_state_stay_in_the_folder() -> Result<()> {
    let person = Person::new()?;
    person.sh(&format!("cp -r {SAMPLE} guide"))?;
    let kept = ["--state", "guide/state", "--kubeconfig", "guide/kubeconfig"];
    let done = up_once(&person, &[&["guide"][..], &kept].concat())?;
    assert_eq!(done.status.code(), Some(0), "{}", texts(&done).1);
    let packed =
        person.sh("cat guide/state/artifacts/externalartifact/flux-system/guide/*.tar.gz | tar tz")?;
    assert!(packed.contains("overlays/demo/kustomization.yaml"), "{packed}");
    for out in ["agekey", ".sealfast.yaml", "kubeconfig", "state"] {
        assert!(!packed.contains(out), "{out} is offered: {packed}");
    }
    Ok(())
}

#[test]
fn every_end_is_orderly() -> Result<()> {
    for signal in ["INT", "TERM", "HUP"] {
        let person = Person::new()?;
        person.sh(WAITS_FOR_EVER)?;
        let left = person.sh(&format!(
            "sealfast up app --timeout 60s >up.out 2>up.err & pid=$!
             until grep -q waiting: up.err; do sleep 0.05; done
             kill -{signal} $pid; wait $pid; ls $TMPDIR | wc -l"
        ))?;
        assert_eq!(left.trim(), "0", "SIG{signal} leaves nothing in the temporary folder");
    }
    Ok(())
}

#[test]
fn lost_output_is_no_success() -> Result<()> {
    let person = Person::new()?;
    let failed = person.try_sh("sealfast keys generate age > /dev/full")?;
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("standard output"));
    Ok(())
}

#[test]
fn a_folder_that_is_not_there_is_refused_at_once() -> Result<()> {
    let person = Person::new()?;
    let done = up_once(&person, &["no-such-folder"])?;
    let (_, talk) = texts(&done);
    assert_eq!(done.status.code(), Some(1));
    assert!(talk.contains("error: failed to open the folder `no-such-folder`"), "{talk}");
    assert!(talk.contains("hint: "), "{talk}");
    Ok(())
}

pub(crate) fn up_once(person: &Person, args: &[&str]) -> Result<Output> {
    person.command("sealfast").arg("up").args(args).arg("--once").output().context("running `sealfast up`")
}

/// Runs `up --once`, which must fail; returns what it said.
fn refused(person: &Person, args: &[&str]) -> Result<String> {
    let done = up_once(person, args)?;
    let (table, talk) = texts(&done);
    assert_eq!(done.status.code(), Some(1), "{table}\n{talk}");
    Ok(talk)
}

pub(crate) fn texts(done: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&done.stdout), text(&done.stderr))
}

const READY: &str = "kubectl -n flux-system get kustomization guide -o jsonpath='{range .status.conditions[?(@.type==\"Ready\")]}{.status} {.message}{end}'";

const NESTED: &str = r#"
mkdir -p fleet/child
cat > fleet/child.yaml <<'END'
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: child, namespace: flux-system}
spec:
  interval: 10m
  path: ./child
  prune: true
  sourceRef: {kind: ExternalArtifact, name: fleet}
END
printf 'resources: [child.yaml]\n' > fleet/kustomization.yaml
printf 'kind: ConfigMap\nmetadata: {name: [\n' > fleet/child/broken.yaml
"#;

const WAITS_FOR_EVER: &str = r#"
mkdir app
cat > app/child.yaml <<'END'
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: child, namespace: flux-system}
spec:
  interval: 10m
  prune: true
  sourceRef: {kind: GitRepository, name: none}
END
"#;
