//! What a MAC that does not fit its file means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_controllers::fair::Fair;
use sealfast_controllers::kustomization::gather::{Fetched, Gathered};
use sealfast_controllers::kustomization::opener::Opener;
use sealfast_controllers::kustomization::render::{self, Rendered, Rules};
use sealfast_controllers::kustomization::report::Failure;
use sealfast_controllers::kustomization::room::Room;
use sealfast_controllers::kustomization::unpacked::Artifacts;
use sealfast_controllers::options::{Options, SopsMac};
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::wrap;
use sealfast_kustomize::substitute::Unset;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, EmitOptions, Format, Plain};
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::metadata::{KeyGroup, Metadata};
use sealfast_sops::select::Selector;
use sealfast_sops::time::Time;
use sealfast_source::tree::{Entry, Memory};
use sealfast_testkit::place;
use serde_json::{Value, json};

use crate::house::{House, kustomization, ready};

/// A recipient whose identity nobody has here.
const OTHER: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: made\n  annotations:\n    clear: one\nstringData:\n  secret: hunter2\n";
const VALUES: &str = "clear: one\nsecret: hunter2\n";
const PLAIN: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: made\n";

fn keys() -> Result<Keyring> {
    let objects =
        std::fs::read_to_string(place::golden("controllers").join("sops-tampered-mac/objects.yaml"))?;
    let line = objects.lines().find(|line| line.contains("AGE-SECRET-KEY-"));
    let mut keyring = Keyring::empty();
    keyring.add_age_identities(line.unwrap_or_default().trim())?;
    Ok(keyring)
}

/// A text encrypted for a recipient; what is called `clear` is not.
pub(crate) async fn sealed(text: &str, format: Format, recipient: &str) -> Result<String> {
    let rng = &mut rand08::rngs::OsRng;
    let now = Time::parse("2026-01-02T03:04:05Z")?;
    let mut metadata = Metadata::new(vec![KeyGroup { keys: MasterKey::age_list(recipient) }], now);
    let some = Selector::EncryptedRegex("^(secret|stringData)$".to_owned());
    metadata.selector = Some(some).filter(|_| format != Format::Binary);
    let key = DataKey::generate(rng);
    wrap::data_key(&mut metadata, &key, &Keyring::empty(), now, rng).await?;
    let plain = Plain::load(text.as_bytes(), format)?;
    let sealed = plain.encrypt(metadata, &key, Context { now, rng, reuse: None })?;
    Ok(String::from_utf8(sealed.emit(format, &EmitOptions::default())?)?)
}

/// The messages of a build: warnings of one that succeeds, or the failure.
async fn told(files: &[(&str, &str)], mac: SopsMac) -> Result<Result<Vec<String>, String>> {
    told_by(files, mac, None).await
}

async fn told_by(
    files: &[(&str, &str)],
    mac: SopsMac,
    deadline: Option<Instant>,
) -> Result<Result<Vec<String>, String>> {
    let builds = Fair::new(1);
    let rules = Rules { mac, unset: Unset::Empty, builds: &builds, room: None, deadline };
    Ok(rendered(files, &rules).await?.map(|rendered| rendered.warnings))
}

async fn rendered(files: &[(&str, &str)], rules: &Rules<'_>) -> Result<Result<Rendered, String>> {
    let mut tree = Memory::default();
    for (path, text) in files {
        tree.add(path, Entry::File { bytes: text.as_bytes().to_vec(), executable: false });
    }
    let (root, path) = ("/source".to_owned(), "/source".to_owned());
    let fetched = Fetched { tree: Arc::new(tree), room: Room::default(), root, path };
    let opener = Some(Opener::new(keys()?, None));
    let build = async {
        let laid_out = render::lay_out(fetched, &json!({}), rules.builds, "ns").await?;
        let gathered = Gathered { laid_out, opener, variables: None, witness: Arc::default() };
        render::render(gathered, &Kustomization::default(), rules).await
    };
    Ok(build.await.map_err(|failure: Failure| failure.message))
}

