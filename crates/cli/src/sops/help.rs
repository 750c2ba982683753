//! Help, version and completion, made from the table.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction};

use crate::completion;
use crate::sops::call::{Call, Done, Run};
use crate::sops::flags::{Flag, Given, Kind};
use crate::sops::stop::Stop;
use crate::sops::table::{self, COMMANDS, Command, HELP, TOP};

/// The version of `sops` whose behaviour is shown.
const VERSION: &str = sealfast_sops::metadata::FORMAT_VERSION;

pub(super) fn print_version(_: &Call) -> Result<Done, Stop> {
    Ok(Done::Print(format!("sops {VERSION} (sealfast {})\n", env!("CARGO_PKG_VERSION")).into_bytes()))
}

pub(super) fn print_top(_: &Call) -> Result<Done, Stop> {
    Ok(Done::Print(top().into_bytes()))
}

/// Help about everything, as `sops`.
pub(super) fn top() -> String {
    let mut out = format!(
        "NAME:\n   sops - encrypted file editor with keys of age, OpenPGP and key services\n\n\
         USAGE:\n   sops [global options] command [command options] [arguments...]\n\n\
         VERSION:\n   {VERSION}\n\nCOMMANDS:\n"
    );
    for command in COMMANDS {
        out.push_str(&format!("   {:<12} {}\n", command.name, command.about));
    }
    out.push_str("   completion   print a completion script for bash or zsh\n\nGLOBAL OPTIONS:\n");
    push_flags(&mut out, TOP);
    out.push_str(
        "\nWithout a command: edit the file, or what --encrypt, --decrypt, --rotate or --set say.\n",
    );
    out
}

/// `help WORD`.
pub(super) fn print_topic(call: &Call) -> Result<Done, Stop> {
    match call.global_words().get(1).map(String::as_str) {
        None => print_top(call),
        Some("completion") => Ok(Done::Print(COMPLETION.into())),
        Some("groups") => print_groups(call),
        Some(word) => match table::command(word) {
            Some(command) => Ok(print_command(call, command)),
            None => Err(Stop::no_topic(word)),
        },
    }
}

pub(super) fn print_command(call: &Call, command: &Command) -> Done {
    if !call.is_native() {
        return Done::Print(as_sops(command).into_bytes());
    }
    let action = call.words().first().map(String::as_str).unwrap_or_default();
    let (name, about, arguments, flags) = match (command.name, action) {
        ("groups", "add") => {
            ("groups add", "add a key group to a file", String::new(), command.native_flags())
        }
        ("groups", "delete") => {
            let flags = table::DELETE_GROUP.iter().chain(table::COMMON).copied().flatten().collect();
            ("groups delete", "delete a key group, by its number from 0", "INDEX".to_owned(), flags)
        }
        _ => (command.name, command.about, command.native_arguments(), command.native_flags()),
    };
    let usage = format!("Usage: sealfast {name} [options] {arguments}");
    let mut out = format!("{about}\n\n{}\n\nOptions:\n", usage.trim_end());
    let is_of_many = flags.iter().any(|flag| flag.name == "recursive") && command.name != "publish";
    flags.into_iter().for_each(|flag| push_flag(&mut out, flag));
    if command.name != "keyservice" {
        out.push_str(
            "\nThe .sops.yaml nearest to a file counts, searched from the file's directory upwards.\n",
        );
    }
    if is_of_many {
        out.push_str("Of several files a summary is told; --output json prints it for programs.\n");
    }
    out.push_str("\nExamples:\n");
    for example in command.examples.iter().filter(|example| example.starts_with(name)) {
        out.push_str(&format!("  sealfast {example}\n"));
    }
    out.push_str("\nExit codes:\n  0    done\n");
    for (code, meaning) in exit_codes(command.name) {
        out.push_str(&format!("  {code:<4} {meaning}\n"));
    }
    let several = if is_of_many { ", and one of several files" } else { "" };
    out.push_str(&format!("  1    any other failure{several}\n"));
    Done::Print(out.into_bytes())
}

