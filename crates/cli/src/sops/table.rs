//! The table of commands and flags; help and both parsers are made from it.

use crate::env;
use crate::sops::call::Run;
use crate::sops::flags::{Flag, Kind};
use crate::sops::{
    decrypt, edit, encrypt, exec, file_status, groups, key_service, publish, rotate, set, update_keys,
};

/// One command.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) arguments: &'static str,
    pub(super) flags: &'static [&'static [Flag]],
    /// What our own verb has besides.
    pub(super) own: &'static [&'static [Flag]],
    pub(super) examples: &'static [&'static str],
    pub(super) run: Run,
}

const fn switch(name: &'static str, short: &'static str, about: &'static str) -> Flag {
    Flag { name, short, kind: Kind::Switch, variable: None, about }
}

const fn text(name: &'static str, about: &'static str) -> Flag {
    Flag { name, short: "", kind: Kind::Text, variable: None, about }
}

const fn key(name: &'static str, short: &'static str, variable: env::Variable, about: &'static str) -> Flag {
    Flag { name, short, kind: Kind::Text, variable: Some(variable), about }
}

const fn list(name: &'static str, about: &'static str) -> Flag {
    Flag { name, short: "", kind: Kind::List, variable: None, about }
}

const IN_PLACE: &[Flag] = &[switch("in-place", "i", "write the result back to the file")];
const OUTPUT: &[Flag] = &[text("output", "write the result to this file")];
const TYPES: &[Flag] = &[
    text("input-type", "format of the input: yaml, json, dotenv, ini or binary (else by file name)"),
    text("output-type", "format of the output: yaml, json, dotenv, ini or binary (else by file name)"),
];
const INPUT_TYPE: &[Flag] =
    &[text("input-type", "format of the input: yaml, json, dotenv, ini or binary (else by file name)")];
const OVERRIDE: &[Flag] =
    &[text("filename-override", "take this name for choosing the format and the creation rule")];
const IGNORE_MAC: &[Flag] = &[switch("ignore-mac", "", "do not check the document's MAC")];
const EXTRACT: &[Flag] = &[text("extract", "print only this part, as '[\"key\"][0]'")];
const SHOW_KEYS: &[Flag] = &[switch("show-master-keys", "s", "edit the sops block too")];
const ORDER: &[Flag] = &[Flag {
    name: "decryption-order",
    short: "",
    kind: Kind::Text,
    variable: Some(env::SOPS_DECRYPTION_ORDER),
    about: "key types in the order to try them, separated by commas",
}];
const KEYS: &[Flag] = &[
    key("kms", "k", env::SOPS_KMS_ARN, "AWS KMS ARNs, separated by commas"),
    text("aws-profile", "AWS profile for requests"),
    key("gcp-kms", "", env::SOPS_GCP_KMS_IDS, "Google Cloud KMS resource ids, separated by commas"),
    key(
        "hckms",
        "",
        env::SOPS_HUAWEICLOUD_KMS_IDS,
        "Huawei Cloud KMS keys (region:key-uuid), separated by commas",
    ),
    key("azure-kv", "", env::SOPS_AZURE_KEYVAULT_URLS, "Azure Key Vault key URLs, separated by commas"),
    key("hc-vault-transit", "", env::SOPS_VAULT_URIS, "Vault transit key URLs, separated by commas"),
    key("pgp", "p", env::SOPS_PGP_FP, "OpenPGP fingerprints, separated by commas"),
    key("age", "a", env::SOPS_AGE_RECIPIENTS, "age recipients, separated by commas"),
];
const CONTEXT: &[Flag] =
    &[text("encryption-context", "AWS encryption context as key:value, separated by commas")];