#[tokio::test]
async fn what_is_built_takes_room_until_it_is_let_go() -> Result<()> {
    let large = format!("{PLAIN}stringData:\n  long: {}\n", "x".repeat(50_000));
    let files = [("kustomization.yaml", "resources: [plain.yaml]\n"), ("plain.yaml", &*large)];
    let builds = Fair::new(1);
    let artifacts = Artifacts::new(&Options { unpacked_bytes: 80 << 10, ..Options::default() });
    let (mac, unset) = (SopsMac::Warn, Unset::Empty);
    let rules = Rules { mac, unset, builds: &builds, room: Some(&artifacts), deadline: None };
    let first = rendered(&files, &rules).await?.map_err(anyhow::Error::msg)?;
    let mut second = std::pin::pin!(rendered(&files, &rules));
    let early = tokio::time::timeout(Duration::from_millis(500), &mut second).await;
    ensure!(early.is_err() && builds.free() == 1, "there is no room for both");
    drop(first);
    ensure!(second.await?.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_build_ends_with_its_time() -> Result<()> {
    let files = [("kustomization.yaml", "resources: [plain.yaml]\n"), ("plain.yaml", PLAIN)];
    let later = Instant::now() + Duration::from_secs(600);
    ensure!(told_by(&files, SopsMac::Warn, Some(later)).await?.is_ok());
    let late = told_by(&files, SopsMac::Warn, Some(Instant::now())).await?.err().unwrap_or_default();
    ensure!(late.ends_with("the time that the build may take is over"), "{late}");
    Ok(())
}

#[tokio::test]
async fn the_digest_of_what_is_built_depends_on_the_key_of_what_is_opened() -> Result<()> {
    let recipient = keys()?.age_recipients().concat();
    let (first, second) =
        (sealed(SECRET, Format::Yaml, &recipient).await?, sealed(SECRET, Format::Yaml, &recipient).await?);
    let builds = Fair::new(1);
    let (mac, unset) = (SopsMac::Warn, Unset::Empty);
    let rules = Rules { mac, unset, builds: &builds, room: None, deadline: None };
    let mut digests = Vec::new();
    for text in [&first, &second, &first] {
        let files = [("kustomization.yaml", "resources: [in.yaml]\n"), ("in.yaml", &**text)];
        let built = rendered(&files, &rules).await?.map_err(anyhow::Error::msg)?;
        ensure!(built.objects[0]["stringData"]["secret"] == "hunter2");
        digests.push(built.digest);
    }
    ensure!(digests[0] == digests[2] && digests[0] != digests[1], "{digests:?}");
    Ok(())
}

#[tokio::test]
async fn every_file_that_is_opened_is_checked_however_it_comes_in() -> Result<()> {
    let recipient = keys()?.age_recipients().concat();
    let (secret, values) =
        (sealed(SECRET, Format::Yaml, &recipient).await?, sealed(VALUES, Format::Yaml, &recipient).await?);
    let mac = secret.lines().find(|line| line.starts_with("    mac: ")).unwrap_or_default();
    let quoted = secret.replace(mac, &format!("    \"mac\": \"{}\"", &mac["    mac: ".len()..]));
    let escaped = quoted.replace("\nsops:", "\n\"\\x73ops\":");
    let json = sealed(SECRET, Format::Yaml, &recipient).await?;
    let json = sealfast_yaml::json::from_yaml(json.as_bytes())?.to_string();
    let env = sealed("clear=one\nsecret=hunter2\n", Format::Dotenv, &recipient).await?;
    let blob = sealed("hunter2", Format::Binary, &recipient).await?;
    let generator = |what: &str| format!("secretGenerator:\n- name: made\n  {what}\n");
    let maps = "configMapGenerator:\n- name: made\n  files: [in.yaml]\n".to_owned();
    let patches = "resources: [plain.yaml]\npatches:\n- path: in.yaml\n".to_owned();
    let resources = |name: &str| format!("resources: [{name}]\n");
    for (kustomization, file, text, (from, to)) in [
        (resources("in.yaml"), "in.yaml", &secret, ("clear: one", "clear: two")),
        (resources("in.yaml"), "in.yaml", &quoted, ("clear: one", "clear: two")),
        (resources("in.yaml"), "in.yaml", &escaped, ("clear: one", "clear: two")),
        (resources("in.yaml"), "in.yaml", &json, ("\"one\"", "\"two\"")),
        (resources("in.txt"), "in.txt", &secret, ("clear: one", "clear: two")),
        (generator("files: [in.yaml]"), "in.yaml", &values, ("clear: one", "clear: two")),
        (generator("files: [in.yaml=in.enc]"), "in.enc", &values, ("clear: one", "clear: two")),
        (generator("envs: [in.env]"), "in.env", &env, ("clear=one", "clear=two")),
        (generator("files: [blob=in.bin]"), "in.bin", &blob, ("03:04:05Z", "03:04:06Z")),
        (maps, "in.yaml", &values, ("clear: one", "clear: two")),
        (patches, "in.yaml", &secret, ("clear: one", "clear: two")),
    ] {
        let files =
            |text| [("kustomization.yaml", kustomization.as_str()), ("plain.yaml", PLAIN), (file, text)];
        let honest = told(&files(text), SopsMac::Enforce).await?;
        ensure!(
            honest.as_ref().is_ok_and(|told| told.iter().all(|told| !told.contains("MAC"))),
            "{kustomization}: {honest:?}"
        );
        let changed = text.replacen(from, to, 1);
        ensure!(changed != *text, "{kustomization}: nothing to change");
        let wrong = format!(
            "failed to decrypt file '{file}': error decrypting sops tree: Error walking tree: MAC mismatch"
        );
        let refused = told(&files(&changed), SopsMac::Enforce).await?;
        ensure!(refused.as_ref().is_err_and(|why| *why == wrong), "{kustomization}: {refused:?}");
        let warned = told(&files(&changed), SopsMac::Warn).await?;
        let count = warned.iter().flatten().filter(|told| **told == wrong).count();
        ensure!(count == 1, "{kustomization}: {warned:?}");
        let ignored = told(&files(&changed), SopsMac::Ignore).await?;
        ensure!(ignored.iter().flatten().all(|told| !told.contains("MAC")), "{kustomization}: {ignored:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_checked_counts_as_wrong() -> Result<()> {
    let recipient = keys()?.age_recipients().concat();
    let others = sealed(VALUES, Format::Yaml, OTHER).await?;
    let large = format!("{}\n#{}\n", sealed(VALUES, Format::Yaml, &recipient).await?, "x".repeat(5 << 20));
    let inline = sealed(SECRET, Format::Yaml, &recipient).await?.replace('\n', "\n    ");
    let maps = "configMapGenerator:\n- name: made\n  files: [in.yaml]\n".to_owned();
    let inline = format!("resources: [plain.yaml]\npatches:\n- patch: |-\n    {inline}\n");
    for (kustomization, text, start) in [
        (&maps, others.as_str(), "cannot check the MAC of file 'in.yaml': cannot get sops data key: "),
        (&maps, &large, "cannot check the MAC of file 'in.yaml': it has more than 5242880 bytes"),
        (&inline, "", "cannot check the MAC of 'Secret.v1.[noGrp]/made': no file that the build read has it"),
    ] {
        let files =
            [("kustomization.yaml", kustomization.as_str()), ("plain.yaml", PLAIN), ("in.yaml", text)];
        let refused = told(&files, SopsMac::Enforce).await?;
        ensure!(refused.as_ref().is_err_and(|why| why.starts_with(start)), "{start}: {refused:?}");
        let warned = told(&files, SopsMac::Warn).await?;
        ensure!(
            warned.iter().flatten().filter(|told| told.starts_with(start)).count() == 1,
            "{start}: {warned:?}"
        );
        let ignored = told(&files, SopsMac::Ignore).await?;
        ensure!(ignored.iter().flatten().all(|told| !told.contains("MAC")), "{start}: {ignored:?}");
    }
    // What is to be left encrypted is for others, and nothing of it is opened.
    let kept = SECRET.replace("    clear: one", "    kustomize.toolkit.fluxcd.io/decrypt: disabled");
    let kept = sealed(&kept, Format::Yaml, OTHER).await?;
    let left = told(&[("kept.yaml", &kept)], SopsMac::Enforce).await?;
    ensure!(left.as_ref().is_ok_and(Vec::is_empty), "{left:?}");
    Ok(())
}

/// The end of a run over the recorded case with a changed MAC, and the events about it.
async fn run(mac: SopsMac) -> Result<(Value, Vec<String>)> {
    let house = House::new().await?;
    let handle = house.start(&house.client, Options { sops_mac: mac, ..house.options() }).await?;
    let folder = place::golden("controllers").join("sops-tampered-mac");
    let objects = std::fs::read_to_string(folder.join("objects.yaml"))?;
    let identity =
        objects.lines().find(|line| line.contains("AGE-SECRET-KEY-")).unwrap_or_default().trim().to_owned();
    let secret = std::fs::read_to_string(folder.join("repo/s.yaml"))?;
    house.write("s.yaml", &secret.replace("${NS}", "default"))?;
    house
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "default"},
            "data": {"age.agekey": STANDARD.encode(identity)}}),
        )
        .await?;
    house.publish(&handle, "default").await?;
    let decryption = json!({"targetNamespace": "default", "decryption": {"provider": "sops", "secretRef": {"name": "keys"}}});
    house.apply(kustomization("default", "app", decryption)).await?;
    let done = house
        .until("default", "app", |object| ["True", "False"].iter().any(|s| ready(object)["status"] == *s))
        .await?;
    handle.stop().await;
    let events = house.events("default").await?;
    Ok((ready(&done).clone(), events))
}

#[tokio::test(flavor = "multi_thread")]
async fn enforced_it_fails_the_run() -> Result<()> {
    let (ready, _) = run(SopsMac::Enforce).await?;
    ensure!(ready["status"] == "False" && ready["reason"] == "BuildFailed", "{ready}");
    let message = ready["message"].as_str().unwrap_or_default();
    ensure!(message.contains("'s.yaml'") && message.contains("MAC mismatch"), "{message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_it_is_told() -> Result<()> {
    let (ready, events) = run(SopsMac::Warn).await?;
    ensure!(ready["status"] == "True", "{ready}");
    ensure!(
        ready["message"].as_str().unwrap_or_default().contains("\nwarning: failed to decrypt file 's.yaml'"),
        "{ready}"
    );
    ensure!(events.iter().any(|event| event.contains("MAC mismatch")), "{events:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_it_is_not_looked_at() -> Result<()> {
    let (ready, events) = run(SopsMac::Ignore).await?;
    ensure!(ready["status"] == "True", "{ready}");
    ensure!(!format!("{ready}{events:?}").contains("MAC"), "{ready} {events:?}");
    Ok(())
}
