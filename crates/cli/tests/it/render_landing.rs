//! `render`: parts and changed forms of decrypted values are masked, too.

use crate::render::{Desk, kustomization};

const SECRET: [&str; 2] = ["--encrypted-regex", "^(data|stringData)$"];

/// A cluster whose `apps` take variables from the encrypted Secret of `config`, with these values.
fn with_variables(values: &str) -> Desk {
    let desk = Desk::new();
    let sops = "  decryption: {provider: sops}\n";
    let more = "  postBuild: {substituteFrom: [{kind: Secret, name: vars}]}\n";
    desk.write("clusters/one/config.yaml", &kustomization("config", "./config", sops));
    desk.write("clusters/one/apps.yaml", &kustomization("apps", "./apps", more));
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: vars, namespace: flux-system}\nstringData: ";
    desk.seal("config/vars.yaml", &format!("{secret}{values}\n"), &SECRET);
    desk
}

#[test]
fn operators_of_variables_show_no_secret() {
    let desk = with_variables("{PW: SuperSecretValue1, PIN: \"907\"}");
    desk.write(
        "apps/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop}\ndata:\n  part: \"${PW:0:14}\"\n  upper: \"u:${PW^^}\"\n  lower: \"${PW,}\"\n  cut: \"${PW#S}\"\n  other: \"${PW/Super/Hyper}\"\n  pin: \"pin=${PIN}\"\n",
    );
    let (masked, talk, success) = desk.render(&["clusters/one"]);
    assert!(success, "{talk}");
    for shown in ["uperSecret", "SUPERSECRET", "HyperSecret", "907"] {
        assert!(!masked.contains(shown) && !talk.contains(shown), "{shown} in:\n{masked}{talk}");
    }
    assert!(masked.contains("upper: u:**SOPS**\n") && masked.contains("pin: '**SOPS**'\n"), "{masked}");
    let (open, _, _) = desk.render(&["clusters/one", "--show-secrets"]);
    assert!(open.contains("other: HyperSecretValue1\n") && open.contains("pin: pin=907\n"), "{open}");
}

#[test]
fn truth_values_that_were_secret_are_covered() {
    let desk = with_variables("{T: \"true\", N: \"null\"}");
    let pods = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: shop}\nspec: {paused: \"${T}\", none: \"${N}\", other: false}\n";
    desk.write("apps/pods.yaml", pods);
    let (masked, talk, success) = desk.render(&["clusters/one"]);
    assert!(success, "{talk}");
    for covered in ["paused: '**SOPS**'\n", "none: '**SOPS**'\n", "other: false\n"] {
        assert!(masked.contains(covered), "{covered} not in:\n{masked}");
    }
    let (open, _, _) = desk.render(&["clusters/one", "--show-secrets"]);
    assert!(open.contains("paused: true\n") && open.contains("none: null\n"), "{open}");
}

#[test]
fn replacements_show_no_part_of_a_secret() {
    let desk = Desk::new();
    let replacement = |source: &str, options: &str, target: &str, more: &str| {
        format!(
            "- source: {{kind: Secret, name: s, fieldPath: stringData.{source}{options}}}\n  targets: [{{select: {{kind: ConfigMap}}, fieldPaths: [{target}], options: {{create: true{more}}}}}]\n"
        )
    };
    desk.write(
        "app/kustomization.yaml",
        &[
            "resources: [all.yaml]\npatches: [{path: patch.yaml}]\nreplacements:\n".to_owned(),
            replacement("url", ", options: {delimiter: ':', index: 2}", "data.part", ""),
            replacement("pin", "", "data.beside", ", delimiter: '-', index: 1"),
            replacement("pin", "", "data.inner.pin", ""),
        ]
        .concat(),
    );
    desk.write(
        "app/all.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {url: none}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {beside: a-b, inner: \"pin: x\", kept: a-c}\n",
    );
    desk.seal(
        "app/patch.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {url: \"postgres://me:part-password@db\", pin: \"907\"}\n",
        &SECRET,
    );
    let (masked, talk, success) = desk.render(&["app"]);
    assert!(success, "{talk}");
    assert!(!masked.contains("part-password") && !masked.contains("907"), "{masked}");
    assert!(masked.contains("part: '**SOPS**'\n") && masked.contains("kept: a-c\n"), "{masked}");
    let (open, _, _) = desk.render(&["app", "--show-secrets"]);
    assert!(open.contains("part: part-password@db\n") && open.contains("beside: a-907\n"), "{open}");
}
