//! One call: which command, with which flags and words.

use std::process::ExitCode;

use sealfast_sops::store::Format;

use crate::output;
use crate::sops::flags::{Given, truth};
use crate::sops::stop::Stop;
use crate::sops::table::{self, COMMON, Command, TOP};
use crate::sops::{Presentation, help, legacy};

/// How a command ends when nothing went wrong.
pub(super) enum Done {
    /// Exit code 0.
    Quietly,
    /// These bytes on standard output, then 0.
    Print(Vec<u8>),
    /// The exit code of a program that was run.
    Code(u8),
}

/// What a command line asks for.
enum Action {
    Run(fn(&Call) -> Result<Done, Stop>),
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
    pub(super) fn as_sops(args: Vec<String>) -> Result<Self, Stop> {
        let presentation = Presentation::AsSops;
        if args.last().is_some_and(|arg| arg == help::COMPLETE) {
            let global = Given::of_words(args);
            return Ok(Self {
                presentation,
                action: Action::Run(help::complete),
                own: Given::default(),
                global,
            });
        }
        let mut global = Given::leading(TOP, args)?;
        if given(&global, "help") || global.words.first().is_some_and(|word| word == "help" || word == "h") {
            return Ok(Self {
                presentation,
                action: Action::Run(help::print_top),
                own: Given::default(),
                global,
            });
        }
        if given(&global, "version") {
            return Ok(Self {
                presentation,
                action: Action::Run(help::print_version),
                own: Given::default(),
                global,
            });
        }
        let verb = global.words.first().map(String::as_str).unwrap_or_default();
        if verb == "completion" {
            return Ok(Self {
                presentation,
                action: Action::Run(help::print_completion),
                own: Given::default(),
                global,
            });
        }
        let Some(command) = table::command(verb) else {
            return Ok(Self { presentation, action: Action::Run(legacy::run), own: global.clone(), global });
        };
        let mut words = std::mem::take(&mut global.words).into_iter().skip(1).collect::<Vec<_>>();
        let action = (command.name == "groups" && !words.is_empty()).then(|| words.remove(0));
        let mut own = Given::leading(command.flags, words)?;
        own.words.splice(0..0, action);
        Ok(Self { presentation, action: action_of(command, &own), own, global })
    }

    /// Reads our own command line: a command, then flags and words in any order.
    pub(super) fn native(args: Vec<String>) -> Result<Self, Stop> {
        let mut args = args.into_iter();
        let verb = args.next().unwrap_or_default();
        let Some(command) = table::command(&verb) else {
            return Err(Stop::new(format!("the command `{verb}` is not part of this version")));
        };
        let flags: Vec<_> = command.flags.iter().chain(command.own).copied().chain([COMMON]).collect();
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
            Done::Code(code) => ExitCode::from(code),
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

    /// Flags a command does not have are looked up before it.
    fn of(&self, name: &str) -> &Given {
        if self.own.knows(name) { &self.own } else { &self.global }
    }

    /// A flag's text; empty when it was not given.
    pub(super) fn text(&self, name: &str) -> &str {
        self.of(name).text(name).unwrap_or_default()
    }

    /// A switch.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.of(name).text(name).and_then(truth).unwrap_or_default()
    }

    /// A whole number, when it was given.
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.of(name).text(name).and_then(|text| text.parse().ok())
    }

    /// A repeated flag.
    pub(super) fn list(&self, name: &str) -> &[String] {
        self.of(name).list(name)
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
