//! Recorded cases of golden/controllers against server and controllers.
//!
//! Every case gets a namespace, cluster-wide names and repositories of its own, so that they run side by side.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod case;
mod cluster;
mod compare;
mod gitserve;
mod repo;
mod snapshot;
mod words;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::Arguments;
use sealfast_testkit::golden::Walk;

/// Cases that need a cluster in which no workload becomes ready.
const NEVER_READY: [&str; 1] = ["health-timeout"];
/// Most of a case is waiting, so more of them run at a time than there are processors.
const AT_A_TIME: usize = 8;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_A_TIME));
    let houses: Arc<[OnceLock<cluster::House>; 2]> = Arc::default();
    let trials = Walk::area("controllers")
        .only(|case| case.has("steps.json"))
        .not_yet(include_str!("not-yet.txt"))
        .trials(move |folder| {
            let ready = !NEVER_READY.contains(&folder.name.as_str());
            let house = houses[usize::from(ready)]
                .get_or_init(|| cluster::House::start(ready).expect("server and controllers start"));
            case::play(house, &folder.dir)
        });
    libtest_mimic::run(&arguments, trials).exit_code()
}
