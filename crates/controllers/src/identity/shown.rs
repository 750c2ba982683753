//! The token that a cluster of a cloud is shown, got anew before it ends.
//!
//! A token may end long before the wait for what was applied does, and a cache that is full, or none, must not make each
//! request ask for one.

use std::sync::Arc;
use std::time::Duration;

use sealfast_cluster::client::Tokens;
use secrecy::SecretString;
use tokio::sync::Mutex;
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
    last: Mutex<Last>,
}

/// A token, and until when it is shown.
struct Last {
    token: SecretString,
    until: Instant,
}

impl Last {
    fn of(lent: Lent, who: &Who) -> Result<Last, Error> {
        let until = Instant::now() + lent.lasts.mul_f64(KEPT).min(SHOWN_FOR);
        Ok(Last { token: lent.text(who)?, until })
    }

    /// The token, from whoever makes one when its time is over.
    async fn get(
        &mut self,
        who: &Who,
        make: impl Future<Output = Result<Lent, Error>>,
    ) -> Result<SecretString, Error> {
        if self.until <= Instant::now() {
            *self = Last::of(make.await?, who)?;
        }
        Ok(self.token.clone())
    }
}

impl Shown {
    /// Gets the first one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn new(identities: &Arc<Identities>, who: &Who, wanted: &Wanted) -> Result<Shown, Error> {
        let last = Mutex::new(Last::of(identities.cluster_token(who, wanted).await?, who)?);
        Ok(Shown { identities: Arc::clone(identities), who: who.clone(), wanted: wanted.clone(), last })
    }

    /// What a connection asks for each of its requests.
    pub fn tokens(self) -> Tokens {
        let shown = Arc::new(self);
        Arc::new(move || {
            let shown = Arc::clone(&shown);
            Box::pin(async move {
                let make = shown.identities.cluster_token(&shown.who, &shown.wanted);
                shown.last.lock().await.get(&shown.who, make).await.map_err(|error| error.chain())
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
        let mut last = Last::of(lent("1", 3600), &who)?;
        for (after, new, seconds, wanted) in [
            (59, "2", 3600, "1"),
            (2, "3", 10, "3"),
            (7, "4", 10, "3"),
            (2, "5", 0, "5"),
            (0, "6", 3600, "6"),
        ] {
            tokio::time::advance(Duration::from_secs(after)).await;
            let got = last.get(&who, async { Ok(lent(new, seconds)) }).await?;
            assert_eq!(got.expose_secret(), wanted, "{after} seconds later");
        }
        let refused = async { Err(who.refused("no".to_owned())) };
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(last.get(&who, refused).await.is_err());
        Ok(())
    }
}
