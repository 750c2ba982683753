//! `keyservice`: answers key services' questions with this person's keys.
//!
//! Follows: `cmd/sops/subcommand/keyservice` of sops 3.13.2.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sealfast_keys::service::{Approve, Listener, Question};
use tokio::signal::unix::{SignalKind, signal};

use crate::output;
use crate::sops::call::{Call, Done};
use crate::sops::stop::Stop;
use crate::sops::{keyring, log};

const ADDRESS: &str = "127.0.0.1:5000";

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    let given = |flags: [&str; 2], usual| {
        let found = flags.map(|flag| call.text(flag)).into_iter().find(|text| !text.is_empty());
        found.unwrap_or(usual)
    };
    let (network, address) = (given(["network", "net"], "tcp"), given(["address", "addr"], ADDRESS));
    let approve = call.is_set("prompt").then(approve);
    keyring::block_on(keyring::Reach::Services, async {
        let listener = match network {
            "tcp" => Listener::tcp(address).await,
            "unix" => Listener::unix(Path::new(address)),
            other => {
                let stop = Stop::new(format!("listen {other}: unknown network {other}"));
                return Err(stop.hint("--network is tcp or unix"));
            }
        };
        let listener = listener.map_err(|wrong| Stop::new(wrong.to_string()))?;
        say(call, &format!("Listening on {network}://{address}"));
        let unreadable = |wrong: std::io::Error| Stop::new(format!("signals cannot be caught: {wrong}"));
        let mut ended = signal(SignalKind::terminate()).map_err(unreadable)?;
        tokio::select! {
            () = keyring::serve(listener, approve) => {}
            _ = tokio::signal::ctrl_c() => say(call, "Caught signal interrupt: shutting down."),
            _ = ended.recv() => say(call, "Caught signal terminated: shutting down."),
        }
        Ok(Done::Quietly)
    })
}

fn say(call: &Call, message: &str) {
    if call.is_native() {
        output::talk(message);
    } else {
        output::talk(&log::line(log::COMMAND, "info", message));
    }
}

/// Asks on the terminal, one question after the other.
fn approve() -> Approve {
    let turn = Mutex::new(());
    Arc::new(move |question: &Question| {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        ask(question).unwrap_or(false)
    })
}

fn ask(question: &Question) -> std::io::Result<bool> {
    let Question { action, key } = question;
    loop {
        let mut out = std::io::stdout().lock();
        write!(out, "\nReceived {action} request using {key}. Respond to request? (y/n): ")?;
        out.flush()?;
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line)?;
        match line.trim() {
            "y" => return Ok(true),
            "n" => return Ok(false),
            _ if read == 0 => return Ok(false),
            _ => {}
        }
    }
}
