//! The guide's commands as written, for OpenPGP and for age.

use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::person::{Person, files_with, need};

const SOON: Duration = Duration::from_secs(30);

/// Runs the guide's way from a fresh key to a Secret in the cluster with OpenPGP.
#[test]
fn openpgp() -> Result<()> {
    need(&["gpg", "git", "kubectl", "bash"])?;
    let mut person = Person::new()?;
    let server = git_server()?;
    person.set("REPOSITORY_URL", new_repository(&server, "my-secrets")?);
    let state = person.path("state").display().to_string();
    let up = person.up(&["--state", &state])?;

    person.sh(GENERATE_GPG_KEY)?;
    let fingerprint = person.sh(FINGERPRINT)?.trim().to_owned();
    assert_eq!(fingerprint.len(), 40, "a v4 fingerprint: {fingerprint}");
    person.set("KEY_FP", fingerprint);
    person.sh(KEY_SECRET_FROM_GPG)?;
    person.sh(NEW_WORK_TREE)?;
    person.sh(SHARE_PUBLIC_KEY)?;
    person.sh(SOPS_CONFIG)?;
    person.sh(ENCRYPT_WITH_CONFIG)?;
    let committed = person.sh("cat my-secrets/clusters/cluster0/basic-auth.yaml")?;
    assert!(
        !committed.contains(&STANDARD.encode("change-me")),
        "encrypted before it is committed:\n{committed}"
    );
    assert!(committed.contains("kind: Secret"), "only data is encrypted:\n{committed}");
    person.sh(PUSH)?;

    let talk = person.sh(CREATE_SOURCE)?;
    assert!(talk.contains("GitRepository source reconciliation completed"), "{talk}");
    let talk = person.sh(CREATE_KUSTOMIZATION)?;
    assert!(talk.contains("applied revision main@sha1:"), "{talk}");
    assert_eq!(secret_value(&person, "basic-auth", "password")?, "change-me");

    edit_and_remove(&person)?;
    nothing_decrypted_lies_about(&person, &up.log(), &["change-me", "changed-by-edit"])
}

/// Runs the guide's way with age, then the ways in which it can fail.
#[test]
fn age() -> Result<()> {
    need(&["git", "kubectl", "bash"])?;
    let mut person = Person::new()?;
    let server = git_server()?;
    person.set("REPOSITORY_URL", new_repository(&server, "my-secrets")?);
    let state = person.path("state").display().to_string();
    let up = person.up(&["--state", &state])?;

    person.sh(
        "sealfast keys generate age --output age.agekey && sealfast keys generate age --output other.agekey",
    )?;
    let recipient = person.sh("sed -n 's/^# public key: //p' age.agekey")?.trim().to_owned();
    let other = person.sh("sed -n 's/^# public key: //p' other.agekey")?.trim().to_owned();
    person.set("RECIPIENT", recipient);
    person.set("OTHER", other);
    person.set("SOPS_AGE_KEY_FILE", person.path("work/age.agekey").display().to_string());
    person.sh(KEY_SECRET_FROM_AGE)?;
    person.sh(NEW_WORK_TREE)?;
    person.sh(ENCRYPT_FOR_AGE)?;
    person.sh(PUSH)?;
    person.sh(CREATE_SOURCE)?;
    person.sh(&CREATE_KUSTOMIZATION.replace("sops-gpg", "sops-age"))?;
    assert_eq!(secret_value(&person, "basic-auth", "password")?, "change-me");
    assert_eq!(person.sh("flux get kustomizations | grep -c True")?.trim(), "1");
    assert_eq!(person.sh("flux get sources git | grep -c 'main@sha1:'")?.trim(), "1");

    two_keys_in_one_secret(&person)?;
    wrong_key(&person)?;
    tampered_value(&person)?;
    edit_and_remove(&person)?;
    nothing_decrypted_lies_about(&person, &up.log(), &["change-me", "changed-by-edit", "second-team"])
}

/// Runs the guide's three-file merge: encrypted patches are opened before the build.
#[test]
fn encrypted_patches_are_merged() -> Result<()> {
    need(&["git", "kubectl", "bash"])?;
    let mut person = Person::new()?;
    let server = git_server()?;
    person.set("REPOSITORY_URL", new_repository(&server, "my-secrets")?);
    let _up = person.up(&["--state", "memory"])?;
    person.sh("sealfast keys generate age --output age.agekey")?;
    let recipient = person.sh("sed -n 's/^# public key: //p' age.agekey")?.trim().to_owned();
    person.set("RECIPIENT", recipient);
    person.sh(KEY_SECRET_FROM_AGE)?;
    person.sh(NEW_WORK_TREE)?;
    person.sh(GUIDE_MERGE)?;
    person.sh(PUSH)?;
    person.sh(CREATE_SOURCE)?;
    person.sh(&CREATE_KUSTOMIZATION.replace("sops-gpg", "sops-age"))?;
    assert_eq!(secret_value(&person, "secret", "secretToken")?, "my-secret-token");
    assert_eq!(secret_value(&person, "secret", "secretConfig")?, "my-secret-configuration");
    let description = person
        .sh("kubectl get secret secret -o jsonpath='{.metadata.annotations.kubernetes\\.io/description}'")?;
    assert_eq!(description, "This is a secret that is patched together of multiple objects.");
    let keys = person
        .sh("kubectl get secret secret -o go-template='{{range $key, $value := .data}}{{$key}} {{end}}'")?;
    assert_eq!(keys, "secretConfig secretToken ");
    Ok(())
}

