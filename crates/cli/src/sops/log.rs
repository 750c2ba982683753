//! Talk on standard error, in the manner of either presentation.

use jiff::{Timestamp, Zoned};

use crate::output;
use crate::sops::Presentation;

/// Says something that needs attention but stops nothing.
pub(super) fn warn(presentation: Presentation, message: &str) {
    match presentation {
        Presentation::Native => output::talk(&format!("warning: {message}")),
        Presentation::AsSops => output::talk(&line("warning", message)),
    }
}

/// Says why something failed while the work goes on.
pub(super) fn error(presentation: Presentation, message: &str) {
    match presentation {
        Presentation::Native => output::talk(&format!("error: {message}")),
        Presentation::AsSops => output::talk(&line("error", message)),
    }
}

/// A log line as `sops` writes it when no terminal is there.
pub(super) fn line(level: &str, message: &str) -> String {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("[CMD]\t time=\"{now}\" level={level} msg={}", quoted(message))
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

fn quoted(message: &str) -> String {
    let escaped =
        message.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    format!("\"{escaped}\"")
}
