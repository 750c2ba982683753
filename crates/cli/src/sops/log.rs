//! Talk on standard error, in the manner of either presentation.

use jiff::{Timestamp, Zoned};

use crate::output;
use crate::sops::Presentation;

/// Says something that needs attention but stops nothing.
pub(super) fn warn(presentation: Presentation, message: &str) {
    match presentation {
        Presentation::Native => output::talk(&format!("warning: {message}")),
        Presentation::AsSops => output::talk(&line(COMMAND, "warning", message)),
    }
}

/// Says why something failed while the work goes on.
pub(super) fn error(presentation: Presentation, message: &str) {
    match presentation {
        Presentation::Native => output::talk(&format!("error: {message}")),
        Presentation::AsSops => output::talk(&line(COMMAND, "error", message)),
    }
}

/// Does the same with the reason apart from what failed.
pub(super) fn error_because(presentation: Presentation, message: &str, reason: &str) {
    match presentation {
        Presentation::Native => error(presentation, &format!("{}: {reason}", message.trim_end_matches('.'))),
        Presentation::AsSops => {
            output::talk(&format!("{} error={}", line(COMMAND, "error", message), quoted(reason)));
        }
    }
}

/// The warning of `sops` about a comment that was not encrypted, which shows it.
pub(super) fn warn_of_comment(comment: &str) {
    const FOUND: &str = "Found possibly unencrypted comment in file. This is to be expected if the file being \
                         decrypted was created with an older version of SOPS.";
    output::talk(&format!("{} comment={}", line("SOPS", "warning", FOUND), quoted(comment)));
}

/// The part of `sops` that speaks in most lines.
pub(super) const COMMAND: &str = "CMD";

/// A log line as a part of `sops` writes it when no terminal is there.
pub(super) fn line(part: &str, level: &str, message: &str) -> String {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("[{part}]\t time=\"{now}\" level={level} msg={}", quoted(message))
}

/// Says how far the work is.
pub(super) fn progress(presentation: Presentation, message: &str) {
    match presentation {
        Presentation::Native => output::talk(message),
        Presentation::AsSops => {
            output::talk(&format!("{} {message}", Zoned::now().strftime("%Y/%m/%d %H:%M:%S")));
        }
    }
}

/// In quotes, unless it is one plain word.
fn quoted(message: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._/@^+".contains(letter);
    if !message.is_empty() && message.chars().all(is_plain) {
        return message.to_owned();
    }
    let escaped =
        message.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    format!("\"{escaped}\"")
}
