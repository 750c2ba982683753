//! One call: which command, with which flags and words.

use std::process::ExitCode;

use sealfast_sops::document::SecretBytes;
use sealfast_sops::store::Format;

use crate::output;
use crate::sops::flags::{self, Given, truth};
use crate::sops::stop::Stop;
use crate::sops::table::{self, Command, TOP};
use crate::sops::{Presentation, help, legacy};

/// How a command ends when nothing went wrong.
pub(super) enum Done {
    /// Exit code 0.
    Quietly,
    /// These bytes on standard output, then 0.
    Print(Vec<u8>),
    /// The same with what may be plaintext.
    Hand(SecretBytes),
    /// The exit code of a program that was run.
    Code(u8),
    /// These bytes on standard output, then this exit code, unless they could not be written.
    Report(Vec<u8>, u8),
}

/// What a command does.
pub(super) type Run = fn(&Call) -> Result<Done, Stop>;

/// What a command line asks for.
enum Action {
    Run(Run),
    Help(&'static Command),
}

/// A command line that was read.
pub(super) struct Call {
    pub(super) presentation: Presentation,
    action: Action,
    own: Given,
    global: Given,
}

impl Call {
    /// Reads the command line of `sops`: global flags, then a command with its flags, or a file.
    pub(super) fn as_sops(mut args: Vec<String>) -> Result<Self, Stop> {
        if args.last().is_some_and(|arg| arg == help::COMPLETE) {
            args.pop();
            return Ok(Self::before_commands(help::complete, Given::of_words(args)));
        }
        let global =
            Given::leading(TOP, args).map_err(|stop| stop.with_help("Incorrect Usage.", &help::top()))?;
        if given(&global, "help") {
            return Ok(Self::before_commands(help::print_top, global));
        }
        if given(&global, "version") {
            return Ok(Self::before_commands(help::print_version, global));
        }
        match global.words.first().map(String::as_str).unwrap_or_default() {
            "help" | "h" => Ok(Self::before_commands(help::print_topic, global)),
            "completion" => Ok(Self::before_commands(help::print_completion, global)),
            verb => match table::command(verb) {
                Some(command) => Self::of_command(command, global),
                None => Ok(Self { own: global.clone(), ..Self::before_commands(legacy::run, global) }),
            },
        }
    }

    /// Reads what stands behind a command of `sops`.
    fn of_command(command: &'static Command, mut global: Given) -> Result<Self, Stop> {
        let presentation = Presentation::AsSops;
        let mut words = global.words.split_off(1);
        let mut action = None;
        if command.name == "groups" {
            match words.first().map(String::as_str).unwrap_or_default() {
                "add" | "delete" => action = Some(words.remove(0)),
                _ => return help::of_groups(&words).map(|run| Self::before_commands(run, global)),
            }
        }
        let flags = if action.as_deref() == Some("delete") { table::DELETE_GROUP } else { command.flags };
        let mut own = Given::leading(flags, flags::flags_first(flags, words))
            .map_err(|stop| stop.with_help("Incorrect Usage:", &help::as_sops(command)))?;
        own.words.splice(0..0, action);
        Ok(Self { presentation, action: action_of(command, &own), own, global })
    }

    /// Something that is done before any command is looked at.
    fn before_commands(run: Run, global: Given) -> Self {
        let presentation = Presentation::AsSops;
        Self { presentation, action: Action::Run(run), own: Given::default(), global }
    }

    /// Reads our own command line: a command, then flags and words in any order.
    pub(super) fn native(args: Vec<String>) -> Result<Self, Stop> {
        let mut args = args.into_iter();
        let verb = args.next().unwrap_or_default();
        let Some(command) = table::command(&verb) else {
            return Err(Stop::new(format!("the command `{verb}` is not part of this version")));
        };
        let flags: Vec<_> = command.flags.iter().chain(command.own).chain(table::COMMON).copied().collect();
        let own = Given::anywhere(&flags, args.collect())
            .map_err(|stop| stop.hint(format!("see `sealfast {verb} --help`")))?;
        Ok(Self {
            presentation: Presentation::Native,
            action: action_of(command, &own),
            own,
            global: Given::default(),
        })
    }

    pub(super) fn run(&self) -> Result<ExitCode, Stop> {
        let done = match self.action {
            Action::Run(run) => run(self)?,
            Action::Help(command) => help::print_command(self, command),
        };
        Ok(match done {
            Done::Quietly => ExitCode::SUCCESS,
            Done::Print(bytes) => output::data(&bytes),
            Done::Hand(bytes) => output::data(bytes.expose()),
            Done::Code(code) => ExitCode::from(code),
            Done::Report(bytes, code) => output::then(&bytes, ExitCode::from(code)),
        })
    }

    /// Is this our own command line?
    pub(super) fn is_native(&self) -> bool {
        self.presentation == Presentation::Native
    }

    /// The words that are no flags.
    pub(super) fn words(&self) -> &[String] {
        &self.own.words
    }

    /// The words that stand before a command, the command among them.
    pub(super) fn global_words(&self) -> &[String] {
        &self.global.words
    }

    /// The flags among which one is looked up; a few stand before a command.
    fn of(&self, name: &str) -> Option<&Given> {
        if self.own.knows(name) {
            return Some(&self.own);
        }
        table::stands_before_commands(name).then_some(&self.global)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.of(name)?.text(name)
    }

    /// A flag's text; empty when it was not given.
    pub(super) fn text(&self, name: &str) -> &str {
        self.value(name).unwrap_or_default()
    }

    /// A switch.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.value(name).and_then(truth).unwrap_or_default()
    }

    /// A whole number, when it was given.
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.value(name).and_then(|text| text.parse().ok())
    }

    /// A repeated flag.
    pub(super) fn list(&self, name: &str) -> &[String] {
        self.of(name).map_or(&[], |given| given.list(name))
    }

    /// The format that is asked for, else the one of a file name.
    pub(super) fn format(&self, flag: &str, name: &str) -> Format {
        Format::for_name(self.text(flag)).unwrap_or_else(|| Format::for_path(name))
    }
}

fn given(flags: &Given, name: &str) -> bool {
    flags.text(name).and_then(truth).unwrap_or_default()
}

fn action_of(command: &'static Command, own: &Given) -> Action {
    if given(own, "help") { Action::Help(command) } else { Action::Run(command.run) }
}
