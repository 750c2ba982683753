//! Completion scripts, made from what the parsers themselves know.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::Shell;

use crate::flux::Failed;
use crate::flux::args::{self, Listed};
use crate::output;

/// Prints the script of a tool for a shell.
pub(crate) fn print(shell: Shell, mut tool: Command) -> ExitCode {
    let (name, mut text) = (tool.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut tool, name, &mut text);
    output::data(&text)
}

/// Runs the `completion` of a tool.
pub(crate) fn run(words: &[String], tool: Command) -> Result<ExitCode, Failed> {
    const SHELLS: &str = "bash, elvish, fish, powershell or zsh";
    match words {
        [shell] => match shell.parse() {
            Ok(shell) => Ok(print(shell, tool)),
            Err(_) => Err(format!("no completion for {shell:?}: say {SHELLS}").into()),
        },
        _ => Err(format!("say for which shell: {SHELLS}").into()),
    }
}

/// A tool; its own help is none of clap's.
pub(crate) fn tool(name: &'static str) -> Command {
    Command::new(name).disable_help_flag(true).disable_help_subcommand(true)
}

/// The word for its own completion.
pub(crate) fn verb_for_shells() -> Command {
    let shells = ["bash", "elvish", "fish", "powershell", "zsh"];
    tool("completion").arg(Arg::new("shell").value_parser(PossibleValuesParser::new(shells)))
}

/// A command with the flags that its parser lists, which `dispatch` calls; `values` are those that a flag takes.
pub(crate) fn command(
    path: &[&'static str],
    dispatch: fn(&[String]) -> Result<ExitCode, Failed>,
    values: fn(&[&'static str], &str) -> &'static [&'static str],
) -> Command {
    let words: Vec<String> = path.iter().copied().chain([args::LIST]).map(str::to_owned).collect();
    let listed = args::listed(dispatch(&words));
    let name = path.last().copied().unwrap_or_default();
    let flags = listed.into_iter().map(|listed| {
        let values = values(path, &listed.name);
        flag(listed, values)
    });
    tool(name).args(flags)
}

fn flag(Listed { name, short, takes_value }: Listed, values: &'static [&'static str]) -> Arg {
    let arg = Arg::new(name.clone()).long(name);
    let arg = match short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    match (takes_value, values) {
        (false, _) => arg.action(ArgAction::SetTrue),
        (true, []) => arg.action(ArgAction::Append),
        (true, values) => arg.action(ArgAction::Append).value_parser(PossibleValuesParser::new(values)),
    }
}

/// Words behind a command that name files.
pub(crate) fn files() -> Arg {
    Arg::new("file-words").num_args(0..).value_hint(ValueHint::AnyPath)
}
