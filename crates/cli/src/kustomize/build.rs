//! `kustomize build`: a directory -> its objects, printed or written.

use std::path::Path;
use std::process::ExitCode;

use jiff::Zoned;
use sealfast_kustomize::engine::{self, Build, Options, Restriction};
use sealfast_kustomize::id::GvkRef;
use sealfast_kustomize::order::Order;
use sealfast_kustomize::scope::{NOT_NAMESPACED, Scopes};
use serde_json::Value;

use super::disk::Disk;
use super::parse;
use crate::env;
use crate::flux::Failed;
use crate::flux::args::{Flag, Kind};
use crate::output;
use crate::replace;

const FLAGS: &[Flag] = &[
    Flag::short("output", 'o', Kind::Text),
    Flag::long("load-restrictor", Kind::Text),
    Flag::long("reorder", Kind::Text),
    Flag::long("enable-managedby-label", Kind::Switch),
    Flag::long("enable-helm", Kind::Switch),
    Flag::long("enable-alpha-plugins", Kind::Switch),
    Flag::long("enable-exec", Kind::Switch),
    Flag::long("network", Kind::Switch),
    Flag::long("network-name", Kind::Text),
    Flag::long("mount", Kind::Text),
    Flag::short("env", 'e', Kind::Text),
    Flag::long("as-current-user", Kind::Switch),
    Flag::long("helm-command", Kind::Text),
    Flag::long("helm-api-versions", Kind::Text),
    Flag::long("helm-kube-version", Kind::Text),
    Flag::long("helm-debug", Kind::Switch),
    Flag::long("allow-remote", Kind::Text),
    Flag::long("ssh-identity", Kind::Text),
    Flag::long("known-hosts", Kind::Text),
];

/// Switches for what this build does not do, each with the reason.
const REFUSED: [(&str, &str); 4] = [
    (
        "enable-helm",
        "Helm charts are not inflated here: render the chart first and list the result under `resources`",
    ),
    ("enable-alpha-plugins", "plugins are programs, and a build runs none"),
    ("enable-exec", "functions are programs, and a build runs none"),
    ("network", "functions are containers, and a build runs none"),
];

const TWO_ORDERS: &str = "Warning: Sorting order is set both in 'kustomization.yaml' ('sortOptions') and in a CLI flag ('--reorder'). Using the kustomization file over the CLI flag.";

/// Runs `build ARGS`.
pub(super) fn run(words: &[String]) -> Result<ExitCode, Failed> {
    let (args, wants_help) = parse(words, FLAGS)?;
    if wants_help {
        return Ok(output::data(HELP.as_bytes()));
    }
    if args.text("reorder").is_some() {
        output::talk(
            "Flag --reorder has been deprecated, use the new 'sortOptions' field in kustomization.yaml instead.",
        );
    }
    if args.is_on("enable-managedby-label") {
        output::talk(
            "Flag --enable-managedby-label has been deprecated, The flag `enable-managedby-label` has been deprecated. Use the `managedByLabel` option in the `buildMetadata` field instead.",
        );
    }
    let dir = match args.names.as_slice() {
        [] => ".",
        [dir] => dir,
        _ => return Err("specify one path to kustomization.yaml".into()),
    };
    if let Some((flag, why)) = REFUSED.iter().find(|(flag, _)| args.is_on(flag)) {
        return Err(format!("--{flag} is not supported: {why}").into());
    }
    let options = Options {
        load: restriction(args.text("load-restrictor"))?,
        shown: Some(dir.to_owned()),
        order: order(args.text("reorder"))?,
        adds_managed_by: args.is_on("enable-managedby-label")
            || env::KUSTOMIZE_ENABLE_MANAGEDBY_LABEL.text().as_deref() == Some("on"),
        ..Options::default()
    };
    let disk = Disk::allowing(&args)?;
    match engine::attempt(&disk, &disk.root(dir)?, &options) {
        Ok(built) => {
            built.warnings.iter().for_each(|warning| output::talk(warning));
            built.notes.iter().for_each(|note| output::talk(&format!("# Warning: {note}")));
            if !built.unused_vars.is_empty() {
                let unused = built.unused_vars.join(",");
                log(&format!("well-defined vars that were never replaced: {unused}"));
            }
            if built.has_own_order && args.text("reorder").is_some() {
                log(TWO_ORDERS);
            }
            write(built, args.filled("output"))
        }
        Err(failed) => {
            failed.warnings.iter().for_each(|warning| output::talk(warning));
            Err(Failed(failed.error.chain()))
        }
    }
}

