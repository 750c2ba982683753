//! One case: its steps, one after the other, and what it compares.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use http::Method;
use rand08::Rng as _;
use regex::Regex;
use sealfast_testkit::scratch::{self, Scratch};
use serde_json::{Value, json};

use crate::cluster::House;
use crate::compare::differences;
use crate::repo::Repo;
use crate::snapshot::Memory;
use crate::words::Words;

pub(crate) const GIT_REPOSITORY: (&str, &str) = ("source.toolkit.fluxcd.io/v1", "GitRepository");
pub(crate) const KUSTOMIZATION: (&str, &str) = ("kustomize.toolkit.fluxcd.io/v1", "Kustomization");
const RBAC: &str = "rbac.authorization.k8s.io/v1";
/// Where kinds are that steps name without a version.
const VERSIONS: [(&str, &str); 15] = [
    (GIT_REPOSITORY.1, GIT_REPOSITORY.0),
    (KUSTOMIZATION.1, KUSTOMIZATION.0),
    ("ConfigMap", "v1"),
    ("Secret", "v1"),
    ("Namespace", "v1"),
    ("ServiceAccount", "v1"),
    ("Service", "v1"),
    ("Deployment", "apps/v1"),
    ("Role", RBAC),
    ("RoleBinding", RBAC),
    ("ClusterRole", RBAC),
    ("ClusterRoleBinding", RBAC),
    ("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
    ("Event", "v1"),
    ("Job", "batch/v1"),
];
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";
/// How long a state may take to become as recorded.
const SETTLE: Duration = Duration::from_secs(12);
/// A link of the recorded trees, kept as a plain file with the link's text, as Git does where there are no links.
const LINK: &str = "link";
/// On a busy machine everything takes longer than when it was recorded.
const SLOWNESS: u64 = 2;

/// One object's place.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Plays the case in a folder.
///
/// # Errors
/// The step that cannot be done, or everything that differs from what was recorded.
pub(crate) fn play(house: &House, folder: &Path) -> Result<()> {
    let mut case = Case::new(house, folder)?;
    let done = case.run();
    case.tidy_up()?;
    done?;
    if case.wrong.is_empty() {
        Ok(())
    } else {
        bail!("{} differences:\n  {}", case.wrong.len(), case.wrong.join("\n  "))
    }
}

struct Case<'a> {
    house: &'a House,
    folder: PathBuf,
    script: Value,
    expected: Value,
    words: Words<'a>,
    memory: Memory,
    trees: Scratch,
    ignored: Vec<Regex>,
    wrong: Vec<String>,
}

