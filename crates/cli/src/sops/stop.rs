//! Why a command stopped: message, hints and exit code; the one table of codes.

use std::error::Error as _;
use std::process::ExitCode;

use sealfast_sops::document;
use sealfast_sops::error::{CipherError, Error, TreePath};
use sealfast_sops::store::Format;

use crate::diagnostic::Failure;
use crate::output;
use crate::sops::{Presentation, log};

/// Exit codes, numbered as `sops` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Generic = 1,
    CouldNotReadInput = 2,
    CouldNotWriteOutput = 3,
    DumpingTree = 4,
    EncryptionContext = 6,
    InvalidSet = 7,
    Conflict = 8,
    EncryptingTree = 23,
    DecryptingTree = 25,
    KeysOfMissingFile = 49,
    MacMismatch = 51,
    InvalidPath = 91,
    EmptyDocument = 92,
    NoFile = 100,
    DuplicateKeyType = 112,
    NoDataKey = 128,
    NotModified = 200,
    Editor = 201,
    VersionComparison = 202,
    AlreadyEncrypted = 203,
}

/// Why a command stopped. Boxed, because it travels through every result.
#[derive(Debug)]
pub(super) struct Stop(Box<Parts>);

#[derive(Debug)]
struct Parts {
    /// As `sops` says it.
    message: String,
    code: u8,
    /// As we say it, when the message alone will not do.
    plain: Option<(String, Vec<String>)>,
    hints: Vec<String>,
    /// What `sops` prints on standard output besides.
    help: String,
    /// The part of `sops` that writes it as a log line; none when it is a plain line.
    logged_by: Option<&'static str>,
    /// The file it is about, which our own messages name first.
    file: String,
    /// The place in the document it is about, and its line in the file.
    place: Option<TreePath>,
    line: Option<usize>,
}

