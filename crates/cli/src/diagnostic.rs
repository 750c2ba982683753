//! Every error -> message, causes, hints, exit code: the only renderer of errors.

use std::error::Error;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::output;

/// An error on its way to the person: what went wrong, why, what mends it, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    code: u8,
}

impl Failure {
    /// Returns a failure with exit code 1 and no causes.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hints: Vec::new(), code: 1 }
    }

    /// Returns a failure whose causes are the error and its sources.
    pub(crate) fn because(message: impl Into<String>, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(message);
        let mut cause = Some(error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat the source in their own text.
            if failure.causes.last().is_none_or(|last| !last.contains(&text)) {
                failure.causes.push(text);
            }
            cause = error.source();
        }
        failure
    }

    /// Puts what was being done in front; the message becomes a cause.
    #[must_use]
    pub(crate) fn within(mut self, message: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, inner);
        self
    }

    /// Changes every text, to cover what must not be shown.
    #[must_use]
    pub(crate) fn masked(mut self, mask: impl Fn(&str) -> String) -> Self {
        self.message = mask(&self.message);
        for text in self.causes.iter_mut().chain(&mut self.hints) {
            *text = mask(text);
        }
        self
    }

    /// Adds a cause.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Sets the exit code.
    #[must_use]
    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Prints the failure to standard error and returns its exit code.
    pub(crate) fn report(self) -> ExitCode {
        output::talk(&self.render());
        ExitCode::from(self.code)
    }

    /// Everything but the hints in one line, as Go wraps errors.
    pub(crate) fn line(&self) -> String {
        self.causes.iter().fold(self.message.clone(), |text, cause| format!("{text}: {cause}"))
    }

    fn render(&self) -> String {
        let error = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
        let hint = Style::new().fg_color(Some(AnsiColor::Cyan.into())).bold();
        let mut text = format!("{error}error:{error:#} {}", self.message);
        for cause in &self.causes {
            text.push_str(&format!("\n  because: {}", cause.replace('\n', "\n  ")));
        }
        if !self.hints.is_empty() {
            text.push('\n');
        }
        for line in &self.hints {
            text.push_str(&format!("\n{hint}hint:{hint:#} {line}"));
        }
        text
    }
}