/// Talks as the original does where it logs.
fn log(message: &str) {
    output::talk(&format!("{} {message}", Zoned::now().strftime("%Y/%m/%d %H:%M:%S")));
}

fn restriction(given: Option<&str>) -> Result<Restriction, Failed> {
    match given {
        None | Some("" | "LoadRestrictionsRootOnly") => Ok(Restriction::RootOnly),
        Some("LoadRestrictionsNone") => Ok(Restriction::None),
        Some(other) => Err(format!(
            "illegal flag value --load-restrictor {other}; legal values: [LoadRestrictionsRootOnly LoadRestrictionsNone]"
        )
        .into()),
    }
}

fn order(given: Option<&str>) -> Result<Order, Failed> {
    match given {
        None | Some("legacy") => Ok(Order::Legacy { kinds: None }),
        Some("none") => Ok(Order::Fifo),
        Some(other) => {
            Err(format!("illegal flag value --reorder {other}; legal values: [legacy none]").into())
        }
    }
}

fn write(built: Build, target: Option<&str>) -> Result<ExitCode, Failed> {
    match target {
        None => {
            let code = output::data(built.to_yaml().as_bytes());
            // The program ends here: the system takes the memory back at once, not object by object.
            std::mem::forget(built);
            Ok(code)
        }
        Some(target) if Path::new(target).is_dir() => write_each(built, Path::new(target)),
        Some(target) => write_file(Path::new(target), &built.to_yaml()),
    }
}

fn write_file(path: &Path, text: &str) -> Result<ExitCode, Failed> {
    replace::file(path, text.as_bytes())
        .map_err(|error| format!("failed to write '{}': {error}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file an object; objects of several namespaces have the namespace in front of the name.
fn write_each(built: Build, dir: &Path) -> Result<ExitCode, Failed> {
    let scopes = built.scopes.clone();
    let objects = built.objects();
    let namespace = |object: &Value| namespace(object, &scopes);
    let mut namespaces: Vec<String> = objects.iter().filter_map(namespace).collect();
    namespaces.sort();
    namespaces.dedup();
    for object in &objects {
        let name = file_name(object);
        let name = match namespace(object) {
            Some(namespace) if namespaces.len() > 1 => format!("{}_{name}", namespace.to_lowercase()),
            _ => name,
        };
        // Names come from the objects; one with a separator would lead out of the directory.
        if name.contains('/') {
            return Err(format!("an object's name cannot be part of a file name: {name}").into());
        }
        write_file(&dir.join(name), &sealfast_yaml::json::to_yaml(object))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn gvk(object: &Value) -> GvkRef<'_> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    GvkRef::parse(text("apiVersion"), text("kind"))
}

/// The namespace that counts; none for what lives outside namespaces.
fn namespace(object: &Value, scopes: &Scopes) -> Option<String> {
    let written = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let namespace = scopes.effective_namespace(gvk(object), written);
    (namespace != NOT_NAMESPACED).then(|| namespace.to_owned())
}

fn file_name(object: &Value) -> String {
    let gvk = gvk(object);
    let parts: Vec<&str> =
        [gvk.group, gvk.version, gvk.kind].into_iter().filter(|part| !part.is_empty()).collect();
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    format!("{}_{}.yaml", parts.join("_").to_lowercase(), name.to_lowercase())
}

const HELP: &str = "\
Builds the objects of a directory that holds a kustomization.yaml and prints them.
Without DIR the current directory is built.

Usage:
  kustomize build [DIR] [flags]

Flags:
  -o, --output PATH             write to this file, or a file an object to this directory
      --load-restrictor NAME    LoadRestrictionsNone lets files outside a root be loaded [default: LoadRestrictionsRootOnly]
      --reorder ORDER           legacy or none; old, the field sortOptions takes its place
      --enable-managedby-label  add the label app.kubernetes.io/managed-by; old, buildMetadata takes its place
      --allow-remote PREFIX     fetch bases, their submodules and files whose address starts with this (https:// or ssh://); may be repeated
      --ssh-identity FILE       private key for bases over SSH
      --known-hosts FILE        keys of hosts that are trusted over SSH [default: ~/.ssh/known_hosts]
  -h, --help                    print this text

Refused, because a build runs no other program:
      --enable-helm --enable-alpha-plugins --enable-exec --network

Without effect:
  -e, --env, --mount, --network-name, --as-current-user, --helm-command, --helm-api-versions, --helm-kube-version,
      --helm-debug

Examples:
  kustomize build
  kustomize build overlays/production
  kustomize build overlays/production -o production.yaml
  kustomize build --allow-remote git@github.com:org/ --ssh-identity deploy.key
";