const SELECTORS: &[Flag] = &[
    text("unencrypted-suffix", "leave values in the clear whose key ends with this"),
    text("encrypted-suffix", "encrypt only values whose key ends with this"),
    text("unencrypted-regex", "leave values in the clear whose key matches"),
    text("encrypted-regex", "encrypt only values whose key matches"),
];
const THRESHOLD: &[Flag] = &[Flag {
    name: "shamir-secret-sharing-threshold",
    short: "",
    kind: Kind::Number,
    variable: None,
    about: "number of key groups needed to decrypt",
}];
const CHANGES: &[Flag] = &[
    text("add-gcp-kms", "add these Google Cloud KMS keys"),
    text("rm-gcp-kms", "remove these Google Cloud KMS keys"),
    text("add-hckms", "add these Huawei Cloud KMS keys"),
    text("rm-hckms", "remove these Huawei Cloud KMS keys"),
    text("add-azure-kv", "add these Azure Key Vault keys"),
    text("rm-azure-kv", "remove these Azure Key Vault keys"),
    text("add-kms", "add these AWS KMS keys"),
    text("rm-kms", "remove these AWS KMS keys"),
    text("add-hc-vault-transit", "add these Vault transit keys"),
    text("rm-hc-vault-transit", "remove these Vault transit keys"),
    text("add-age", "add these age recipients"),
    text("rm-age", "remove these age recipients"),
    text("add-pgp", "add these OpenPGP fingerprints"),
    text("rm-pgp", "remove these OpenPGP fingerprints"),
];
const SERVICES: &[Flag] = &[
    Flag {
        name: "enable-local-keyservice",
        short: "",
        kind: Kind::Switch,
        variable: Some(env::SOPS_ENABLE_LOCAL_KEYSERVICE),
        about: "use keys in this process (the default)",
    },
    Flag {
        name: "keyservice",
        short: "",
        kind: Kind::List,
        variable: Some(env::SOPS_KEYSERVICE),
        about: "ask this key service too, as tcp://host:port or unix:///path",
    },
];
const IDEMPOTENT: &[Flag] = &[switch("idempotent", "", "do nothing when nothing would change")];
const VALUES: &[Flag] = &[
    switch("value-file", "", "the value is the name of a file to read it from"),
    switch("value-stdin", "", "read the value from standard input"),
];
const YES: &[Flag] = &[switch("yes", "y", "make the changes without asking")];
const EXEC: &[Flag] = &[
    switch("background", "", "leave the command running (deprecated)"),
    text("user", "run the command as this user"),
];
const EXEC_ENV: &[Flag] = &[
    switch("pristine", "", "pass no other variables on"),
    switch("same-process", "", "become the command instead of starting it"),
];
const EXEC_FILE: &[Flag] = &[
    switch("no-fifo", "", "use a regular file instead of a pipe"),
    text("filename", "name of the file the command sees"),
];
const KEY_SERVICE: &[Flag] = &[
    text("network", "network to listen on: tcp (the default) or unix"),
    text("net", "the same as --network"),
    text("address", "address to listen on, or path of the socket [127.0.0.1:5000]"),
    text("addr", "the same as --address"),
    switch("prompt", "", "ask before each answer"),
    switch("verbose", "", "say more"),
];
const PUBLISH: &[Flag] = &[
    switch("omit-extensions", "", "leave the file extension out of the name there"),
    switch("recursive", "", "publish every file of a directory"),
    switch("verbose", "", "say more"),
];
const SUMMARY: &[Flag] = &[text("output", "print the summary as text or json [text]")];
const REUSE: &[Flag] =
    &[text("reuse", "keep data key and ciphertext of this encrypted version where values are the same")];
const STRICT: &[Flag] =
    &[switch("strict", "", "fail when no value is encrypted, or what a cluster has to read is")];
const STRICT_LAYOUT: &[Flag] =
    &[switch("strict", "", "fail when the record of how values were written is damaged")];
const MANY: &[Flag] = &[
    switch("recursive", "", "go through directories, by the rules of .sops.yaml and .gitignore"),
    switch("check", "", "change nothing; exit with 1 when something would change"),
];
const MANY_STATUS: &[Flag] = &[
    switch("recursive", "", "go through directories, by .gitignore"),
    switch(
        "check",
        "",
        "exit with 1 when a file is in the clear that a creation rule is for (any, without rules)",
    ),
];
const GROUP_FILE: &[Flag] = &[Flag {
    name: "file",
    short: "f",
    kind: Kind::Text,
    variable: None,
    about: "the file whose groups are changed",
}];
const GROUP_KEYS: &[Flag] = &[
    list("pgp", "OpenPGP fingerprint of the new group, may be repeated"),
    list("kms", "AWS KMS ARN of the new group, may be repeated"),
    text("aws-profile", "AWS profile for requests"),
    list("gcp-kms", "Google Cloud KMS resource id of the new group, may be repeated"),
    list("hckms", "Huawei Cloud KMS key of the new group, may be repeated"),
    list("azure-kv", "Azure Key Vault key URL of the new group, may be repeated"),
    list("hc-vault-transit", "Vault transit key URL of the new group, may be repeated"),
    list("age", "age recipient of the new group, may be repeated"),
];