impl Stop {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            message: message.into(),
            code: Code::Generic as u8,
            plain: None,
            hints: Vec::new(),
            help: String::new(),
            logged_by: None,
            file: String::new(),
            place: None,
            line: None,
        }))
    }

    /// A mistake on the command line, or an error that `sops` only logs.
    pub(super) fn fatal(message: impl Into<String>) -> Self {
        Self::new(message).logged_by(log::COMMAND)
    }

    /// A mistake on the command line that `sops` prints by itself, behind a word for it.
    pub(super) fn misuse(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(format!("Error: {message}")).plainly(message)
    }

    /// Says the same natively in words of our own.
    pub(super) fn plainly(mut self, message: impl Into<String>) -> Self {
        self.0.plain = Some((message.into(), Vec::new()));
        self
    }

    /// An error that a part of `sops` logs.
    pub(super) fn logged_by(mut self, part: &'static str) -> Self {
        self.0.logged_by = Some(part);
        self
    }

    pub(super) fn code(mut self, code: Code) -> Self {
        self.0.code = code as u8;
        self
    }

    /// Ends as a program did that was run.
    pub(super) fn exit(mut self, code: u8) -> Self {
        self.0.code = code;
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// A mistake on the command line, after which `sops` shows what there is.
    pub(super) fn with_help(mut self, lead: &str, help: &str) -> Self {
        self.0.help = format!("{lead} {}\n\n{help}", self.0.message);
        self
    }

    /// `help` has nothing about a word.
    pub(super) fn no_topic(word: &str) -> Self {
        Self::new(format!("No help topic for '{word}'")).code(Code::CouldNotWriteOutput)
    }

    /// Says something else in place of a part of the message.
    pub(super) fn rephrased(mut self, part: &str, instead: &str) -> Self {
        self.0.message = self.0.message.replacen(part, instead, 1);
        self
    }

    /// Says which file it is about, unless that is known more exactly.
    pub(super) fn in_file(mut self, file: &str) -> Self {
        if self.0.file.is_empty() {
            file.clone_into(&mut self.0.file);
        }
        self
    }

    /// Says where in a configuration it is: the file, its line, and what stands there, which our own message begins with.
    pub(super) fn in_configuration(mut self, file: &str, line: Option<usize>, place: &str) -> Self {
        let parts = &mut *self.0;
        file.clone_into(&mut parts.file);
        parts.line = line;
        let (message, _) = parts.plain.get_or_insert_with(|| (parts.message.clone(), Vec::new()));
        if !place.is_empty() {
            message.insert_str(0, &format!("{place}: "));
        }
        self
    }

    /// Finds the line it is about in the text that was read: that of the place, or of what it stands in.
    pub(super) fn locate(mut self, text: &[u8], format: Format) -> Self {
        if self.0.line.is_some() {
            return self;
        }
        let keys = self.0.place.as_ref().map_or(&[][..], |place| &place.0);
        let line = |length| document::line_of(text, format, &TreePath(keys[..length].to_vec()));
        self.0.line = (1..=keys.len()).rev().find_map(line);
        self
    }

    /// The message alone, for a report about several files.
    pub(super) fn message(&self, presentation: Presentation) -> String {
        let Parts { message, plain, .. } = &*self.0;
        let own = plain.as_ref().filter(|_| presentation != Presentation::AsSops);
        own.map_or_else(|| message.clone(), told)
    }

    /// What mends it.
    pub(super) fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Nothing was given to work on.
    pub(super) fn no_file() -> Self {
        Self::misuse("no file specified").code(Code::NoFile).hint("name the file to work on")
    }

    /// A plain document does not read.
    pub(super) fn loading_plain(error: &Error) -> Self {
        Self::of(error, "Error unmarshalling file: ").code(Code::CouldNotReadInput)
    }

    /// An encrypted document does not read.
    pub(super) fn loading(error: &Error) -> Self {
        Self::of(error, "")
    }

    /// A tree cannot be encrypted.
    pub(super) fn encrypting(error: &Error) -> Self {
        Self::of(error, "Error encrypting tree: ").code(Code::EncryptingTree)
    }

    /// A tree cannot be decrypted.
    pub(super) fn decrypting(error: &Error) -> Self {
        match error {
            Error::MacDecrypt { .. } | Error::MacMismatch { .. } => {
                Self::of(error, "").code(Code::MacMismatch)
            }
            Error::Version { .. } => Self::of(error, ""),
            _ => Self::of(error, "Error decrypting tree: ").code(Code::DecryptingTree),
        }
    }

    /// A tree cannot be written.
    pub(super) fn dumping(error: &Error, prefix: &str) -> Self {
        Self::of(error, prefix).code(Code::DumpingTree)
    }

    /// The document is encrypted already.
    pub(super) fn already_encrypted() -> Self {
        Self::of(&Error::AlreadyEncrypted, "").code(Code::AlreadyEncrypted)
    }

    /// A configuration, key or path is wrong.
    pub(super) fn of(error: &Error, prefix: &str) -> Self {
        let causes = std::iter::successors(error.source(), |cause: &&(dyn std::error::Error + 'static)| {
            (*cause).source()
        })
        .map(ToString::to_string);
        let mut stop = Self::new(format!("{prefix}{}", reference_words(error)));
        stop.0.plain = Some((error.to_string(), causes.collect()));
        stop.0.hints = hints(error);
        stop.0.place = error.place();
        stop
    }

    /// Prints the report and returns the exit code.
    pub(super) fn report(self, presentation: Presentation) -> ExitCode {
        let Parts { message, code, plain, hints, help, logged_by, file, line, place: _ } = *self.0;
        if presentation == Presentation::AsSops {
            if !help.is_empty() {
                let _ = output::data(help.as_bytes());
            }
            output::talk(
                &logged_by.map_or_else(|| message.clone(), |part| log::line(part, "fatal", &message)),
            );
            return ExitCode::from(code);
        }
        let message = plain.as_ref().map_or(message, told);
        let message = match line {
            // Some messages name the file themselves.
            None if message.contains(&file) => message,
            _ if file.is_empty() => message,
            Some(line) => format!("{file}:{line}: {message}"),
            None => format!("{file}: {message}"),
        };
        hints.into_iter().fold(Failure::new(message).code(code), Failure::hint).report()
    }
}

/// A message and its causes.
fn told((message, causes): &(String, Vec<String>)) -> String {
    causes.iter().fold(message.clone(), |whole, cause| format!("{whole}: {cause}"))
}

