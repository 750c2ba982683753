//! MACs: each encrypted file that a build read is checked as it was committed.
//!
//! Values authenticate themselves, so a MAC is about what stands in the clear beside them and about what was left out. What of
//! it cannot be checked counts as if it did not fit.

use std::collections::BTreeSet;

use sealfast_sops::document::{self, Encrypted, MacCheck, State};
use sealfast_sops::error::Error as SopsError;
use sealfast_sops::store::Format;
use serde_json::Value;

use crate::kustomization::decrypt::{LARGEST, format_of, holds, is_disabled, resource_name};
use crate::kustomization::opener::{Opener, Refused, unopened};
use crate::kustomization::report::{Failure, Reason};
use crate::kustomization::view::View;
use crate::options::SopsMac;

/// What is known of the MACs of one build.
pub struct Macs {
    rule: SopsMac,
    /// Files that were checked when they were opened.
    done: BTreeSet<String>,
    /// MACs that fit.
    fit: BTreeSet<String>,
    /// MACs that were told about.
    told: BTreeSet<String>,
    /// What was wrong, where that is no failure.
    pub warnings: Vec<String>,
}

/// What a file is.
enum Found {
    Clear,
    Encrypted(Box<Encrypted>),
    /// It has the marks of an encrypted one.
    Unreadable(String),
}

impl Macs {
    /// Nothing is known yet.
    pub fn under(rule: SopsMac) -> Macs {
        let (done, fit, told) = <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
        Macs { rule, done, fit, told, warnings: Vec::new() }
    }

    /// Whether what is opened is checked on the way.
    pub fn check(&self) -> MacCheck {
        match self.rule {
            SopsMac::Enforce | SopsMac::Warn => MacCheck::Verify,
            SopsMac::Ignore => MacCheck::Skip,
        }
    }

    /// Notes a file that was opened before the build.
    ///
    /// # Errors
    /// BuildFailed when its MAC has to fit and does not.
    pub fn opened(
        &mut self,
        file: &str,
        place: &str,
        mac: String,
        wrong: Option<Refused>,
    ) -> Result<(), Failure> {
        self.done.insert(file.to_owned());
        self.note(mac, wrong.map(|refused| of_file(place, refused)))
    }

    /// Notes an encrypted file in the data of a Secret.
    ///
    /// # Errors
    /// BuildFailed when its MAC has to fit and does not.
    pub fn field(
        &mut self,
        secret: &Value,
        key: &str,
        mac: String,
        wrong: Option<Refused>,
    ) -> Result<(), Failure> {
        let name = resource_name(secret);
        let told = |refused: Refused| Refused {
            message: format!("failed to decrypt '{name}' Secret field '{key}': {}", refused.message),
            ..refused
        };
        self.note(mac, wrong.map(told))
    }

    /// Checks all files that the build read and that were not checked before. `built` is what it made of them.
    ///
    /// # Errors
    /// BuildFailed when a MAC has to fit and does not, or cannot be checked.
    pub async fn files(&mut self, view: &View, opener: &mut Opener, built: &[Value]) -> Result<(), Failure> {
        if self.rule == SopsMac::Ignore {
            return Ok(());
        }
        let left: BTreeSet<&str> = built.iter().filter(|object| is_disabled(object)).map(mac_of).collect();
        for file in view.files_read() {
            if self.done.contains(&file) {
                continue;
            }
            let Some(content) = view.committed(&file) else { continue };
            let place = view.relative(&file);
            let encrypted = match look(&content, &file) {
                Found::Clear => continue,
                Found::Unreadable(why) => {
                    self.wrong(unchecked(&format!("file '{place}'"), &why))?;
                    continue;
                }
                Found::Encrypted(encrypted) => encrypted,
            };
            let mac = encrypted.metadata().mac.clone();
            match opener.key(encrypted.metadata()).await {
                Ok(key) => {
                    let wrong = encrypted.decrypt(&key, MacCheck::Verify).err();
                    self.note(mac, wrong.map(|error| of_file(place, unopened(&error))))?;
                }
                // Of what is meant for others nothing is opened.
                Err(_) if left.contains(mac.as_str()) => {}
                Err(refused) => {
                    let told = unchecked(&format!("file '{place}'"), &refused.message);
                    self.wrong(Refused { hint: format!("`{place}`: {}", refused.hint), ..told })?;
                }
            }
        }
        Ok(())
    }

    /// Asks whether a file was checked that an encrypted object came from.
    ///
    /// # Errors
    /// BuildFailed when there is none and has to be one.
    pub fn object(&mut self, built: &Value) -> Result<(), Failure> {
        let mac = mac_of(built);
        if self.rule == SopsMac::Ignore || self.fit.contains(mac) || self.told.contains(mac) {
            return Ok(());
        }
        self.told.insert(mac.to_owned());
        self.wrong(unchecked(&format!("'{}'", resource_name(built)), "no file that the build read has it"))
    }

    fn note(&mut self, mac: String, wrong: Option<Refused>) -> Result<(), Failure> {
        match wrong {
            None => {
                self.fit.insert(mac);
                Ok(())
            }
            Some(refused) if self.told.insert(mac) => self.wrong(refused),
            Some(_) => Ok(()),
        }
    }

    fn wrong(&mut self, refused: Refused) -> Result<(), Failure> {
        match self.rule {
            SopsMac::Ignore => {}
            SopsMac::Warn => self.warnings.push(refused.message),
            SopsMac::Enforce => {
                return Err(Failure::new(Reason::BuildFailed, refused.message).hint(refused.hint));
            }
        }
        Ok(())
    }
}

fn mac_of(object: &Value) -> &str {
    object["sops"]["mac"].as_str().unwrap_or_default()
}

fn of_file(place: &str, refused: Refused) -> Refused {
    Refused {
        message: format!("failed to decrypt file '{place}': {}", refused.message),
        hint: format!("`{place}`: {}", refused.hint),
    }
}

/// The first line of a reason is enough: the others list keys and places.
fn unchecked(what: &str, why: &str) -> Refused {
    let why = why.lines().next().unwrap_or_default();
    Refused {
        message: format!("cannot check the MAC of {what}: {why}"),
        hint: format!("encrypt {what} again, with a key that is at hand here, or leave it out of the build"),
    }
}

/// Looks at a file, however its metadata are spelt.
fn look(content: &[u8], file: &str) -> Found {
    if !may_hold_metadata(content) {
        return Found::Clear;
    }
    if content.len() > LARGEST {
        return match holds(content, b"ENC[") {
            true => Found::Unreadable(format!("it has more than {LARGEST} bytes")),
            false => Found::Clear,
        };
    }
    // A build reads YAML whatever the name is, and variables too.
    let own = format_of(file);
    let others = [Format::Yaml, Format::Dotenv].into_iter().filter(|format| *format != own);
    let mut unreadable = None;
    for format in std::iter::once(own).chain(others) {
        match Encrypted::load(content, format) {
            Ok(encrypted) => return Found::Encrypted(Box::new(encrypted)),
            Err(SopsError::NoMetadata) => {}
            Err(_) => {
                if let State::Damaged(error) = document::state(content, format) {
                    unreadable.get_or_insert_with(|| error.to_string());
                }
            }
        }
    }
    unreadable.map_or(Found::Clear, Found::Unreadable)
}

/// Whether metadata may stand in a text: their name does, or it may be written otherwise (by escapes, in UTF-16).
fn may_hold_metadata(content: &[u8]) -> bool {
    holds(content, b"sops") || content.contains(&b'\\') || content.contains(&0)
}
