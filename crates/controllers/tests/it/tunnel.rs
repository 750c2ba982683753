//! A tunnel to a server, whose connections can die without a word.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use sealfast_cluster::client::Client;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::house::House;

/// The tunnel, and a client on its near side; it ends on drop.
pub(crate) struct Tunnel {
    pub(crate) client: Client,
    dead: watch::Sender<u32>,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// A tunnel to the server of a house.
    pub(crate) async fn to(house: &House) -> Result<Tunnel> {
        let far = house.running.as_ref().context("the server runs")?.addr();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let near = listener.local_addr()?;
        let kubeconfig = house.kubeconfig.replace(&format!(":{}", far.port()), &format!(":{}", near.port()));
        let dead = watch::channel(0).0;
        let task = tokio::spawn(carry(listener, far, dead.clone()));
        Ok(Tunnel { client: Client::from_kubeconfig_text(&kubeconfig, None).await?, dead, task })
    }

    /// From now on nothing comes through the connections there are; new ones work.
    pub(crate) fn silence(&self) {
        self.dead.send_modify(|count| *count += 1);
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, far: SocketAddr, dead: watch::Sender<u32>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut dead = dead.subscribe();
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(far).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                // Held open, for as long as the test lasts.
                _ = dead.changed() => std::future::pending().await,
            }
        });
    }
}