/// What mends an error.
fn hints(error: &Error) -> Vec<String> {
    let hint = match error {
        Error::NoMetadata => "the file is not encrypted; `encrypt` it first",
        Error::AlreadyEncrypted | Error::LaterAlreadyEncrypted { .. } => {
            "use `edit` to change an encrypted file, or rename the `sops` entry of a plain one"
        }
        Error::MacMismatch { .. } | Error::MacDecrypt { .. } => {
            "find out who changed the file; if the change is meant, `decrypt --ignore-mac` and encrypt again"
        }
        Error::Decrypt { .. } => {
            "the value was changed or moved by hand, or a merge mixed two versions of the file: restore it from history"
        }
        Error::NotCiphertext { .. } => {
            "the value was added in the clear: restore the file, then add it with `set`"
        }
        Error::KeyType { .. } => "put the key in quotes",
        Error::ValueType { .. } => "put the value in quotes",
        Error::NotBinary { .. } => "the file is not binary: say its format with --output-type json or yaml",
        Error::Selector { .. } => "mend the expression in .sops.yaml, on the command line or in the metadata",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

const SELECTORS: &str = "Cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, \
    unencrypted_regex, encrypted_comment_regex, or unencrypted_comment_regex in the same file";

const RULE_SELECTORS: &str = "error loading config: cannot use more than one of encrypted_suffix, \
    unencrypted_suffix, encrypted_regex, unencrypted_regex, encrypted_comment_regex, or unencrypted_comment_regex for \
    the same rule";

const ALREADY_ENCRYPTED: &str = "\
The file you have provided contains a top-level entry called 'sops', or for
flat file formats top-level entries starting with 'sops_'. This is
generally due to the file already being encrypted. SOPS uses a top-level
entry called 'sops' to store the metadata required to decrypt the file. For
this reason, SOPS can not encrypt files that already contain such an entry.

If this is an unencrypted file, rename the 'sops' entry.

If this is an encrypted file and you want to edit it, use the editor mode,
for example: `sops edit my_file.yaml`";

const NOT_BINARY: &str = "This is likely not an encrypted binary file? If not, use --output-type to select the correct output type.";

/// An error in the words that scripts may look for.
fn reference_words(error: &Error) -> String {
    const WALK: &str = "Error walking tree: ";
    match error {
        Error::NoKeys => "No keys found in file".to_owned(),
        Error::Metadata { message } | Error::Version { message } => message.clone(),
        Error::Selectors => SELECTORS.to_owned(),
        Error::AlreadyEncrypted => ALREADY_ENCRYPTED.to_owned(),
        Error::LaterAlreadyEncrypted { .. } => {
            "Error marshaling metadata: Found key \"sops\" in encrypted data, which is a reserved key used for SOPS \
             metadata"
                .to_owned()
        }
        Error::MetadataFields { problems } => {
            format!("decoding failed due to the following error(s):\n\n{}", problems.join("\n"))
        }
        Error::Time { text, flaw } => flaw.told_by_go(text),
        Error::KeyType { kind, text, .. } => {
            let shown = match *kind {
                "<nil>" => "%!s(<nil>)".to_owned(),
                "time.Time" => text.clone(),
                kind => format!("%!s({kind}={text})"),
            };
            format!(
                "{WALK}Tree contains a non-string key (type {kind}): {shown}. Only string keys are supported"
            )
        }
        Error::Unreadable { full, .. } | Error::Configuration { full, .. } => {
            full.to_string_lossy().into_owned()
        }
        Error::NotBinary { message } => format!("{message}\n\n{NOT_BINARY}"),
        Error::ValueType { kind, .. } => format!("{WALK}Cannot walk value, unknown type: {kind}"),
        Error::NotCiphertext { kind, .. } => {
            format!("{WALK}Expected encrypted value as string, but got {kind}")
        }
        Error::Decrypt { source, .. } => format!("{WALK}Could not decrypt value: {}", cipher_words(source)),
        Error::CommentCollision { .. } => format!("{WALK}{error}"),
        Error::MacDecrypt { source } => format!("Cannot decrypt MAC: {}", cipher_words(source)),
        Error::MacMismatch { stored, computed } => {
            let stored = if stored.is_empty() { "no MAC" } else { stored };
            format!("MAC mismatch. File has {stored}, computed {computed}")
        }
        Error::NotFound { component } => format!("Key not found: {component}"),
        // The reference prints numbers where it means to print texts.
        Error::NoList { step } => format!("Key not found: %!s(int={step})"),
        Error::NoContainer { kind, step, is_index } => {
            let step = if *is_index { format!("%!s(int={step})") } else { step.clone() };
            format!("Unsupported type: {kind} for item '{step}'")
        }
        Error::OutOfBounds { index } => format!("Index {index} out of bounds"),
        Error::Index { text, is_too_large } => {
            let reason = if *is_too_large { "value out of range" } else { "invalid syntax" };
            format!("strconv.Atoi: parsing {text:?}: {reason}")
        }
        Error::InRules { error, .. } => reference_words(error),
        Error::RulePath { message } => format!("can not compile regexp: error parsing regexp: {message}"),
        Error::RuleSelectors { .. } => RULE_SELECTORS.to_owned(),
        Error::RuleKeys { field, shown, wanted, found } => {
            let wanted = match *wanted {
                "a text in the list" => "string in list",
                _ => "string, []string, or nil",
            };
            format!("invalid {shown} key configuration: invalid {field} key configuration: expected {wanted}, got {found}")
        }
        other => other.to_string(),
    }
}

fn cipher_words(error: &CipherError) -> String {
    match error {
        CipherError::Format { found } => {
            format!("Input string {} does not match sops' data format", found.to_string_lossy())
        }
        CipherError::Base64 { part, at } => {
            format!("Error base64-decoding {part}: illegal base64 data at input byte {at}")
        }
        // There it would be used, and not fit.
        CipherError::Authentication | CipherError::Nonce { .. } => {
            "Could not decrypt with AES_GCM: cipher: message authentication failed".to_owned()
        }
        CipherError::Type { label } => format!("Unknown datatype: {label}"),
        other => other.to_string(),
    }
}
