//! How somebody who does not answer is asked again.

use std::time::Duration;

/// How an attempt ended.
pub(super) enum Attempt {
    /// There is nothing more to do, well or not.
    Over,
    /// It may do better, after the next pause, or after this one when it was asked for.
    Again(Option<Duration>),
}

/// Attempts something until it is over or there are no more pauses; says whether it is over. Nobody waits behind the last
/// attempt.
pub(super) async fn persist<F: Future<Output = Attempt>>(
    pauses: &[Duration],
    mut attempt: impl FnMut() -> F,
) -> bool {
    let mut pauses = pauses.iter();
    loop {
        let Attempt::Again(asked) = attempt().await else { return true };
        let Some(pause) = pauses.next() else { return false };
        tokio::time::sleep(asked.unwrap_or(*pause)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_behind_the_last_attempt() {
        let (began, count) = (Instant::now(), Cell::new(0));
        let attempt = || async {
            count.set(count.get() + 1);
            Attempt::Again(None)
        };
        assert!(!persist(&PAUSES, attempt).await);
        assert_eq!((count.get(), began.elapsed().as_secs()), (3, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_when_to_come_is_asked_then() {
        let (began, count) = (Instant::now(), Cell::new(0));
        let attempt = || async {
            count.set(count.get() + 1);
            if count.get() == 2 { Attempt::Over } else { Attempt::Again(Some(Duration::from_secs(9))) }
        };
        assert!(persist(&PAUSES, attempt).await);
        assert_eq!((count.get(), began.elapsed().as_secs()), (2, 9));
    }
}