/// The codes that a script may tell apart; all of them stand in `stop.rs`.
fn exit_codes(name: &str) -> &'static [(&'static str, &'static str)] {
    const READ: (&str, &str) = ("2", "the file cannot be read");
    const WRITE: (&str, &str) = ("3", "the result cannot be written");
    const FLAGS: (&str, &str) = ("8", "flags exclude each other");
    const DAMAGED: (&str, &str) = ("25", "a value does not open");
    const MAC: (&str, &str) = ("51", "the file was changed since it was encrypted");
    const GONE: (&str, &str) = ("100", "the file is not there");
    const UNNAMED: (&str, &str) = ("100", "no file is named");
    const NO_KEY: (&str, &str) = ("128", "no key at hand opens the file");
    match name {
        "encrypt" => &[
            ("2", "the file cannot be read, or is not of its format"),
            WRITE,
            FLAGS,
            ("23", "a value cannot be encrypted"),
            GONE,
            ("203", "the file is encrypted already"),
        ],
        "decrypt" => {
            &[READ, WRITE, FLAGS, DAMAGED, MAC, ("91", "the path of --extract does not read"), GONE, NO_KEY]
        }
        "edit" => &[
            READ,
            WRITE,
            DAMAGED,
            MAC,
            UNNAMED,
            NO_KEY,
            ("200", "nothing was changed"),
            ("201", "there is no editor, or it failed"),
        ],
        "set" => &[READ, WRITE, ("7", "the path or the value does not read"), DAMAGED, MAC, UNNAMED, NO_KEY],
        "unset" => &[READ, WRITE, ("7", "the path does not read"), DAMAGED, MAC, UNNAMED, NO_KEY],
        "rotate" => &[READ, WRITE, FLAGS, DAMAGED, MAC, UNNAMED, NO_KEY],
        "updatekeys" | "groups" => &[READ, WRITE, UNNAMED, NO_KEY],
        "exec-env" | "exec-file" => {
            &[READ, DAMAGED, MAC, NO_KEY, ("N", "that of the command, once it was run")]
        }
        "publish" => &[READ, DAMAGED, MAC, UNNAMED, NO_KEY],
        "filestatus" => &[READ, UNNAMED],
        _ => &[],
    }
}

/// Help about a command, as `sops`.
pub(super) fn as_sops(command: &Command) -> String {
    let Command { name, about, arguments, .. } = command;
    let mut out = format!(
        "NAME:\n   sops {name} - {about}\n\nUSAGE:\n   sops {name} [command options] {arguments}\n\nOPTIONS:\n"
    );
    push_flags(&mut out, command.flags);
    out.push_str("\nEXAMPLES:\n");
    for example in command.examples {
        out.push_str(&format!("   sops {example}\n"));
    }
    out
}

/// Words behind `groups` that are none of its commands.
pub(super) fn of_groups(words: &[String]) -> Result<Run, Stop> {
    match words.first().map(String::as_str) {
        None | Some("help" | "h" | "-h" | "--h" | "-help" | "--help") => Ok(print_groups),
        Some(flag) if flag.len() > 1 && flag.starts_with('-') => {
            let name = flag.trim_start_matches('-');
            let stop = Stop::fatal(format!("flag provided but not defined: -{name}"));
            Err(stop.with_help("Incorrect Usage.", GROUPS))
        }
        Some(word) => Err(Stop::no_topic(word)),
    }
}

fn print_groups(_: &Call) -> Result<Done, Stop> {
    Ok(Done::Print(GROUPS.into()))
}

const GROUPS: &str = "\
NAME:
   sops groups - add or delete a key group

USAGE:
   sops groups command [command options] [arguments...]

COMMANDS:
   add      add a key group to a file
   delete   delete a key group, by its number, from a file

OPTIONS:
   --help, -h  show help
";

const COMPLETION: &str = "\
NAME:
   sops completion - print a completion script

USAGE:
   sops completion command [command options] [arguments...]

COMMANDS:
   bash   for bash: source <(sops completion bash)
   zsh    for zsh: source <(sops completion zsh)

OPTIONS:
   --help, -h  show help
";

/// A verb of ours with its flags, for completion scripts.
pub(crate) fn described(verb: &'static str) -> clap::Command {
    let Some(command) = table::command(verb) else { return completion::tool(verb) };
    described_command(command, &command.native_flags())
}

