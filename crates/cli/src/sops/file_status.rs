//! `filestatus`: is a file encrypted?

use std::path::Path;

use sealfast_sops::document::Encrypted;
use sealfast_sops::error::Error;

use crate::sops::call::{Call, Done};
use crate::sops::settings::Settings;
use crate::sops::stop::Stop;
use crate::sops::{batch, files};

pub(super) fn run(call: &Call) -> Result<Done, Stop> {
    if let Some(done) = batch::run(call, batch::Work::Status)? {
        return Ok(done);
    }
    let Some(file) = call.words().first() else { return Err(Stop::no_file()) };
    Settings::check(call)?;
    let bytes = files::read(Path::new(file)).map_err(|stop| unknown(call, stop))?;
    let is_encrypted = match Encrypted::load(&bytes, call.format("input-type", file)) {
        Ok(document) => !document.metadata().version.is_empty() && !document.metadata().mac.is_empty(),
        Err(Error::NoMetadata) => false,
        Err(wrong) => return Err(unknown(call, Stop::loading(&wrong).in_file(file))),
    };
    Ok(Done::Print(format!("{{\"encrypted\":{is_encrypted}}}\n").into_bytes()))
}

fn unknown(call: &Call, stop: Stop) -> Stop {
    if call.is_native() {
        return stop;
    }
    let reason = stop.message(call.presentation);
    Stop::fatal(format!("cannot check file status: cannot load encrypted file: {reason}"))
}
