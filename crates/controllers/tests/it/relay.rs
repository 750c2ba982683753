//! A relay before the server of a house, and a client that speaks through it.

use std::ops::Deref;

use anyhow::{Context as _, Result};
use sealfast_cluster::client::Client;
use sealfast_testkit::relay;

pub(crate) use sealfast_testkit::relay::Trouble;

pub(crate) struct Relay {
    pub(crate) client: Client,
    inner: relay::Relay,
}

impl Relay {
    /// A relay before the server of a kubeconfig.
    pub(crate) async fn start(kubeconfig: &str) -> Result<Relay> {
        let config = sealfast_yaml::json::from_yaml(kubeconfig.as_bytes())?;
        let text = |pointer: &str| config.pointer(pointer).and_then(|v| v.as_str()).map(str::to_owned);
        let server = text("/clusters/0/cluster/server").context("a server")?;
        let token = text("/users/0/user/token").context("a token")?;
        let inner = relay::Relay::start(&server, &token)?;
        let client = Client::from_url(&inner.url(), Some(&token.into()), None).await?;
        Ok(Relay { client, inner })
    }
}

impl Deref for Relay {
    type Target = relay::Relay;

    fn deref(&self) -> &relay::Relay {
        &self.inner
    }
}