fn read(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

impl<'a> Case<'a> {
    fn new(house: &'a House, folder: &Path) -> Result<Case<'a>> {
        let script = read(&folder.join("steps.json"))?;
        let mut random = rand08::thread_rng();
        let letters: Vec<char> = "bcdfghjklmnpqrstvwxz0123456789".chars().collect();
        let id: String = (0..6).map(|_| letters[random.gen_range(0..letters.len())]).collect();
        let words = Words::new(house, format!("gc{id}"), &texts(&script["cut"]))?;
        let ignored =
            texts(&script["ignore_events"]).into_iter().map(Regex::new).collect::<Result<_, _>>()?;
        Ok(Case {
            house,
            folder: folder.to_owned(),
            expected: read(&folder.join("expected.json"))?,
            script,
            words,
            memory: Memory::default(),
            trees: Scratch::new()?,
            ignored,
            wrong: Vec::new(),
        })
    }

    fn run(&mut self) -> Result<()> {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.words.id}});
        self.fine(Method::POST, "/api/v1/namespaces", Some(&body), JSON)?;
        for step in self.script["steps"].as_array().cloned().unwrap_or_default() {
            self.step(&step).with_context(|| format!("step {step}"))?;
        }
        Ok(())
    }

    fn fine(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        content_type: &'static str,
    ) -> Result<Value> {
        let (code, answer) = self.house.call(method, path, body, content_type)?;
        if code >= 300 {
            bail!("{path}: {code} {}", answer["message"].as_str().unwrap_or_default());
        }
        Ok(answer)
    }

    fn step(&mut self, step: &Value) -> Result<()> {
        let text = |key: &str| step[key].as_str();
        if let Some(file) = text("apply") {
            self.apply(file, step)
        } else if let Some(file) = text("try") {
            self.attempt(file, step["as"].as_str().unwrap_or_default())
        } else if step.get("push").is_some() {
            self.push(step)
        } else if let Some(who) = text("annotate") {
            let key = text("key").unwrap_or("reconcile.fluxcd.io/requestedAt");
            let body = json!({"metadata": {"annotations": {key: step["token"]}}});
            let url = self.url(who, step)?;
            self.fine(Method::PATCH, &format!("{url}?fieldManager=golden-annotate"), Some(&body), MERGE)
                .map(drop)
        } else if let Some(who) = text("patch") {
            let content_type = if step["body"].is_array() { "application/json-patch+json" } else { MERGE };
            let body = serde_json::from_str(&self.words.fill(&step["body"].to_string())?)?;
            let part = text("subresource").map(|part| format!("/{part}")).unwrap_or_default();
            let url = format!(
                "{}{part}?fieldManager={}",
                self.url(who, step)?,
                text("manager").unwrap_or("golden")
            );
            self.fine(Method::PATCH, &url, Some(&body), content_type).map(drop)
        } else if let Some(who) = text("delete") {
            let body =
                json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
            let url = self.url(who, step)?;
            self.fine(Method::DELETE, &url, Some(&body), JSON).map(drop)
        } else if let Some(who) = text("wait") {
            self.wait(who, step)
        } else if let Some(seconds) = step["sleep"].as_f64() {
            // The pause is a step of the recorded script: something must not happen meanwhile.
            std::thread::sleep(Duration::from_secs_f64(seconds));
            Ok(())
        } else if let Some(name) = text("snapshot") {
            self.snapshot(name, step)
        } else {
            bail!("unknown step")
        }
    }

    fn place(&mut self, who: &str, namespace: Option<&str>) -> Result<Place> {
        let filled = self.words.fill(who)?;
        let (kind, name) = filled.split_once('/').context("an object is Kind/name")?;
        let (kind, version) = match kind.split_once('.') {
            Some((kind, version)) => {
                let (group, version) = version.rsplit_once('.').context("a version")?;
                (kind, format!("{group}/{version}"))
            }
            None => {
                let version =
                    VERSIONS.iter().find(|(known, _)| *known == kind).context("the kind needs a version")?.1;
                (kind, version.to_owned())
            }
        };
        let namespace = self.words.fill(namespace.unwrap_or("${NS}"))?;
        Ok(Place { version, kind: kind.to_owned(), namespace, name: name.to_owned() })
    }

    fn url(&mut self, who: &str, step: &Value) -> Result<String> {
        let place = self.place(who, step["namespace"].as_str())?;
        let url = self.house.url(&place.version, &place.kind, &place.namespace, &place.name);
        url.with_context(|| format!("the server has no kind {} {}", place.version, place.kind))
    }

    fn documents(&mut self, file: &str) -> Result<Vec<Value>> {
        let text =
            std::fs::read_to_string(self.folder.join(file)).with_context(|| format!("reading {file}"))?;
        let text = self.words.fill(&text)?;
        let all =
            sealfast_yaml::json::documents(text.as_bytes()).with_context(|| format!("reading {file}"))?;
        Ok(all.into_iter().filter(|document| !document.is_null()).collect())
    }

    fn collection(&self, document: &Value) -> Result<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&document["apiVersion"]), text(&document["kind"]));
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or(&self.words.id);
        self.house
            .url(&version, &kind, namespace, "")
            .with_context(|| format!("the server has no kind {version} {kind}"))
    }

    fn apply(&mut self, file: &str, step: &Value) -> Result<()> {
        for document in self.documents(file)? {
            let kind = document["kind"].as_str().unwrap_or_default();
            let name = document["metadata"]["name"].as_str().unwrap_or_default();
            let who = format!("{kind}/{name}");
            let named = |key: &str| texts(&step[key]).iter().any(|word| *word == kind || *word == who);
            if (step.get("only").is_some() && !named("only")) || named("except") {
                continue;
            }
            let url = format!("{}/{name}?fieldManager=golden&force=true", self.collection(&document)?);
            self.fine(Method::PATCH, &url, Some(&document), APPLY)
                .with_context(|| format!("applying {who}"))?;
        }
        Ok(())
    }

    /// Each document as a dry run, and the answers compared.
    fn attempt(&mut self, file: &str, name: &str) -> Result<()> {
        let mut found = Vec::new();
        for document in self.documents(file)? {
            let url = format!("{}?dryRun=All&fieldManager=golden", self.collection(&document)?);
            let (code, answer) = self.house.call(Method::POST, &url, Some(&document), JSON)?;
            let who = format!(
                "{}/{}",
                document["kind"].as_str().unwrap_or_default(),
                document["metadata"]["name"].as_str().unwrap_or_default()
            );
            let item = match code {
                300.. => {
                    json!({"object": who, "code": code, "message": answer["message"], "reason": answer["reason"]})
                }
                // The client does not tell one success from another.
                _ => json!({"object": who, "code": 201, "spec": answer["spec"], "status": answer["status"]}),
            };
            found.push(self.words.clean_tree(&item));
        }
        let want = &self.expected["tries"][name];
        self.wrong
            .extend(differences(want, &found.into(), "").into_iter().map(|d| format!("try {name}: {d}")));
        Ok(())
    }

    fn push(&mut self, step: &Value) -> Result<()> {
        let label = step["repo"].as_str().unwrap_or_default();
        if !self.words.repos.contains_key(label) {
            let path = self.house.git.root.join(format!("{}.git", self.words.repository(label)));
            let shown = if label.is_empty() { String::new() } else { format!("{label}-") };
            self.words.repos.insert(label.to_owned(), Repo::new(path, shown)?);
        }
        let number = step["push"].as_i64().context("push takes a number")?;
        if number == 0 {
            return Ok(());
        }
        let folder = if label.is_empty() { "repo".to_owned() } else { format!("repo-{label}") };
        let folder = if number == 1 { folder } else { format!("{folder}.{number}") };
        let tree = self.trees.join(format!("tree-{label}-{number}"));
        scratch::copy(&self.folder.join(folder), &tree)?;
        for file in scratch::files(&tree)? {
            let path = tree.join(&file);
            if path.is_symlink() {
                continue;
            }
            let bytes = std::fs::read(&path)?;
            if file.ends_with(LINK) {
                std::fs::remove_file(&path)?;
                std::os::unix::fs::symlink(String::from_utf8(bytes)?, &path)?;
                continue;
            }
            if let Ok(text) = std::str::from_utf8(&bytes)
                && text.contains("${")
            {
                std::fs::write(&path, self.words.fill(text)?)?;
            }
        }
        let step: Value = serde_json::from_str(&self.words.fill(&step.to_string())?)?;
        let case = self.folder.clone();
        self.words.repos.get_mut(label).context("the repository was made")?.push(&tree, &step, &case)
    }

    fn spaces(&mut self, more: &Value) -> Result<Vec<String>> {
        let mut spaces = vec![self.words.id.clone()];
        for name in texts(more) {
            spaces.push(self.words.fill(name)?);
        }
        Ok(spaces)
    }

    fn wait(&mut self, who: &str, step: &Value) -> Result<()> {
        let place = self.place(who, step["namespace"].as_str())?;
        let patience = Duration::from_secs(step["timeout"].as_u64().unwrap_or(60) * SLOWNESS);
        let more = self.script["namespaces"].clone();
        let spaces = self.spaces(&more)?;
        let began = Instant::now();
        loop {
            let live = self.house.get(&place.version, &place.kind, &place.namespace, &place.name)?;
            if self.holds(step, live.as_ref())? {
                return self.memory.remember(&self.words, &spaces);
            }
            if began.elapsed() > patience {
                let status = live.map_or("absent".to_owned(), |live| live["status"].to_string());
                bail!("waited in vain; last seen: {}", self.words.clean(&status));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn holds(&self, step: &Value, live: Option<&Value>) -> Result<bool> {
        if step["absent"] == true {
            return Ok(live.is_none());
        }
        let Some(live) = live else { return Ok(false) };
        let status = &live["status"];
        let condition =
            |kind: &str| status["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind);
        if ["ready", "reason", "message"].iter().any(|key| step.get(key).is_some())
            && !is_ready(step, live, condition("Ready"), condition("Reconciling"))
        {
            return Ok(false);
        }
        for (kind, want) in step["conditions"].as_object().into_iter().flatten() {
            if condition(kind).map(|c| &c["status"]) != Some(want) {
                return Ok(false);
            }
        }
        if step.get("handled").is_some_and(|token| status["lastHandledReconcileAt"] != *token) {
            return Ok(false);
        }
        let repo = self.words.repos.get(step["repo"].as_str().unwrap_or_default());
        let commit =
            |key: &str| repo.and_then(|repo| repo.commits.get(&step[key].as_i64()?)).map(String::as_str);
        let ends = |at: &Value, commit: Option<&str>| {
            at.as_str().zip(commit).is_some_and(|(at, commit)| at.ends_with(commit))
        };
        let at = if live["kind"] == "Kustomization" {
            &status["lastAppliedRevision"]
        } else {
            &status["artifact"]["revision"]
        };
        if step.get("commit").is_some() && !ends(at, commit("commit")) {
            return Ok(false);
        }
        if step.get("attempted").is_some() && !ends(&status["lastAttemptedRevision"], commit("attempted")) {
            return Ok(false);
        }
        match step["event"].as_str() {
            None => Ok(true),
            Some(part) => {
                let namespace = live["metadata"]["namespace"].as_str().unwrap_or("default");
                let events = self.house.list("v1", "Event", namespace)?;
                Ok(events.iter().any(|e| {
                    e["message"].as_str().is_some_and(|message| message.contains(part))
                        && e["involvedObject"]["name"] == live["metadata"]["name"]
                }))
            }
        }
    }

    fn snapshot(&mut self, name: &str, step: &Value) -> Result<()> {
        let spaces = self.spaces(&step["namespaces"])?;
        let mut look = Vec::new();
        for word in texts(&step["look"]) {
            let (who, namespace) = word.split_once('@').map_or((word, None), |(who, at)| (who, Some(at)));
            look.push(self.place(who, namespace)?);
        }
        let want = self.expected["snapshots"][name].clone();
        let began = Instant::now();
        let wrong = loop {
            let found = self.memory.take(&mut self.words, &spaces, &look, &self.ignored)?;
            let wrong = differences(&want, &found, "");
            if wrong.is_empty() || began.elapsed() > SETTLE {
                break wrong;
            }
            std::thread::sleep(Duration::from_millis(300));
        };
        self.memory.settle();
        self.wrong.extend(wrong.into_iter().map(|d| format!("snapshot {name}: {d}")));
        Ok(())
    }

    /// Deletes what the case made, so that it does not keep the controllers busy.
    fn tidy_up(&mut self) -> Result<()> {
        let more = self.script["namespaces"].clone();
        let spaces = self.spaces(&more)?;
        for (version, kind) in [KUSTOMIZATION, GIT_REPOSITORY] {
            for space in &spaces {
                for object in self.house.list(version, kind, space)? {
                    let name = object["metadata"]["name"].as_str().unwrap_or_default();
                    let Some(url) = self.house.url(version, kind, space, name) else { continue };
                    let free = json!({"metadata": {"finalizers": null}, "spec": {"suspend": true}});
                    self.house.call(Method::PATCH, &url, Some(&free), MERGE)?;
                    self.house.call(Method::DELETE, &url, None, JSON)?;
                    self.house.call(
                        Method::PATCH,
                        &url,
                        Some(&json!({"metadata": {"finalizers": null}})),
                        MERGE,
                    )?;
                }
            }
        }
        let cleanup = self.script["cleanup"].clone();
        for who in texts(&cleanup) {
            let place = self.place(who, None)?;
            if let Some(url) = self.house.url(&place.version, &place.kind, &place.namespace, &place.name) {
                self.house.call(Method::DELETE, &url, None, JSON)?;
            }
        }
        for space in spaces {
            self.house.call(Method::DELETE, &format!("/api/v1/namespaces/{space}"), None, JSON)?;
        }
        Ok(())
    }
}

fn is_ready(step: &Value, live: &Value, ready: Option<&Value>, reconciling: Option<&Value>) -> bool {
    let Some(ready) = ready else { return false };
    let fits = |key: &str, field: &str| step.get(key).is_none_or(|want| ready[field] == *want);
    let part = step["message"].as_str().unwrap_or_default();
    let told = ready["message"].as_str().is_some_and(|message| message.contains(part));
    if !fits("ready", "status") || !fits("reason", "reason") || !told {
        return false;
    }
    let at_rest = ready["observedGeneration"] == live["metadata"]["generation"]
        && reconciling.is_none_or(|condition| condition["reason"] != "Progressing");
    step["loose"] == true || at_rest
}
