//! Recorded cases of golden/apiserver and golden/apiserver-kubectl, played against one server in this process.

mod compare;
mod kubectl;
mod normal;
mod transcript;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use sealfast_apiserver::server::{Options, start};

/// What all cases share.
pub(crate) struct Server {
    pub(crate) kubeconfig: String,
    pub(crate) client: wire::Client,
    pub(crate) runtime: tokio::runtime::Runtime,
}

fn main() {
    let arguments = Arguments::from_args();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let options = Options::default().with_ready_workloads(false);
    let running = runtime.block_on(start(options)).expect("the server starts");
    let kubeconfig = running.kubeconfig();
    let client = wire::Client::new(&kubeconfig);
    let server = Arc::new(Server { kubeconfig, client, runtime });
    let not_yet = not_yet();
    let mut trials = Vec::new();
    for (area, marker) in [("apiserver", "case.json"), ("apiserver-kubectl", "cmd.txt")] {
        for folder in folders(area, marker) {
            trials.push(trial(&server, area, folder, &not_yet));
        }
    }
    let known: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    for name in not_yet.keys().filter(|name| !known.contains(name)) {
        let text = format!("not-yet.txt lists `{name}`, which is no case");
        trials.push(Trial::test("not-yet.txt", move || Err(Failed::from(text))));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(
    server: &Arc<Server>,
    area: &'static str,
    folder: PathBuf,
    not_yet: &BTreeMap<String, String>,
) -> Trial {
    let name = format!("{area}/{}", folder.file_name().and_then(|name| name.to_str()).unwrap_or_default());
    let missing = area == "apiserver-kubectl" && !kubectl::is_there();
    let reason = not_yet.get(&name).cloned();
    let server = Arc::clone(server);
    let shown = if missing { format!("{name} (kubectl is not on PATH)") } else { name };
    Trial::test(shown, move || {
        let outcome = if area == "apiserver" {
            transcript::play(&server, &folder)
        } else {
            kubectl::play(&server, &folder)
        };
        match (outcome, reason) {
            (Ok(()), Some(_)) => Err("passes: take it out of not-yet.txt".into()),
            (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
            (Err(why), None) => Err(why.into()),
        }
    })
    .with_ignored_flag(missing)
}

fn folders(area: &str, marker: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(area);
    let entries = std::fs::read_dir(&root).expect("the golden folder is there");
    let mut out: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join(marker).is_file()).collect();
    out.sort();
    out
}

fn not_yet() -> BTreeMap<String, String> {
    let text = include_str!("not-yet.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, why)| (name.to_owned(), why.to_owned()))
        .collect()
}