const MAC_ONLY: &[Flag] = &[switch("mac-only-encrypted", "", "cover only encrypted values with the MAC")];
const COMMENTS: &[Flag] = &[
    text("unencrypted-comment-regex", "leave values in the clear below a comment that matches"),
    text("encrypted-comment-regex", "encrypt only values below a comment that matches"),
];
const CONFIG: &[Flag] = &[Flag {
    name: "config",
    short: "",
    kind: Kind::Text,
    variable: Some(env::SOPS_CONFIG),
    about: "use this configuration instead of searching .sops.yaml",
}];
const LAYOUT: &[Flag] = &[
    Flag {
        name: "indent",
        short: "",
        kind: Kind::Number,
        variable: None,
        about: "blanks a level in YAML and JSON",
    },
    switch("verbose", "", "say more"),
];

/// Flags that every command has in our own manner.
pub(super) const COMMON: &[&[Flag]] = &[CONFIG, LAYOUT];

/// As `sops`, may this flag stand before a command and serve it?
pub(super) fn stands_before_commands(name: &str) -> bool {
    [MAC_ONLY, CONFIG, LAYOUT].into_iter().flatten().any(|flag| flag.name == name)
}

const MODES: &[Flag] = &[
    switch("decrypt", "d", "decrypt a file"),
    switch("encrypt", "e", "encrypt a file"),
    switch("rotate", "r", "encrypt a file under a new data key"),
    Flag {
        name: "disable-version-check",
        short: "",
        kind: Kind::Switch,
        variable: Some(env::SOPS_DISABLE_VERSION_CHECK),
        about: "accepted; nothing is ever checked over the network",
    },
    switch("check-for-updates", "", "accepted; nothing is ever checked over the network"),
];
const SET: &[Flag] = &[text("set", "set a value, as '[\"key\"] \"json\"'")];
const VERSION: &[Flag] = &[switch("version", "v", "print the version")];

/// Flags of the command line without a command.
pub(super) const TOP: &[&[Flag]] = &[
    MODES, KEYS, IN_PLACE, EXTRACT, TYPES, SHOW_KEYS, CHANGES, IGNORE_MAC, MAC_ONLY, SELECTORS, COMMENTS,
    CONFIG, CONTEXT, SET, THRESHOLD, LAYOUT, OUTPUT, OVERRIDE, ORDER, SERVICES, HELP, VERSION,
];

/// Flags of `groups delete`, which takes no keys.
pub(super) const DELETE_GROUP: &[&[Flag]] = &[GROUP_FILE, IN_PLACE, THRESHOLD, SERVICES, HELP];

/// Asking for help, for every command.
pub(super) const HELP: &[Flag] = &[switch("help", "h", "show help")];

