//! The token that a cluster of a cloud is shown, got anew before it ends.
//!
//! A token may end long before the wait for what was applied does, and a cache that is full, or none, must not make each
//! request ask for one.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sealfast_cluster::client::Tokens;
use secrecy::SecretString;
use tokio::time::Instant;

use super::cache::{KEPT, Lent};
use super::clusters::Wanted;
use super::{Error, Identities, Who};

/// A token is shown for so long at most, whatever its own time is: meanwhile its account may have changed.
const SHOWN_FOR: Duration = Duration::from_secs(60);

/// What one connection shows.
pub struct Shown {
    identities: Arc<Identities>,
    who: Who,
    wanted: Wanted,
    renewed: Renewed,
}

/// A token, until when it is shown, and when it ends.
struct Last {
    token: SecretString,
    until: Instant,
    ends: Instant,
}

impl Last {
    fn of(lent: Lent, who: &Who) -> Result<Last, Error> {
        let (now, lasts) = (Instant::now(), lent.lasts);
        let until = now + lasts.mul_f64(KEPT).min(SHOWN_FOR);
        Ok(Last { token: lent.text(who)?, until, ends: now + lasts })
    }
}

/// The last token, which one at a time gets anew. Meanwhile the others show it as long as it holds.
struct Renewed {
    last: Mutex<Last>,
    renewal: tokio::sync::Mutex<()>,
}

impl Renewed {
    fn of(lent: Lent, who: &Who) -> Result<Renewed, Error> {
        Ok(Renewed { last: Mutex::new(Last::of(lent, who)?), renewal: tokio::sync::Mutex::default() })
    }

    /// The token, unless this time of it is over.
    fn before(&self, end: impl FnOnce(&Last) -> Instant) -> Option<SecretString> {
        let last = self.last.lock();
        (Instant::now() < end(&last)).then(|| last.token.clone())
    }

    /// The token, from whoever makes one when its time is over. One that could not be got anew is shown until it ends,
    /// unless that is because its account is another one now.
    async fn get(
        &self,
        who: &Who,
        make: impl Future<Output = Result<Lent, Error>>,
    ) -> Result<SecretString, Error> {
        if let Some(token) = self.before(|last| last.until) {
            return Ok(token);
        }
        let _renewal = match (self.renewal.try_lock(), self.before(|last| last.ends)) {
            (Ok(renewal), _) => renewal,
            (Err(_), Some(token)) => return Ok(token),
            (Err(_), None) => self.renewal.lock().await,
        };
        if let Some(token) = self.before(|last| last.until) {
            return Ok(token);
        }
        match make.await.and_then(|lent| Last::of(lent, who)) {
            Ok(last) => {
                let token = last.token.clone();
                *self.last.lock() = last;
                Ok(token)
            }
            Err(error) if error.is_of_account() => Err(error),
            Err(error) => self.before(|last| last.ends).ok_or(error),
        }
    }
}

impl Shown {
    /// Gets the first one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn new(identities: &Arc<Identities>, who: &Who, wanted: &Wanted) -> Result<Shown, Error> {
        let renewed = Renewed::of(identities.cluster_token(who, wanted).await?, who)?;
        Ok(Shown { identities: Arc::clone(identities), who: who.clone(), wanted: wanted.clone(), renewed })
    }

    /// What a connection asks for each of its requests.
    pub fn tokens(self) -> Tokens {
        let shown = Arc::new(self);
        Arc::new(move || {
            let shown = Arc::clone(&shown);
            Box::pin(async move {
                let make = shown.identities.cluster_token(&shown.who, &shown.wanted);
                shown.renewed.get(&shown.who, make).await.map_err(|error| error.chain())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::identity::cache::Token;

    fn lent(text: &str, seconds: u64) -> Lent {
        Lent { token: Token::Text(text.to_owned().into()), lasts: Duration::from_secs(seconds) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_shown_for_a_while_and_never_beyond_its_end() -> Result<(), Error> {
        let who = Who {
            kind: "Kustomization",
            namespace: "ns".into(),
            name: "app".into(),
            account: None,
            proxy: None,
        };
        let renewed = Renewed::of(lent("1", 3600), &who)?;
        for (after, new, seconds, wanted) in [
            (59, "2", 3600, "1"),
            (2, "3", 10, "3"),
            (7, "4", 10, "3"),
            (2, "5", 0, "5"),
            (0, "6", 3600, "6"),
        ] {
            tokio::time::advance(Duration::from_secs(after)).await;
            let got = renewed.get(&who, async { Ok(lent(new, seconds)) }).await?;
            assert_eq!(got.expose_secret(), wanted, "{after} seconds later");
        }
        let refused = || async { Err(who.refused("no".to_owned())) };
        tokio::time::advance(Duration::from_secs(61)).await;
        // While one gets another, or cannot, the last one holds; but not when its account is another one.
        {
            let mut slow = std::pin::pin!(renewed.get(&who, std::future::pending()));
            assert!(futures::poll!(&mut slow).is_pending());
            assert_eq!(renewed.get(&who, std::future::pending()).await?.expose_secret(), "6");
        }
        assert_eq!(renewed.get(&who, refused()).await?.expose_secret(), "6");
        assert!(renewed.get(&who, async { Err(Error::Gate) }).await.is_err());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(renewed.get(&who, refused()).await.is_err());
        Ok(())
    }
}
