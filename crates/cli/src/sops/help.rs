//! Help, version and completion, made from the table.

use crate::sops::call::{Call, Done};
use crate::sops::flags::{Flag, Kind};
use crate::sops::stop::Stop;
use crate::sops::table::{COMMANDS, COMMON, Command, TOP};

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
        push_flags(&mut out, &[COMMON]);
    }
    out.push_str("\nExamples:\n");
    for example in command.examples {
        out.push_str(&format!("  {program} {example}\n"));
    }
    Done::Print(out.into_bytes())
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

/// Completes commands and file names.
pub(super) fn print_completion(call: &Call) -> Result<Done, Stop> {
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    let names = names.join(" ");
    let script = match call.global_words().get(1).map(String::as_str) {
        Some("bash") => format!(
            "_sops_complete() {{\n    local word=\"${{COMP_WORDS[COMP_CWORD]}}\"\n    if [ \"$COMP_CWORD\" -eq 1 ]; \
             then\n        COMPREPLY=($(compgen -W \"{names}\" -f -- \"$word\"))\n    else\n        \
             COMPREPLY=($(compgen -f -- \"$word\"))\n    fi\n}}\ncomplete -o bashdefault -o default -F \
             _sops_complete sops\n"
        ),
        Some("zsh") => format!(
            "#compdef sops\n_sops_complete() {{\n    if (( CURRENT == 2 )); then\n        compadd {names}\n    \
             fi\n    _files\n}}\ncompdef _sops_complete sops\n"
        ),
        _ => return Err(Stop::new("say which shell: completion bash, completion zsh")),
    };
    Ok(Done::Print(script.into_bytes()))
}
