//! Workers: so many runs at a time, those that only wait not counted.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::metrics::{Controller, Metrics};
use crate::queue::{Key, Next, Queue};

/// How often a stopping crew looks whether a run has begun to wait.
const LOOK: Duration = Duration::from_millis(20);
/// A wait that is over before this holds its place.
const SHORT: Duration = Duration::from_millis(400);

/// The right of a run to work; clones are of the same run.
#[derive(Clone)]
pub struct Turn {
    turns: Arc<Semaphore>,
    permit: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    waits: Arc<AtomicBool>,
}

impl Turn {
    /// Whether this run has given its place away.
    pub fn is_away(&self) -> bool {
        self.permit.lock().is_none()
    }

    /// Waits for something without keeping others from working.
    pub async fn aside<T>(&self, wait: impl Future<Output = T>) -> T {
        let place = self.permit.lock().take();
        self.waits.store(true, Ordering::Relaxed);
        let had_place = place.map(drop).is_some();
        let done = wait.await;
        match had_place {
            true => self.back().await,
            false => self.waits.store(false, Ordering::Relaxed),
        }
        done
    }

    /// Does something that is up to another machine, without keeping others from working. Unlike a wait it is not given up
    /// when all are to stop.
    pub async fn elsewhere<T>(&self, work: impl Future<Output = T>) -> T {
        *self.permit.lock() = None;
        let done = work.await;
        self.back().await;
        done
    }

    /// The same, unless it is over in a moment.
    pub async fn patiently<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = std::pin::pin!(wait);
        match self.short(&mut wait).await {
            Some(done) => done,
            None => self.aside(wait).await,
        }
    }

    /// Gives something a moment; none when it takes longer.
    pub async fn short<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(SHORT, wait).await.ok()
    }

    /// Takes the place again, if a wait that was cut off has left it.
    pub async fn back(&self) {
        if self.permit.lock().is_some() {
            return;
        }
        // Never closed: the crew that owns it outlives its runs.
        let permit = Arc::clone(&self.turns).acquire_owned().await.ok();
        *self.permit.lock() = permit;
        self.waits.store(false, Ordering::Relaxed);
    }
}

/// Those who empty one queue.
pub struct Crew {
    /// What they work on.
    pub controller: Controller,
    /// Where keys come from.
    pub queue: Queue,
    /// How many runs at a time.
    pub count: usize,
    /// Tells them to stop.
    pub stop: CancellationToken,
    /// Counts the runs.
    pub metrics: Arc<Metrics>,
}

impl Crew {
    /// Works until told to stop, then until the runs in progress are over; those that only wait are given up. A run
    /// that panics counts as a failure. Dropping the future gives up all runs.
    pub async fn work<F, W>(self, work: F)
    where
        F: Fn(Key, Turn) -> W + Clone + Send + 'static,
        W: Future<Output = Next> + Send + 'static,
    {
        let turns = Arc::new(Semaphore::new(self.count.max(1)));
        self.metrics.follow(self.controller, &self.queue, self.count.max(1));
        let mut runs = JoinSet::new();
        loop {
            // Which key goes first is seen once there is a place for it. Nobody holds a place who has nothing to do:
            // those who come back from a wait need one.
            let next = async {
                loop {
                    self.queue.due().await;
                    let permit = Arc::clone(&turns).acquire_owned().await.ok();
                    if let Some(key) = self.queue.take() {
                        break (key, permit);
                    }
                }
            };
            let (key, permit) = tokio::select! {
                next = next => next,
                () = self.stop.cancelled() => break,
            };
            while runs.try_join_next().is_some() {}
            let permit = Arc::new(Mutex::new(permit));
            let turn = Turn { turns: Arc::clone(&turns), permit, waits: Arc::default() };
            // At every level of logging what a run says can be told from what others say.
            let span = tracing::error_span!("run", reconcileID = reconcile_id(rand08::random()));
            runs.spawn(self.run(key, turn, work.clone()).instrument(span));
        }
        while runs.join_next().await.is_some() {}
    }

