//! Data keys and shares that this run has opened already.
//!
//! Whoever asks for one that is being opened waits for it instead of asking again. What was opened is wiped when it is
//! forgotten, at the latest with the keyring.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sealfast_sops::master_key::MasterKey;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::error::Error;

/// The oldest is forgotten when there are more.
const MOST: usize = 4096;

type Part = Zeroizing<Vec<u8>>;
type Name = [u8; 32];

/// Opened data keys and shares by the master key and the wrapped text.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    by_name: HashMap<Name, Arc<OnceCell<Part>>>,
    order: VecDeque<Name>,
}

impl Cache {
    /// Returns what a wrapped text holds; `open` runs unless it is known. A failure is not kept.
    pub(crate) async fn opened(
        &self,
        key: &MasterKey,
        open: impl Future<Output = Result<Part, Error>>,
    ) -> Result<Part, Error> {
        let cell = self.cell(key.fingerprint());
        cell.get_or_try_init(|| open).await.cloned()
    }

    fn cell(&self, name: Name) -> Arc<OnceCell<Part>> {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = parts.by_name.get(&name) {
            return Arc::clone(cell);
        }
        if parts.order.len() == MOST
            && let Some(oldest) = parts.order.pop_front()
        {
            parts.by_name.remove(&oldest);
        }
        parts.order.push_back(name);
        Arc::clone(parts.by_name.entry(name).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sealfast_sops::master_key::MasterKey;
    use zeroize::Zeroizing;

    use super::{Cache, MOST};
    use crate::error::Error;

    fn key(enc: usize) -> MasterKey {
        MasterKey::Age { recipient: "age1".to_owned(), enc: enc.to_string() }
    }

    #[tokio::test]
    async fn a_text_is_opened_once_and_failures_are_tried_again() {
        let (cache, calls) = (Cache::default(), AtomicUsize::new(0));
        let open = |works: bool| {
            let calls = &calls;
            async move {
                calls.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                if works { Ok(Zeroizing::new(vec![7])) } else { Err(Error::NoService) }
            }
        };
        assert!(cache.opened(&key(1), open(false)).await.is_err());
        let many = (0..10).map(|_| async { cache.opened(&key(1), open(true)).await });
        for found in futures::future::join_all(many).await {
            assert_eq!(found.map(|part| part.to_vec()).unwrap_or_default(), [7]);
        }
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn the_oldest_is_forgotten() {
        let cache = Cache::default();
        for enc in 0..MOST + 10 {
            assert!(cache.opened(&key(enc), async { Ok(Zeroizing::new(vec![1])) }).await.is_ok());
        }
        let parts = cache.0.lock().map(|parts| (parts.by_name.len(), parts.order.len()));
        assert_eq!(parts.unwrap_or_default(), (MOST, MOST));
        assert!(cache.opened(&key(0), async { Err(Error::NoService) }).await.is_err());
        assert!(cache.opened(&key(MOST + 9), async { Err(Error::NoService) }).await.is_ok());
    }
}
