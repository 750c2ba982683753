//! `flux tree kustomization`: what a Kustomization applied, and so on down.
//!
//! Differs: a Kustomization that stands among its own ancestors is not followed again.

use std::process::ExitCode;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sealfast_cluster::client::Client;
use sealfast_k8s::flux::inventory::Inventory;
use sealfast_k8s::id::ObjectId;
use serde_json::{Value, json};

use super::args::{Args, Flag, Kind};
use super::known::{HELM_RELEASE, KUSTOMIZATION};
use super::{Failed, checked_namespace, connect, help, told, wants_help};
use crate::output;

mod helm;

pub(super) const FLAGS: &[Flag] =
    &[Flag::long("compact", Kind::Switch), Flag::short("output", 'o', Kind::Text)];

pub(super) const HELP: &str = "\
Print what a Kustomization applied, and what the Kustomizations and Helm releases among it applied.

Usage:
  flux tree kustomization NAME [--compact] [-o json|yaml] [flags]

Flags:
      --compact         only objects of Flux
  -o, --output FORMAT   json or yaml

Examples:
  flux tree kustomization flux-system
  flux tree kustomization flux-system --compact
";

/// Runs the command.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if !matches!(words, ["kustomization" | "ks"]) {
        let word = words.last().copied().unwrap_or_default();
        return Err(format!("unknown command {word:?} for \"flux tree\"").into());
    }
    let name = args.names.first().ok_or("kustomization name is required")?;
    let namespace = checked_namespace(args)?;
    let format: fn(&Node) -> String = match args.filled("output") {
        Some("json") => Node::json,
        Some("yaml") => Node::yaml,
        None => Node::text,
        Some(other) => return Err(format!("--output must be json or yaml, not {other}").into()),
    };
    let root = connect::with_client(args, |client| async move {
        let item = KUSTOMIZATION.get(&client, &namespace, name).await?;
        let mut root = Node::new(ObjectId { gvk: KUSTOMIZATION.gvk(), namespace, name: name.clone() });
        let mut grower = Grower { client, is_compact: args.is_on("compact"), above: Vec::new(), room: MOST };
        grower.grow(&mut root, &item).await?;
        Ok(root)
    })?;
    Ok(output::data([&format(&root), "\n"].concat().as_bytes()))
}

/// An object, and what it applied.
struct Node {
    id: ObjectId,
    children: Vec<Node>,
}

impl Node {
    fn new(id: ObjectId) -> Self {
        Self { id, children: Vec::new() }
    }

    fn value(&self) -> Value {
        let mut value = json!({
            "resource": {
                "Namespace": self.id.namespace,
                "Name": self.id.name,
                "GroupKind": { "Group": self.id.gvk.group, "Kind": self.id.gvk.kind },
            },
        });
        if !self.children.is_empty() {
            value["resources"] = self.children.iter().map(Self::value).collect();
        }
        value
    }

    fn json(&self) -> String {
        format!("{:#}", self.value())
    }

    fn yaml(&self) -> String {
        sealfast_yaml::json::to_yaml(&self.value())
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.id);
        self.branches("", &mut text);
        text
    }

    fn branches(&self, indent: &str, text: &mut String) {
        for (at, child) in self.children.iter().enumerate() {
            let (sign, below) = match at + 1 == self.children.len() {
                true => ("└── ", "    "),
                false => ("├── ", "│   "),
            };
            text.push_str(&format!("{indent}{sign}{}\n", child.id));
            child.branches(&format!("{indent}{below}"), text);
        }
    }
}

/// Asks the cluster for what hangs below.
struct Grower {
    client: Client,
    is_compact: bool,
    /// The Kustomizations from the root to here.
    above: Vec<ObjectId>,
    /// How many objects may still come.
    room: usize,
}

/// Objects of one tree. Several ways may lead to one Kustomization, so that a tree can be much larger than the cluster.
const MOST: usize = 100_000;

impl Grower {
    /// Adds what a Kustomization applied.
    fn grow<'a>(&'a mut self, node: &'a mut Node, item: &'a Value) -> BoxFuture<'a, Result<(), Failed>> {
        async move {
            let inventory: Inventory =
                serde_json::from_value(item["status"]["inventory"].clone()).unwrap_or_default();
            self.above.push(node.id.clone());
            for entry in inventory.entries {
                let id = entry.object_id().map_err(|error| told(&error))?;
                if self.shows(&id) && !same(&id, &node.id) {
                    let child = self.add(node, id)?;
                    self.follow(child, item["spec"].get("kubeConfig").is_none()).await?;
                }
            }
            self.above.pop();
            Ok(())
        }
        .boxed()
    }

    /// Adds what an object applied, when it is one that applies others. What a Kustomization did elsewhere is not seen here.
    async fn follow(&mut self, child: &mut Node, is_here: bool) -> Result<(), Failed> {
        let (namespace, name) = (child.id.namespace.clone(), child.id.name.clone());
        if is_a(&child.id, HELM_RELEASE) {
            for id in helm::inventory(&self.client, &namespace, &name).await? {
                if self.shows(&id) {
                    self.add(child, id)?;
                }
            }
        }
        if is_a(&child.id, KUSTOMIZATION) && is_here && !self.above.iter().any(|id| same(id, &child.id)) {
            let found = KUSTOMIZATION.get(&self.client, &namespace, &name).await;
            let item = found.map_err(|Failed(why)| format!("failed to find object: {why}"))?;
            self.grow(child, &item).await?;
        }
        Ok(())
    }

    fn shows(&self, id: &ObjectId) -> bool {
        !self.is_compact || id.gvk.group.contains("toolkit.fluxcd.io")
    }

    fn add<'a>(&mut self, node: &'a mut Node, id: ObjectId) -> Result<&'a mut Node, Failed> {
        self.room =
            self.room.checked_sub(1).ok_or_else(|| format!("the tree has more than {MOST} objects"))?;
        let at = node.children.len();
        node.children.push(Node::new(id));
        Ok(&mut node.children[at])
    }
}

fn is_a(id: &ObjectId, known: super::known::Known) -> bool {
    let gvk = known.gvk();
    id.gvk.group == gvk.group && id.gvk.kind == gvk.kind
}

/// Whether two are one object, in whatever version.
fn same(left: &ObjectId, right: &ObjectId) -> bool {
    let key =
        |id: &ObjectId| (id.gvk.group.clone(), id.gvk.kind.clone(), id.namespace.clone(), id.name.clone());
    key(left) == key(right)
}