/// Runs the guide's conflict: a patch brings a plain value under a path that `encrypted_regex` covers.
#[test]
fn regex_conflict_names_the_place() -> Result<()> {
    need(&["git", "kubectl", "bash"])?;
    let mut person = Person::new()?;
    let server = git_server()?;
    person.set("REPOSITORY_URL", new_repository(&server, "my-secrets")?);
    let _up = person.up(&["--state", "memory"])?;
    person.sh("sealfast keys generate age --output age.agekey")?;
    let recipient = person.sh("sed -n 's/^# public key: //p' age.agekey")?.trim().to_owned();
    person.set("RECIPIENT", recipient);
    person.sh(KEY_SECRET_FROM_AGE)?;
    person.sh(NEW_WORK_TREE)?;
    person.sh(GUIDE_CONFLICT)?;
    person.sh(PUSH)?;
    person.sh(CREATE_SOURCE)?;
    let failed = person.try_sh(&CREATE_KUSTOMIZATION.replace("sops-gpg", "sops-age"))?;
    assert!(!failed.status.success(), "the conflict must not pass");
    let message = ready_message(&person)?;
    assert!(message.contains("Pod/default/pod"), "names the object: {message}");
    assert!(message.contains("`spec.containers.env.name`"), "names the path in the document: {message}");
    assert!(!message.contains("this one is not"), "says nothing of the value: {message}");
    assert_eq!(person.sh("kubectl get pods --ignore-not-found")?.trim(), "");
    Ok(())
}

/// Edits the Secret and sees the change arrive, then removes it and sees it pruned.
fn edit_and_remove(person: &Person) -> Result<()> {
    person.sh(EDIT_WITH_EDITOR)?;
    person.sh(PUSH)?;
    person.sh("flux reconcile kustomization my-secrets --with-source")?;
    assert_eq!(secret_value(person, "basic-auth", "password")?, "changed-by-edit");
    assert_eq!(secret_value(person, "basic-auth", "user")?, "admin");

    person.sh("cd my-secrets && git rm -q clusters/cluster0/basic-auth.yaml && mkdir -p clusters/cluster0 && printf 'kind: ConfigMap\\napiVersion: v1\\nmetadata: {name: left, namespace: default}\\n' > clusters/cluster0/left.yaml")?;
    person.sh(PUSH)?;
    person.sh("flux reconcile kustomization my-secrets --with-source")?;
    assert_eq!(person.sh("kubectl -n default get secret basic-auth --ignore-not-found")?.trim(), "");
    Ok(())
}

/// Two identities in one key Secret: each file finds the one it was encrypted for.
fn two_keys_in_one_secret(person: &Person) -> Result<()> {
    person.sh(
        "kubectl -n flux-system delete secret sops-age >/dev/null
         kubectl -n flux-system create secret generic sops-age --from-file=first.agekey=age.agekey --from-file=second.agekey=other.agekey
         kubectl -n default create secret generic second --from-literal=team=second-team --dry-run=client -o yaml > my-secrets/clusters/cluster0/second.yaml
         sops --age=$OTHER --encrypt --encrypted-regex '^(data|stringData)$' --in-place my-secrets/clusters/cluster0/second.yaml",
    )?;
    person.sh(PUSH)?;
    person.sh("flux reconcile kustomization my-secrets --with-source")?;
    assert_eq!(secret_value(person, "second", "team")?, "second-team");
    assert_eq!(secret_value(person, "basic-auth", "password")?, "change-me");
    Ok(())
}