/// All commands in the order of help.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "encrypt",
        about: "encrypt a file, or standard input",
        arguments: "[file]",
        flags: &[IN_PLACE, OUTPUT, KEYS, TYPES, SELECTORS, CONTEXT, THRESHOLD, OVERRIDE, SERVICES, HELP],
        own: &[COMMENTS, MAC_ONLY, REUSE, STRICT, MANY],
        examples: &[
            "encrypt --age age1… --encrypted-regex '^(data|stringData)$' --in-place secret.yaml",
            "encrypt secret.yaml > secret.enc.yaml      # keys from .sops.yaml",
            "encrypt --in-place --recursive .           # all that its rules ask for",
        ],
        run: encrypt::run,
    },
    Command {
        name: "decrypt",
        about: "decrypt a file, or standard input",
        arguments: "[file]",
        flags: &[IN_PLACE, EXTRACT, OUTPUT, TYPES, IGNORE_MAC, OVERRIDE, ORDER, SERVICES, HELP],
        own: &[STRICT_LAYOUT, MANY],
        examples: &["decrypt secret.yaml", "decrypt --extract '[\"stringData\"][\"password\"]' secret.yaml"],
        run: decrypt::run,
    },
    Command {
        name: "edit",
        about: "edit a file in the clear, or make a new one",
        arguments: "file",
        flags: &[KEYS, TYPES, SELECTORS, CONTEXT, THRESHOLD, SHOW_KEYS, IGNORE_MAC, ORDER, SERVICES, HELP],
        own: &[COMMENTS, MAC_ONLY, STRICT],
        examples: &["edit secret.yaml"],
        run: edit::run,
    },
    Command {
        name: "set",
        about: "set one value of an encrypted file",
        arguments: "file path value",
        flags: &[TYPES, VALUES, THRESHOLD, IGNORE_MAC, ORDER, IDEMPOTENT, SERVICES, HELP],
        own: &[STRICT_LAYOUT, MANY, SUMMARY],
        examples: &["set secret.yaml '[\"stringData\"][\"password\"]' '\"hunter3\"'"],
        run: set::run_set,
    },
    Command {
        name: "unset",
        about: "remove one value from an encrypted file",
        arguments: "file path",
        flags: &[TYPES, THRESHOLD, IGNORE_MAC, ORDER, IDEMPOTENT, SERVICES, HELP],
        own: &[STRICT_LAYOUT],
        examples: &["unset secret.yaml '[\"stringData\"][\"old\"]'"],
        run: set::run_unset,
    },
    Command {
        name: "rotate",
        about: "encrypt a file under a new data key, and add or remove master keys",
        arguments: "file",
        flags: &[IN_PLACE, OUTPUT, TYPES, CONTEXT, CHANGES, OVERRIDE, ORDER, SERVICES, HELP],
        own: &[STRICT_LAYOUT, MANY],
        examples: &["rotate --in-place secret.yaml", "rotate -i --add-age age1… --rm-age age1… secret.yaml"],
        run: rotate::run,
    },
    Command {
        name: "updatekeys",
        about: "wrap the data key of files for the keys that .sops.yaml asks for",
        arguments: "file…",
        flags: &[YES, INPUT_TYPE, SERVICES, HELP],
        own: &[MANY, SUMMARY],
        examples: &["updatekeys --yes secret.yaml", "updatekeys --check --recursive ."],
        run: update_keys::run,
    },
    Command {
        name: "groups",
        about: "add or delete a key group: groups add, groups delete INDEX",
        arguments: "add|delete",
        flags: &[GROUP_FILE, GROUP_KEYS, IN_PLACE, THRESHOLD, CONTEXT, SERVICES, HELP],
        own: &[],
        examples: &[
            "groups add -f secret.yaml -i --age age1… --shamir-secret-sharing-threshold 2",
            "groups delete -f secret.yaml -i 1",
        ],
        run: groups::run,
    },
    Command {
        name: "exec-env",
        about: "run a command with decrypted values as environment variables",
        arguments: "file command",
        flags: &[EXEC, EXEC_ENV, ORDER, SERVICES, HELP],
        own: &[],
        examples: &["exec-env secret.env 'psql $URL'"],
        run: exec::run_env,
    },
    Command {
        name: "exec-file",
        about: "run a command that reads the decrypted file in the place of {}",
        arguments: "file command",
        flags: &[EXEC, EXEC_FILE, TYPES, ORDER, SERVICES, HELP],
        own: &[],
        examples: &["exec-file kubeconfig.yaml 'kubectl --kubeconfig {} get pods'"],
        run: exec::run_file,
    },
    Command {
        name: "keyservice",
        about: "let other processes use this person's keys over a socket",
        arguments: "",
        flags: &[KEY_SERVICE, HELP],
        own: &[],
        examples: &["keyservice --network unix --address $XDG_RUNTIME_DIR/keys.sock"],
        run: key_service::run,
    },
    Command {
        name: "publish",
        about: "put a file where the destination rules of .sops.yaml say: a bucket, or decrypted into Vault",
        arguments: "path",
        flags: &[YES, PUBLISH, ORDER, SERVICES, HELP],
        own: &[],
        examples: &["publish secret.yaml", "publish --yes --recursive secrets"],
        run: publish::run,
    },
    Command {
        name: "filestatus",
        about: "say whether a file is encrypted",
        arguments: "file",
        flags: &[INPUT_TYPE, HELP],
        own: &[MANY_STATUS, SUMMARY],
        examples: &[
            "filestatus secret.yaml",
            "filestatus --check --recursive .      # fails when something is in the clear",
        ],
        run: file_status::run,
    },
];

impl Command {
    /// The flags of our own verb, each once.
    pub(super) fn native_flags(&self) -> Vec<&'static Flag> {
        let mut names = std::collections::HashSet::new();
        let all = self.flags.iter().chain(self.own).chain(COMMON).copied().flatten();
        all.filter(|flag| names.insert(flag.name)).collect()
    }

    /// What stands behind our own verb.
    pub(super) fn native_arguments(&self) -> String {
        let is_of_many = self.own.iter().copied().flatten().any(|flag| flag.name == "recursive");
        let takes_many = is_of_many && !self.arguments.contains('…');
        if takes_many { self.arguments.replacen("file", "file…", 1) } else { self.arguments.to_owned() }
    }
}

/// The values that a flag of a command takes, when there are few.
pub(super) fn values(command: &str, flag: &Flag) -> &'static [&'static str] {
    match (flag.name, command) {
        ("input-type" | "output-type", _) => &["yaml", "json", "dotenv", "ini", "binary"],
        ("network" | "net", _) => &["tcp", "unix"],
        ("output", "set" | "updatekeys" | "filestatus") => &["text", "json"],
        _ => &[],
    }
}

/// Finds a command by its name.
pub(super) fn command(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}
