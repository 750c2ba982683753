//! Recorded cases and pairs, played against one server in this process.

mod compare;
mod defaults;
mod kubectl;
mod normal;
mod transcript;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use parking_lot::RwLock;
use sealfast_apiserver::server::{Options, start};

/// What all cases share.
pub(crate) struct Server {
    pub(crate) kubeconfig: String,
    pub(crate) client: wire::Client,
    pub(crate) runtime: tokio::runtime::Runtime,
}

fn main() {
    let mut arguments = Arguments::from_args();
    // Every case has its own namespaces and groups, and spends its time waiting.
    arguments.test_threads.get_or_insert(CASES_AT_ONCE);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let options = Options::default().with_ready_workloads(false);
    let running = runtime.block_on(start(options)).expect("the server starts");
    let kubeconfig = running.kubeconfig();
    let client = wire::Client::new(&kubeconfig);
    let server = Arc::new(Server { kubeconfig, client, runtime });
    let lists = Lists { not_yet: listed("not-yet.txt"), again: listed("again.txt") };
    let mut trials = Vec::new();
    let kubectl = kubectl::is_there();
    for folder in cases("apiserver", "case.json") {
        let server = Arc::clone(&server);
        let play = move |folder: &Path| transcript::play(&server, folder);
        trials.push(trial("apiserver", folder, &lists, play));
    }
    for folder in cases("apiserver-kubectl", "cmd.txt") {
        let server = Arc::clone(&server);
        let play = move |folder: &Path| kubectl::play(&server, folder);
        trials.push(trial("apiserver-kubectl", folder, &lists, play).with_ignored_flag(!kubectl));
    }
    for input in entries("data/defaults", |path| path.to_string_lossy().ends_with(".in.yaml")) {
        let server = Arc::clone(&server);
        trials.push(trial("defaults", input, &lists, move |input| defaults::play(&server, input)));
    }
    if !kubectl {
        let text = "kubectl is not on PATH: the sessions of golden/apiserver-kubectl are left out";
        trials.push(Trial::test("kubectl", move || Err(Failed::from(text))));
    }
    let known: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    for (file, list) in [("not-yet.txt", &lists.not_yet), ("again.txt", &lists.again)] {
        for name in list.keys().filter(|name| !known.contains(name)) {
            let text = format!("{file} lists `{name}`, which is no case");
            trials.push(Trial::test(file, move || Err(Failed::from(text))));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(
    area: &str,
    path: PathBuf,
    lists: &Lists,
    play: impl Fn(&Path) -> Result<(), String> + Send + 'static,
) -> Trial {
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = format!("{area}/{}", file.trim_end_matches(".in.yaml"));
    let reason = lists.not_yet.get(&name).cloned();
    let tries = if lists.again.contains_key(&name) { TRIES } else { 0 };
    Trial::test(name, move || match (in_turn(|| play(&path), tries), reason) {
        (Ok(()), Some(_)) => Err("passes: take it out of not-yet.txt".into()),
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Err(why), None) => Err(why.into()),
    })
}

/// Plays a case beside others, once; those that `again.txt` lists are played alone and again when they differ.
fn in_turn(play: impl Fn() -> Result<(), String>, tries: usize) -> Result<(), String> {
    static TURN: RwLock<()> = RwLock::new(());
    let beside_others = {
        let _shared = TURN.read();
        play()
    };
    if beside_others.is_ok() || tries == 0 {
        return beside_others;
    }
    let _alone = TURN.write();
    (0..tries).fold(beside_others, |outcome, _| outcome.or_else(|_| play()))
}

fn cases(area: &str, marker: &str) -> Vec<PathBuf> {
    entries(area, |path| path.join(marker).is_file())
}

fn entries(folder: &str, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(folder);
    let entries = std::fs::read_dir(&root).expect("the golden folder is there");
    let mut out: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| wanted(path)).collect();
    out.sort();
    out
}

/// Cases that are treated otherwise, each with its reason.
struct Lists {
    /// They differ still.
    not_yet: BTreeMap<String, String>,
    /// What was recorded hangs on a clock.
    again: BTreeMap<String, String>,
}

fn listed(file: &str) -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let text = std::fs::read_to_string(path).expect("the list lies beside the walker");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, why)| (name.to_owned(), why.to_owned()))
        .collect()
}

const CASES_AT_ONCE: usize = 16;
/// How often a case is played again whose record hangs on a clock.
const TRIES: usize = 3;