/// A key Secret that lacks the right identity: the message names the object and what was tried.
fn wrong_key(person: &Person) -> Result<()> {
    person.sh("kubectl -n flux-system delete secret sops-age >/dev/null
         kubectl -n flux-system create secret generic sops-age --from-file=first.agekey=age.agekey")?;
    let failed = person.try_sh("flux reconcile kustomization my-secrets")?;
    assert!(!failed.status.success(), "one file has no key");
    let message = ready_message(person)?;
    assert!(message.contains("second"), "names the object: {message}");
    assert!(message.contains("age1"), "names the recipient: {message}");
    assert_eq!(secret_value(person, "second", "team")?, "second-team", "what was applied stays");
    person.sh("git -C my-secrets rm -q clusters/cluster0/second.yaml")?;
    person.sh(PUSH)?;
    person.sh("flux reconcile kustomization my-secrets --with-source")?;
    Ok(())
}

/// One changed character in a ciphertext: nothing of that run is applied.
fn tampered_value(person: &Person) -> Result<()> {
    person.sh(
        r#"cp my-secrets/clusters/cluster0/basic-auth.yaml kept.yaml
           sed -i '/password:/ { s/data:A/data:#/; s/data:[^#]/data:A/; s/data:#/data:B/ }' my-secrets/clusters/cluster0/basic-auth.yaml
           ! cmp -s kept.yaml my-secrets/clusters/cluster0/basic-auth.yaml"#,
    )?;
    person.sh(PUSH)?;
    let failed = person.try_sh("flux reconcile kustomization my-secrets --with-source")?;
    assert!(!failed.status.success(), "a changed ciphertext must not pass");
    let message = ready_message(person)?;
    assert!(message.contains("basic-auth"), "names the object: {message}");
    assert!(message.contains("`data.password`"), "names the path: {message}");
    assert_eq!(secret_value(person, "basic-auth", "password")?, "change-me");
    person.sh("cp kept.yaml my-secrets/clusters/cluster0/basic-auth.yaml")?;
    person.sh(PUSH)?;
    person.sh("flux reconcile kustomization my-secrets --with-source")?;
    Ok(())
}

fn ready_message(person: &Person) -> Result<String> {
    person.until(
        SOON,
        "kubectl -n flux-system get kustomization my-secrets -o jsonpath='{range .status.conditions[?(@.type==\"Ready\")]}{.status} {.message}{end}'",
        "False",
    )
}

fn secret_value(person: &Person, name: &str, key: &str) -> Result<String> {
    let encoded =
        person.sh(&format!("kubectl -n default get secret {name} -o jsonpath='{{.data.{key}}}'"))?;
    Ok(String::from_utf8(STANDARD.decode(encoded.trim())?)?)
}

/// Looks for each plaintext, raw and as base64, in the log, the events and every file that was written.
fn nothing_decrypted_lies_about(person: &Person, log: &str, values: &[&str]) -> Result<()> {
    let events = person.sh("kubectl get events -A -o yaml")?;
    let encoded: Vec<String> = values.iter().map(|value| STANDARD.encode(value)).collect();
    let texts: Vec<&str> = values.iter().copied().chain(encoded.iter().map(String::as_str)).collect();
    for text in &texts {
        assert!(!log.contains(text), "`{text}` is in the log:\n{log}");
        assert!(!events.contains(text), "`{text}` is in an event:\n{events}");
    }
    let archives = person.sh("find ../state/artifacts -name '*.tar.gz' | wc -l")?;
    assert_ne!(archives.trim(), "0", "there are artifacts to look into");
    for folder in ["state", "tmp", "home", "gnupg"] {
        let found = files_with(&person.path(folder), &texts)?;
        assert!(found.is_empty(), "decrypted values in files: {found:?}");
    }
    Ok(())
}

fn git_server() -> Result<sealfast_testkit::git::Server> {
    sealfast_testkit::git::Server::start()
}

fn new_repository(server: &sealfast_testkit::git::Server, name: &str) -> Result<String> {
    server.create(name)?;
    Ok(server.url(name))
}

const GENERATE_GPG_KEY: &str = r#"
export KEY_NAME="cluster0.yourdomain.com"
export KEY_COMMENT="flux secrets"

gpg --batch --full-generate-key <<EOF
%no-protection
Key-Type: 1
Key-Length: 4096
Subkey-Type: 1
Subkey-Length: 4096
Expire-Date: 0
Name-Comment: ${KEY_COMMENT}
Name-Real: ${KEY_NAME}
EOF
"#;

const FINGERPRINT: &str = r#"gpg --list-secret-keys "cluster0.yourdomain.com" | sed -n '/^sec/{n;s/ //g;p}'"#;

const KEY_SECRET_FROM_GPG: &str = r#"
gpg --export-secret-keys --armor "${KEY_FP}" |
kubectl create secret generic sops-gpg \
--namespace=flux-system \
--from-file=sops.asc=/dev/stdin
"#;

const KEY_SECRET_FROM_AGE: &str = r#"
cat age.agekey |
kubectl create secret generic sops-age \
--namespace=flux-system \
--from-file=age.agekey=/dev/stdin
"#;

const NEW_WORK_TREE: &str = r#"
git -c init.defaultBranch=main clone -q "$REPOSITORY_URL" my-secrets 2>/dev/null
cd my-secrets && git symbolic-ref HEAD refs/heads/main
mkdir -p clusters/cluster0
"#;

const SHARE_PUBLIC_KEY: &str = r#"
cd my-secrets
gpg --export --armor "${KEY_FP}" > ./clusters/cluster0/.sops.pub.asc
git add ./clusters/cluster0/.sops.pub.asc
git commit -qam 'Share GPG public key for secrets generation'
gpg --import ./clusters/cluster0/.sops.pub.asc
"#;

const SOPS_CONFIG: &str = r#"
cd my-secrets
cat <<EOF > ./clusters/cluster0/.sops.yaml
creation_rules:
  - path_regex: .*.yaml
    encrypted_regex: ^(data|stringData)$
    pgp: ${KEY_FP}
EOF
"#;

const ENCRYPT_WITH_CONFIG: &str = r#"
cd my-secrets/clusters/cluster0
kubectl -n default create secret generic basic-auth \
--from-literal=user=admin \
--from-literal=password=change-me \
--dry-run=client \
-o yaml > basic-auth.yaml
sops --encrypt --in-place basic-auth.yaml
"#;

const ENCRYPT_FOR_AGE: &str = r#"
cd my-secrets/clusters/cluster0
kubectl -n default create secret generic basic-auth \
--from-literal=user=admin \
--from-literal=password=change-me \
--dry-run=client \
-o yaml > basic-auth.yaml
sops --age=$RECIPIENT \
--encrypt --encrypted-regex '^(data|stringData)$' --in-place basic-auth.yaml
"#;

const PUSH: &str = "cd my-secrets && git add -A && git commit -qm change && git push -q origin main 2>&1";

const CREATE_SOURCE: &str = r#"
flux create source git my-secrets \
--url=$REPOSITORY_URL \
--branch=main 2>&1
"#;

const CREATE_KUSTOMIZATION: &str = r#"
flux create kustomization my-secrets \
--source=my-secrets \
--path=./clusters/cluster0 \
--prune=true \
--interval=10m \
--decryption-provider=sops \
--decryption-secret=sops-gpg 2>&1
"#;

const EDIT_WITH_EDITOR: &str = r#"
cat > editor.sh <<'EOF'
#!/bin/sh
sed -i "s/password: .*/password: $(printf changed-by-edit | base64)/" "$1"
EOF
chmod +x editor.sh
EDITOR=$PWD/editor.sh sops my-secrets/clusters/cluster0/basic-auth.yaml
sops -d my-secrets/clusters/cluster0/basic-auth.yaml | grep -q "password: $(printf changed-by-edit | base64)"
"#;

const GUIDE_MERGE: &str = r#"
cd my-secrets/clusters/cluster0
cat > patch1.yaml <<'EOF'
apiVersion: v1
kind: Secret
metadata:
  name: secret
stringData:
  secretConfig: "my-secret-configuration"
EOF
cat > patch2.yaml <<'EOF'
apiVersion: v1
kind: Secret
metadata:
  name: secret
stringData:
  secretToken: "my-secret-token"
EOF
cat > base.yaml <<'EOF'
apiVersion: v1
kind: Secret
metadata:
  name: secret
  annotations:
    kubernetes.io/description: "This is a secret that is patched together of multiple objects."
stringData: {}
EOF
cat > kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: default
resources:
  - base.yaml
patches:
  - path: patch1.yaml
  - path: patch2.yaml
EOF
export SOPS_AGE_RECIPIENTS=$RECIPIENT
sops -e --input-type=yaml --encrypted-regex '^(data|stringData)$' patch1.yaml > p1 && mv p1 patch1.yaml
sops -e --input-type=yaml --encrypted-regex '^(data|stringData)$' patch2.yaml > p2 && mv p2 patch2.yaml
"#;

const GUIDE_CONFLICT: &str = r#"
cd my-secrets/clusters/cluster0
cat > pod.yaml <<'EOF'
apiVersion: v1
kind: Pod
metadata:
  name: pod
  namespace: default
spec:
  containers:
    - name: main
      image: nginx:stable-alpine
      env:
        - name: First
          value: one
EOF
sops --age=$RECIPIENT --encrypt --encrypted-regex '^env$' --in-place pod.yaml
cat > patch.yaml <<'EOF'
apiVersion: v1
kind: Pod
metadata:
  name: pod
  namespace: default
spec:
  containers:
    - name: patched
      image: nginx:stable-alpine
      env:
        - name: MainEnvValueIsEncrypted
          value: but this one is not
EOF
cat > kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - pod.yaml
patches:
  - path: patch.yaml
EOF
"#;
