//! A future that wakes itself while it is polled is polled again at once.
//!
//! An HTTP/1.1 connection wakes itself whenever a request's body is asked for, for the reader of the socket and the
//! one who answers are parts of one task. The runtime would put the task at the end of its queue and wake another
//! thread that might take it: two switches for each write, which cost more than many a write itself.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// Polls `future`, and again while it wakes itself.
pub(super) fn again<F: Future + Unpin>(future: F) -> impl Future<Output = F::Output> {
    let turn = Arc::new(Turn { state: AtomicU8::new(RESTS), task: AtomicWaker::new() });
    Again { future, waker: Waker::from(Arc::clone(&turn)), turn }
}

struct Again<F> {
    future: F,
    waker: Waker,
    turn: Arc<Turn>,
}

/// Whether the future is being polled, and who is woken when it is not.
struct Turn {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Written in any case, so that the next poll sees what was done before the wake.
        let woken = |state| Some(if state == RESTS { RESTS } else { WOKEN });
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, woken) == Ok(RESTS) {
            self.task.wake();
        }
    }
}

impl<F: Future + Unpin> Future for Again<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.turn.task.register(context.waker());
        for _ in 0..MOST {
            this.turn.state.store(POLLED, Ordering::Release);
            let polled = Pin::new(&mut this.future).poll(&mut Context::from_waker(&this.waker));
            // Who wakes it from here on wakes the task.
            let was = this.turn.state.swap(RESTS, Ordering::AcqRel);
            if polled.is_ready() || was == POLLED {
                return polled;
            }
        }
        // Others have their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

const RESTS: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;
/// Polls until others have their turn.
const MOST: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Wakes itself so often before it is ready; counts its polls.
    struct Restless<'a> {
        wakes: usize,
        polls: &'a AtomicUsize,
    }

    impl Future for Restless<'_> {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            self.polls.fetch_add(1, Ordering::Relaxed);
            if self.wakes > 0 {
                self.wakes -= 1;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        }
    }

    #[test]
    fn it_goes_on_at_once_for_a_while() {
        let task = Waker::noop();
        let polls = AtomicUsize::new(0);
        let mut few = std::pin::pin!(again(Restless { wakes: MOST - 1, polls: &polls }));
        assert!(few.as_mut().poll(&mut Context::from_waker(task)).is_ready(), "one turn is enough");
        assert_eq!(polls.swap(0, Ordering::Relaxed), MOST);
        let mut many = std::pin::pin!(again(Restless { wakes: MOST, polls: &polls }));
        assert!(many.as_mut().poll(&mut Context::from_waker(task)).is_pending(), "others have their turn");
        assert_eq!(polls.load(Ordering::Relaxed), MOST);
        assert!(many.as_mut().poll(&mut Context::from_waker(task)).is_ready());
    }

    #[tokio::test]
    async fn whoever_wakes_it_while_it_rests_wakes_the_task() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn(again(receiver));
        tokio::task::yield_now().await;
        sender.send("told").expect("somebody waits");
        let told = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await;
        assert_eq!(told.expect("in time").expect("no panic"), Ok("told"));
    }
}
