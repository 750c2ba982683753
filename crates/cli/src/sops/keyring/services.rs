//! The remote key services that a call names.

use sealfast_keys::keyring::{Keyring, Own};
use sealfast_keys::service::Service;

use crate::sops::call::Call;
use crate::sops::flags::truth;
use crate::sops::stop::Stop;

/// Where keys are used.
pub(super) struct Services {
    services: Vec<Service>,
    own: Own,
}

impl Services {
    /// Reads `--keyservice` and `--enable-local-keyservice`.
    pub(super) fn of(call: &Call) -> Result<Self, Stop> {
        let parse = |address: &String| {
            Service::parse(address).map_err(|wrong| {
                Stop::new(wrong.to_string()).hint("write it as tcp://host:port or unix:///path")
            })
        };
        let services = call.list("keyservice").iter().map(parse).collect::<Result<_, _>>()?;
        let is_off = truth(call.text("enable-local-keyservice")) == Some(false);
        Ok(Self { services, own: if is_off { Own::Unused } else { Own::Used } })
    }

    /// Tells whether only this process is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    pub(super) fn add_to(&self, keyring: Keyring) -> Keyring {
        keyring.with_services(self.services.clone(), self.own)
    }
}
