//! Several programs that change one file at once lose nothing.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use sealfast_testkit::program;

use crate::sops::Desk;

#[test]
fn runs_at_the_same_time_wait_for_each_other() {
    const KEYS: usize = 20;
    for as_sops in [false, true] {
        let desk = Desk::new();
        fs::write(desk.path(".sops.yaml"), format!("creation_rules:\n  - age: {}\n", desk.recipient))
            .unwrap();
        desk.encrypted("a.yaml", "first: one\n");
        let call = |args: &[&str]| -> Child {
            let mut command = if as_sops { desk.command_as("sops", args) } else { desk.command(args) };
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut children: Vec<Child> = (0..KEYS)
            .map(|number| call(&["set", "a.yaml", &format!("[\"key{number}\"]"), &number.to_string()]))
            .collect();
        children.push(call(&["rotate", "-i", "a.yaml"]));
        children.push(call(&["updatekeys", "--yes", "a.yaml"]));
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let plain = desk.text(&["decrypt", "a.yaml"]);
        assert_eq!(plain.lines().count(), KEYS + 1, "{plain}");
        assert!((0..KEYS).all(|number| plain.contains(&format!("key{number}: {number}\n"))), "{plain}");
    }
}

#[test]
fn one_of_two_encryptions_finds_it_done() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    let args = ["encrypt", "-i", "--age", &desk.recipient, "a.yaml"];
    let start = || desk.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    let children = [start(), start()];
    let mut codes = children.map(|child| child.wait_with_output().unwrap().status.code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(203)]);
    assert_eq!(desk.text(&["decrypt", "a.yaml"]), "a: one\n");
}

#[test]
fn what_another_program_wrote_meanwhile_is_not_overwritten() {
    for args in [
        &["set", "a.yaml", "[\"a\"]", "\"two\""][..],
        &["unset", "a.yaml", "[\"a\"]"],
        &["rotate", "-i", "a.yaml"],
        &["decrypt", "-i", "a.yaml"],
        &["rotate", "--output", "a.yaml", "a.yaml"],
        &["encrypt", "--reuse", "a.yaml", "--output", "a.yaml", "p.yaml"],
        &["set", "a.yaml", "b.yaml", "[\"a\"]", "\"two\""],
    ] {
        let desk = Desk::new();
        desk.encrypted("b.yaml", "a: one\n");
        let file = desk.encrypted("a.yaml", "a: one\n");
        fs::write(desk.path("p.yaml"), "a: three\n").unwrap();
        // It is asked for the identity once the file was read.
        let script = "grep -q theirs a.yaml || echo '# theirs' >> a.yaml\ncat keys.txt\n";
        fs::write(desk.path("identity.sh"), script).unwrap();
        let mut command = desk.command(args);
        command.env_remove("SOPS_AGE_KEY_FILE").env("SOPS_AGE_KEY_CMD", "sh identity.sh");
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let is_batch = args.contains(&"b.yaml");
        assert_eq!(output.status.code(), Some(if is_batch { 1 } else { 3 }), "{args:?}: {told}");
        assert!(told.contains("a.yaml was changed by another program since it was read"), "{told}");
        assert!(told.contains("hint: nothing was written"), "{told}");
        assert!(fs::read_to_string(&file).unwrap().ends_with("# theirs\n"), "{args:?}");
        let other = if is_batch { "a: two\n" } else { "a: one\n" };
        assert_eq!(desk.text(&["decrypt", "b.yaml"]), other, "a file that nobody else changed is written");
    }
}

#[test]
fn old_spellings_wait_for_nobody_but_others() {
    for mode in ["-d", "-e", "-r"] {
        let desk = Desk::new();
        let rules = format!("creation_rules:\n  - age: {}\n", desk.recipient);
        fs::write(desk.path(".sops.yaml"), rules).unwrap();
        desk.encrypted("a.yaml", "a: one\n");
        let args = [mode, "-i", "--set", "[\"a\"] \"two\"", "a.yaml"];
        let child = desk.command_as("sops", &args).stderr(Stdio::null()).spawn().unwrap();
        assert!(program::ended(child).unwrap().success(), "{args:?}");
        assert_eq!(desk.text(&["decrypt", "a.yaml"]), "a: two\n");
    }
}

#[test]
fn a_run_that_waits_says_so_and_goes_on_afterwards() {
    let desk = Desk::new();
    let file = fs::File::open(desk.encrypted("a.yaml", "a: one\n")).unwrap();
    file.lock().unwrap();
    let child = desk.command(&["set", "a.yaml", "[\"a\"]", "2"]).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    file.unlock().unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("waiting for another run that changes "), "{told}");
    assert_eq!(desk.text(&["decrypt", "a.yaml"]), "a: 2\n");
}

/// Stands in for `gpg`, which takes the half of a trust database for a corrupted one: it takes a while to make it.
const GPG: &str = "\
#!/bin/sh
home=\"${GNUPGHOME:-$HOME/.gnupg}\"
trust=\"$home/trustdb.gpg\"
mkdir -p \"$home\"
if [ ! -s \"$trust\" ]; then
    [ -e \"$trust\" ] && { echo 'gpg: fatal: trustdb is corrupted' >&2; exit 2; }
    : > \"$trust\"
    sleep 0.3
    echo made > \"$trust\"
else
    echo started >> \"$trust.log\"
    sleep 0.5
    echo ended >> \"$trust.log\"
fi
cat
";

#[test]
fn the_first_use_of_a_new_gpg_home_goes_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    for (home, is_there) in [(None, true), (Some("keys"), true), (None, false)] {
        let desk = Desk::new();
        fs::write(desk.path("gpg.sh"), GPG).unwrap();
        fs::set_permissions(desk.path("gpg.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        let folder = desk.path(home.unwrap_or(".gnupg"));
        if is_there {
            fs::create_dir(&folder).unwrap();
        }
        fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
        let start = || {
            let mut command = desk.command(&["encrypt", "--pgp", "AAAA,BBBB,CCCC", "a.yaml"]);
            command.env("SOPS_GPG_EXEC", desk.path("gpg.sh")).stdout(Stdio::null()).stderr(Stdio::piped());
            if home.is_some() {
                command.env("GNUPGHOME", &folder);
            }
            command.spawn().unwrap()
        };
        for child in [start(), start()] {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let log = fs::read_to_string(folder.join("trustdb.gpg.log")).unwrap();
        assert_eq!(log.lines().count(), 10, "{log}");
        assert!(log.starts_with("started\nstarted\n"), "later ones go side by side: {log}");
        let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert!(is_there || mode == 0o700, "{mode:o}");
    }
}