    fn run<F, W>(&self, key: Key, turn: Turn, work: F) -> impl Future<Output = ()> + use<F, W>
    where
        F: Fn(Key, Turn) -> W + Send + 'static,
        W: Future<Output = Next> + Send + 'static,
    {
        let (controller, queue) = (self.controller, self.queue.clone());
        let (stop, metrics, waits) = (self.stop.clone(), Arc::clone(&self.metrics), Arc::clone(&turn.waits));
        // Work that never waits has no use for its turn, but holds a place all the same.
        let held = turn.clone();
        async move {
            let _held = held;
            let began = Instant::now();
            metrics.begun(controller);
            let next = tokio::select! {
                next = AssertUnwindSafe(work(key.clone(), turn)).catch_unwind() => next.ok(),
                () = only_waits(&stop, &waits) => return,
            };
            if next.is_none() {
                tracing::error!(controller = controller.name, object = %key, "a run stopped unexpectedly");
            }
            metrics.done(controller, &key, next, began.elapsed());
            if queue.done(&key, next.unwrap_or(Next::BackOff)) {
                metrics.forget(controller, &key);
            }
        }
    }
}

/// A UUID of random bytes (version 4).
fn reconcile_id(bytes: u128) -> String {
    let versioned =
        bytes & !(0xF000_u128 << 64) & !(0xC000_u128 << 48) | 0x4000_u128 << 64 | 0x8000_u128 << 48;
    let text = format!("{versioned:032x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// Returns once all are to stop and this run does nothing but wait.
async fn only_waits(stop: &CancellationToken, waits: &AtomicBool) {
    stop.cancelled().await;
    while !waits.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Priority;

    const SOMETHING: Controller = Controller { name: "something", kind: "Something" };

    fn crew(queue: &Queue, stop: &CancellationToken) -> Crew {
        let (queue, stop) = (queue.clone(), stop.clone());
        Crew { controller: SOMETHING, queue, count: 1, stop, metrics: Arc::default() }
    }

    fn key(name: &str) -> Key {
        Key { namespace: "ns".into(), name: name.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_runs_hold_no_worker_and_are_given_up() {
        let (queue, stop) = (Queue::default(), CancellationToken::new());
        let (done, mut names) = tokio::sync::mpsc::unbounded_channel();
        for name in ["waits", "works"] {
            queue.add(key(name), Priority::Ordinary);
        }
        let crew = tokio::spawn(crew(&queue, &stop).work(move |key, turn: Turn| {
            let done = done.clone();
            async move {
                if key.name == "waits" {
                    turn.aside(std::future::pending::<()>()).await;
                }
                // The test ends when nobody listens any more.
                let _ = done.send(key.name);
                Next::WhenAdded
            }
        }));
        assert_eq!(names.recv().await.as_deref(), Some("works"));
        stop.cancel();
        assert!(tokio::time::timeout(Duration::from_secs(5), crew).await.is_ok());
        assert_eq!(names.recv().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn work_elsewhere_holds_no_worker_and_is_finished() {
        let (queue, stop) = (Queue::default(), CancellationToken::new());
        let (done, mut names) = tokio::sync::mpsc::unbounded_channel();
        for name in ["elsewhere", "works"] {
            queue.add(key(name), Priority::Ordinary);
        }
        let crew = tokio::spawn(crew(&queue, &stop).work(move |key, turn: Turn| {
            let done = done.clone();
            async move {
                if key.name == "elsewhere" {
                    turn.elsewhere(tokio::time::sleep(Duration::from_secs(2))).await;
                }
                // The test ends when nobody listens any more.
                let _ = done.send(key.name);
                Next::WhenAdded
            }
        }));
        assert_eq!(names.recv().await.as_deref(), Some("works"));
        stop.cancel();
        assert_eq!(names.recv().await.as_deref(), Some("elsewhere"));
        assert!(tokio::time::timeout(Duration::from_secs(5), crew).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_elsewhere_takes_no_place_from_those_who_work_here() {
        let turns = Arc::new(Semaphore::new(1));
        let permit = Arc::new(Mutex::new(Arc::clone(&turns).try_acquire_owned().ok()));
        let turn = Turn { turns: Arc::clone(&turns), permit, waits: Arc::default() };
        let free = turn.elsewhere(async {
            turn.aside(tokio::time::sleep(SHORT)).await;
            turns.available_permits()
        });
        assert_eq!(
            (free.await, turns.available_permits(), turn.waits.load(Ordering::Relaxed)),
            (1, 0, false)
        );
        turn.aside(tokio::time::sleep(SHORT)).await;
        assert_eq!(turns.available_permits(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_finds_the_only_place() {
        let (queue, stop) = (Queue::default(), CancellationToken::new());
        let (done, mut names) = tokio::sync::mpsc::unbounded_channel();
        queue.add(key("waits"), Priority::Ordinary);
        let crew = tokio::spawn(crew(&queue, &stop).work(move |key, turn: Turn| {
            let done = done.clone();
            async move {
                turn.patiently(tokio::time::sleep(2 * SHORT)).await;
                turn.aside(tokio::time::sleep(SHORT)).await;
                // The test ends when nobody listens any more.
                let _ = done.send(key.name);
                Next::WhenAdded
            }
        }));
        let name = tokio::time::timeout(Duration::from_secs(60), names.recv()).await;
        assert_eq!(name.ok().flatten().as_deref(), Some("waits"));
        stop.cancel();
        assert!(tokio::time::timeout(Duration::from_secs(60), crew).await.is_ok_and(|crew| crew.is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_all_places_are_taken_may_go_first() {
        let (queue, stop) = (Queue::default(), CancellationToken::new());
        let (done, mut names) = tokio::sync::mpsc::unbounded_channel();
        queue.add(key("first"), Priority::Ordinary);
        let crew = tokio::spawn(crew(&queue, &stop).work(move |key, _| {
            let done = done.clone();
            async move {
                // The test ends when nobody listens any more.
                let _ = done.send(key.name);
                tokio::time::sleep(Duration::from_secs(2)).await;
                Next::WhenAdded
            }
        }));
        assert_eq!(names.recv().await.as_deref(), Some("first"));
        queue.add(key("low"), Priority::Low);
        tokio::time::sleep(Duration::from_secs(1)).await;
        queue.add(key("new"), Priority::Ordinary);
        let counts = queue.counts();
        assert_eq!((counts.waiting, counts.longest.as_secs()), (2, 1), "nobody runs without a place");
        assert_eq!(names.recv().await.as_deref(), Some("new"));
        assert_eq!(names.recv().await.as_deref(), Some("low"));
        stop.cancel();
        assert!(crew.await.is_ok());
    }

    #[test]
    fn ids_of_runs_are_uuids() {
        assert_eq!(reconcile_id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(reconcile_id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_failure() {
        let (queue, stop) = (Queue::default(), CancellationToken::new());
        let crew = crew(&queue, &stop);
        let metrics = Arc::clone(&crew.metrics);
        queue.add(key("a"), Priority::Ordinary);
        let work = tokio::spawn(crew.work(|_, _| async { panic!("on purpose") }));
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
        assert!(work.await.is_ok());
        assert_eq!(queue.counts().retried, 2);
        assert!(
            metrics
                .render()
                .contains("controller_runtime_reconcile_panics_total{controller=\"something\"} 2")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_run_of_an_object_leaves_no_series() {
        let (queue, stop) = (Queue::default(), CancellationToken::new());
        let crew = crew(&queue, &stop);
        let (metrics, forgotten) = (Arc::clone(&crew.metrics), queue.clone());
        for name in ["finished", "found-none", "stays"] {
            queue.add(key(name), Priority::Ordinary);
        }
        let work = tokio::spawn(crew.work(move |key, _| {
            let queue = forgotten.clone();
            async move {
                match key.name.as_str() {
                    "finished" => queue.forget(&key),
                    "found-none" => return Next::Gone,
                    _ => {}
                }
                Next::After(Duration::from_secs(60))
            }
        }));
        tokio::time::sleep(Duration::from_secs(90)).await;
        stop.cancel();
        assert!(work.await.is_ok());
        let text = metrics.render();
        let counted: Vec<&str> = text.lines().filter(|line| line.contains("_seconds_count{kind")).collect();
        let stays =
            "gotk_reconcile_duration_seconds_count{kind=\"Something\",name=\"stays\",namespace=\"ns\"} 2";
        assert_eq!(counted, [stays]);
    }
}
