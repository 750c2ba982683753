//! Where a master key is used: in this process or by a remote key service.

use sealfast_sops::master_key::MasterKey;
use sealfast_sops::time::Time;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keyring::{Keyring, Own};
use crate::local::{self, Wrapped};
use crate::service::Service;

/// A place in which a master key may be used.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// This process.
    Here,
    /// A key service.
    There(&'a Service),
    /// Nowhere, which is an answer too.
    Nowhere,
}

/// Returns the places that the keyring knows, in order.
pub(crate) fn places(keyring: &Keyring) -> impl Iterator<Item = Place<'_>> {
    let here = (keyring.own == Own::Used).then_some(Place::Here);
    let nowhere = (here.is_none() && keyring.services.is_empty()).then_some(Place::Nowhere);
    here.into_iter().chain(keyring.services.iter().map(Place::There)).chain(nowhere)
}

impl Place<'_> {
    /// Tells whether nothing beyond this machine is asked.
    pub(crate) fn is_at_hand(self, key: &MasterKey) -> bool {
        match self {
            Self::Here => local::is_at_hand(key),
            Self::There(_) => false,
            Self::Nowhere => true,
        }
    }

    /// Opens a wrapped data key or share, once a run.
    pub(crate) async fn open(self, key: &MasterKey, keyring: &Keyring) -> Result<Zeroizing<Vec<u8>>, Error> {
        let open = async {
            let _place = keyring.run.call().await;
            match self {
                Self::Here => local::open(key, keyring).await,
                Self::There(service) => service.unwrap(key).await,
                Self::Nowhere => Err(Error::NoService),
            }
        };
        keyring.run.cache.opened(key, open).await
    }

    /// Wraps a data key or share.
    pub(crate) async fn wrap(
        self,
        key: &MasterKey,
        secret: &[u8],
        keyring: &Keyring,
        now: Time,
    ) -> Result<Wrapped, Error> {
        let _place = keyring.run.call().await;
        match self {
            Self::Here => local::wrap(key, secret, keyring, now).await,
            Self::There(service) => match key {
                MasterKey::AzureKv { version, .. } if version.is_empty() => {
                    let reason =
                        "it does not tell which version of the key it used, so the key must name one";
                    Err(Error::Service { address: service.to_string(), reason: reason.to_owned() })
                }
                key => service.wrap(key, secret).await.map(Wrapped::from),
            },
            Self::Nowhere => Err(Error::NoService),
        }
    }
}
