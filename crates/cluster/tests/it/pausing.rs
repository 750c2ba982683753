//! Servers that are busy, slow or silent, and how long they are believed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sealfast_cluster::client::Fence;
use sealfast_cluster::error::Error;
use serde_json::json;

use crate::house::{config_map, core};
use crate::scripted::{Said, Scripted};

fn maps() -> Said {
    Said::kinds(&[("ConfigMap", "configmaps")])
}

#[tokio::test]
async fn a_server_that_does_not_say_when_is_not_asked_again() -> Result<()> {
    for code in [429, 503, 504] {
        let server = Scripted::start(move |asked| match asked {
            "GET /api/v1" => maps(),
            _ => Said::refused(code, "ServiceUnavailable"),
        })
        .await?;
        let refused = server.client.create(&config_map("a", json!({})), "test").await;
        ensure!(
            refused.as_ref().is_err_and(|error| error.is_transient() && error.chain() == "out of order"),
            "{refused:?}"
        );
        ensure!(server.asked().len() == 2, "{:?}", server.asked());
    }
    Ok(())
}

#[tokio::test]
async fn a_busy_server_is_asked_so_often_and_then_believed() -> Result<()> {
    let server = Scripted::start(|asked| match asked {
        "GET /api/v1" => maps(),
        _ => Said::refused(503, "ServiceUnavailable").with("retry-after: 0\r\n"),
    })
    .await?;
    let refused = server.client.get(&core("ConfigMap"), "default", "a").await;
    ensure!(refused.is_err_and(|error| error.chain() == "out of order"));
    ensure!(server.asked().len() == 1 + 6, "{:?}", server.asked());
    Ok(())
}

#[tokio::test]
async fn what_waits_for_a_busy_server_is_not_sent_behind_a_fence() -> Result<()> {
    let server = Scripted::start(|asked| match asked {
        "GET /api/v1" => maps(),
        _ => Said::refused(429, "TooManyRequests").with("retry-after: 1\r\n"),
    })
    .await?;
    server.client.resource(&core("ConfigMap")).await?;
    let fence = Fence::at(Instant::now() + Duration::from_millis(700));
    let fenced = server.client.fenced([Arc::new(fence)]);
    let refused = fenced.create(&config_map("a", json!({})), "test").await;
    ensure!(matches!(refused, Err(Error::Fenced)), "{refused:?}");
    ensure!(server.asked().len() == 2, "{:?}", server.asked());
    Ok(())
}