/// The command line of `sops` for completion scripts.
pub(crate) fn described_as_sops() -> clap::Command {
    let flags = |sets: &[&'static [Flag]]| -> Vec<&'static Flag> { sets.iter().copied().flatten().collect() };
    let commands = COMMANDS.iter().map(|command| described_command(command, &flags(command.flags)));
    let shells = ["bash", "zsh"].map(completion::tool);
    completion::tool("sops")
        .args(flags(TOP).into_iter().map(|flag| described_flag("", flag)))
        .arg(completion::files())
        .subcommands(commands)
        .subcommand(completion::tool("completion").subcommands(shells))
        .subcommand(completion::tool("help").arg(
            Arg::new("word").value_parser(COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>()),
        ))
}

fn described_command(command: &Command, flags: &[&'static Flag]) -> clap::Command {
    let described = completion::tool(command.name).about(command.about);
    let described = described.args(flags.iter().map(|flag| described_flag(command.name, flag)));
    match command.name {
        "groups" => described.subcommands(["add", "delete"].map(|action| {
            completion::tool(action).args(flags.iter().map(|flag| described_flag(command.name, flag)))
        })),
        "keyservice" => described,
        _ => described.arg(completion::files()),
    }
}

fn described_flag(command: &str, flag: &Flag) -> Arg {
    let action = match flag.kind {
        Kind::Switch => ArgAction::SetTrue,
        Kind::Text | Kind::Number => ArgAction::Set,
        Kind::List => ArgAction::Append,
    };
    let arg = Arg::new(flag.name).long(flag.name).help(flag.about).action(action);
    let arg = match table::values(command, flag) {
        [] => arg,
        values => arg.value_parser(PossibleValuesParser::new(values)),
    };
    let mut letters = flag.short.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => arg.short(letter),
        (Some(_), Some(_)) => arg.alias(flag.short),
        _ => arg,
    }
}

fn push_flags(out: &mut String, flags: &[&[Flag]]) {
    flags.iter().copied().flatten().for_each(|flag| push_flag(out, flag));
}

fn push_flag(out: &mut String, flag: &Flag) {
    let short = if flag.short.is_empty() { String::new() } else { format!(", -{}", flag.short) };
    let value = if flag.kind == Kind::Switch { "" } else { " value" };
    let variable = flag.variable.map(|variable| format!(" [${}]", variable.name())).unwrap_or_default();
    out.push_str(&format!("   {:<40} {}{variable}\n", format!("--{}{short}{value}", flag.name), flag.about));
}

/// Asks for what could stand in the place of the last word.
pub(super) const COMPLETE: &str = "--generate-bash-completion";

/// Lists commands, or the flags that go on as the last word begins.
pub(super) fn complete(call: &Call) -> Result<Done, Stop> {
    let words = call.global_words();
    let behind = Given::leading(TOP, words.to_vec()).map(|given| given.words).unwrap_or_default();
    let command = behind.first().and_then(|word| table::command(word));
    let last = words.last().map(String::as_str).unwrap_or_default();
    let names = if last.starts_with('-') {
        // Help, the last of a command's flags, is among those before it.
        let own = command.and_then(|command| command.flags.split_last()).map_or(&[][..], |(_, own)| own);
        let before = if command.is_some_and(|command| command.name == "groups") { &[HELP] } else { TOP };
        flags_that_go_on(last, words, &[before, own].concat())
    } else {
        let names = match (behind.first().map(String::as_str), behind.get(1).map(String::as_str)) {
            (Some("completion"), None) => &["bash", "zsh", "help", "h"][..],
            (Some("groups"), None) => &["add", "delete", "help", "h"],
            (Some("completion" | "groups"), Some(_)) => &[],
            _ if command.is_some() => &[],
            _ => NAMES,
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    Ok(Done::Print(names.iter().map(|name| format!("{name}\n")).collect::<String>().into_bytes()))
}

/// Commands in the order in which `sops` offers them.
const NAMES: &[&str] = &[
    "completion",
    "exec-env",
    "exec-file",
    "publish",
    "keyservice",
    "filestatus",
    "groups",
    "updatekeys",
    "decrypt",
    "encrypt",
    "rotate",
    "edit",
    "set",
    "unset",
    "help",
    "h",
];

/// Flags that begin as the last word does, but those that stand there already.
fn flags_that_go_on(last: &str, words: &[String], flags: &[&[Flag]]) -> Vec<String> {
    let begun = last.strip_prefix("--").or_else(|| last.strip_prefix('-')).unwrap_or(last);
    let is_long = last.starts_with("--");
    let dashed = |name: &str| format!("{}{name}", if name.len() > 1 { "--" } else { "-" });
    let mut found = Vec::new();
    for flag in flags.iter().copied().flatten() {
        let names = || [flag.name, flag.short].into_iter().filter(|name| !name.is_empty());
        if names().any(|name| words.contains(&dashed(name))) {
            continue;
        }
        let fits = |name: &&str| name.starts_with(begun) && !(is_long && name.len() == 1);
        found.extend(names().filter(fits).map(dashed));
    }
    found
}

/// Scripts that ask the program itself, and complete file names besides.
pub(super) fn print_completion(call: &Call) -> Result<Done, Stop> {
    const BASH: &str = r#"_sops_complete() {
    local word="${COMP_WORDS[COMP_CWORD]}" asked=("${COMP_WORDS[@]:0:COMP_CWORD}")
    [[ $word == -* ]] && asked+=("$word")
    mapfile -t COMPREPLY < <(compgen -W "$("${asked[@]}" --generate-bash-completion)" -- "$word")
}
complete -o bashdefault -o default -F _sops_complete sops
"#;
    const ZSH: &str = r#"#compdef sops
_sops_complete() {
    local -a asked found
    asked=("${(@)words[1,CURRENT-1]}")
    [[ ${words[CURRENT]} == -* ]] && asked+=("${words[CURRENT]}")
    found=("${(@f)$("${asked[@]}" --generate-bash-completion)}")
    [[ -n ${found[1]} ]] && compadd -a found || _files
}
compdef _sops_complete sops
"#;
    match call.global_words().get(1).map(String::as_str) {
        Some("bash") => Ok(Done::Print(BASH.into())),
        Some("zsh") => Ok(Done::Print(ZSH.into())),
        None | Some("help" | "h" | "-h" | "--help") => Ok(Done::Print(COMPLETION.into())),
        Some(word) => Err(Stop::no_topic(word)),
    }
}
