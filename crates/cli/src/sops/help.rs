//! Help, version and completion, made from the table.

use clap::{Arg, ArgAction};

use crate::sops::call::{Call, Done};
use crate::sops::flags::{Flag, Kind};
use crate::sops::stop::Stop;
use crate::sops::table::{self, COMMANDS, COMMON, Command, TOP};

/// The version of `sops` whose behaviour is shown.
const VERSION: &str = sealfast_sops::metadata::FORMAT_VERSION;

pub(super) fn print_version(_: &Call) -> Result<Done, Stop> {
    Ok(Done::Print(format!("sops {VERSION} (sealfast {})\n", env!("CARGO_PKG_VERSION")).into_bytes()))
}

pub(super) fn print_top(_: &Call) -> Result<Done, Stop> {
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
    Ok(Done::Print(out.into_bytes()))
}

pub(super) fn print_command(call: &Call, command: &Command) -> Done {
    let program = if call.is_native() { "sealfast" } else { "sops" };
    let mut out = format!(
        "{}\n\nUsage: {program} {} [options] {}\n\nOptions:\n",
        command.about, command.name, command.arguments
    );
    push_flags(&mut out, command.flags);
    if call.is_native() {
        push_flags(&mut out, command.own);
        push_flags(&mut out, &[COMMON]);
    }
    out.push_str("\nExamples:\n");
    for example in command.examples {
        out.push_str(&format!("  {program} {example}\n"));
    }
    Done::Print(out.into_bytes())
}

/// A verb of ours with its flags, for completion scripts.
pub(crate) fn described(verb: &'static str) -> clap::Command {
    let described = clap::Command::new(verb);
    let Some(command) = table::command(verb) else { return described };
    let flags = command.flags.iter().chain(command.own).copied().chain([COMMON]).flatten();
    // Some flags are in more than one set, and clap has its own `--help`.
    let mut names = vec!["help"];
    let mut args = Vec::new();
    for flag in flags {
        if names.contains(&flag.name) {
            continue;
        }
        names.push(flag.name);
        args.push(described_flag(flag));
    }
    described.about(command.about).args(args)
}

fn described_flag(flag: &Flag) -> Arg {
    let action = match flag.kind {
        Kind::Switch => ArgAction::SetTrue,
        Kind::Text | Kind::Number => ArgAction::Set,
        Kind::List => ArgAction::Append,
    };
    let arg = Arg::new(flag.name).long(flag.name).help(flag.about).action(action);
    let mut letters = flag.short.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => arg.short(letter),
        (Some(_), Some(_)) => arg.alias(flag.short),
        _ => arg,
    }
}

fn push_flags(out: &mut String, flags: &[&[Flag]]) {
    for flag in flags.iter().copied().flatten() {
        let short = if flag.short.is_empty() { String::new() } else { format!(", -{}", flag.short) };
        let value = if flag.kind == Kind::Switch { "" } else { " value" };
        let variable = flag.variable.map(|variable| format!(" [${}]", variable.name())).unwrap_or_default();
        out.push_str(&format!(
            "   {:<40} {}{variable}\n",
            format!("--{}{short}{value}", flag.name),
            flag.about
        ));
    }
}

/// Asks for what could stand in the place of the last word.
pub(super) const COMPLETE: &str = "--generate-bash-completion";

/// Lists commands, or the flags of the command that was named.
pub(super) fn complete(call: &Call) -> Result<Done, Stop> {
    let words = call.global_words();
    let command = words.iter().find_map(|word| table::command(word));
    let wants_flags = words.iter().rev().nth(1).is_some_and(|word| word.starts_with('-'));
    let flags = command.map_or(TOP, |command| command.flags);
    let names: Vec<String> = match command {
        None if !wants_flags => COMMANDS.iter().map(|command| command.name.to_owned()).collect(),
        _ if wants_flags => flags.iter().copied().flatten().map(|flag| format!("--{}", flag.name)).collect(),
        _ => Vec::new(),
    };
    Ok(Done::Print(names.iter().map(|name| format!("{name}\n")).collect::<String>().into_bytes()))
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
        _ => Err(Stop::new("say which shell: completion bash, completion zsh")),
    }
}
