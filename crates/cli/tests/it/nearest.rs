//! Under our own verbs the configuration nearest to a file counts.

use std::fs;
use std::path::Path;

use crate::sops::Desk;

/// A desk with a configuration in `clusters` and another in `clusters/a`, which encrypt different keys.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("clusters/a/apps")).unwrap();
    fs::create_dir_all(desk.path("clusters/b")).unwrap();
    let rules =
        |regex: &str| format!("creation_rules:\n  - age: {}\n    encrypted_regex: {regex}\n", desk.recipient);
    fs::write(desk.path("clusters/.sops.yaml"), rules("^far$")).unwrap();
    fs::write(desk.path("clusters/a/.sops.yaml"), rules("^near$")).unwrap();
    for name in ["clusters/a/apps/s.yaml", "clusters/b/s.yaml", "clusters/s.yaml"] {
        fs::write(desk.path(name), "near: 1\nfar: 2\n").unwrap();
    }
    desk
}

fn read(desk: &Desk, name: &str) -> String {
    fs::read_to_string(desk.path(name)).unwrap()
}

fn is_sealed(text: &str, key: &str) -> bool {
    text.contains(&format!("{key}: ENC["))
}

#[test]
fn the_nearest_configuration_counts_from_everywhere() {
    for dir in ["", "clusters", "clusters/b", "tmp"] {
        let desk = desk();
        let file = desk.path("clusters/a/apps/s.yaml");
        let call = |args: &[&str]| {
            let mut command = desk.command(args);
            let output = command.arg(&file).current_dir(desk.path(dir)).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        call(&["encrypt", "-i"]);
        let text = read(&desk, "clusters/a/apps/s.yaml");
        assert!(is_sealed(&text, "near") && !is_sealed(&text, "far"), "{text}");
        call(&["updatekeys", "--yes"]);
        call(&["decrypt", "-i"]);
        call(&["encrypt", "-i", "--config", &desk.path("clusters/.sops.yaml").display().to_string()]);
        let text = read(&desk, "clusters/a/apps/s.yaml");
        assert!(is_sealed(&text, "far") && !is_sealed(&text, "near"), "{text}");
    }
}

#[test]
fn each_file_of_a_directory_has_its_own() {
    let desk = desk();
    desk.text(&["encrypt", "-i", "--recursive", "clusters"]);
    for (name, key, other) in [
        ("clusters/a/apps/s.yaml", "near", "far"),
        ("clusters/b/s.yaml", "far", "near"),
        ("clusters/s.yaml", "far", "near"),
    ] {
        let text = read(&desk, name);
        assert!(is_sealed(&text, key) && !is_sealed(&text, other), "{name}: {text}");
    }
    let text = read(&desk, "clusters/a/.sops.yaml");
    assert!(!text.contains("sops:"), "a configuration is never encrypted");
}

#[test]
fn several_files_have_their_own_too() {
    let desk = desk();
    desk.text(&["encrypt", "-i", "clusters/a/apps/s.yaml", "clusters/b/s.yaml"]);
    assert!(is_sealed(&read(&desk, "clusters/a/apps/s.yaml"), "near"));
    assert!(is_sealed(&read(&desk, "clusters/b/s.yaml"), "far"));
}

#[test]
fn one_that_does_not_read_gives_way_to_none_farther_up() {
    let desk = desk();
    let nearest = desk.path("clusters/b/.sops.yaml");
    std::os::unix::fs::symlink("nowhere", &nearest).unwrap();
    let output = desk.run(&["encrypt", "-i", "clusters/b/s.yaml"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("clusters/b/.sops.yaml"), "{told}");
    assert_eq!(read(&desk, "clusters/b/s.yaml"), "near: 1\nfar: 2\n");
    // Files elsewhere have their own.
    let output = desk.run(&["encrypt", "-i", "--recursive", "clusters"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && told.contains("clusters/b/.sops.yaml"), "{told}");
    assert!(is_sealed(&read(&desk, "clusters/a/apps/s.yaml"), "near"), "{told}");
}

#[test]
fn a_stream_has_that_of_the_working_directory() {
    let desk = desk();
    let mut command =
        desk.command(&["encrypt", "--input-type", "yaml", "--output-type", "yaml", "/dev/stdin"]);
    let plain = fs::File::open(desk.path("clusters/s.yaml")).unwrap();
    let output = command.current_dir(desk.path("clusters/a")).stdin(plain).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(is_sealed(&text, "near"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn help_says_where_the_configuration_is_searched() {
    let desk = Desk::new();
    assert!(desk.text(&["encrypt", "--help"]).contains("The .sops.yaml nearest to a file counts"));
}

#[test]
fn sops_searches_from_the_working_directory() {
    let desk = desk();
    let encrypt = |dir: &Path| {
        let file = desk.path("clusters/a/apps/s.yaml");
        desk.command_as("sops", &["encrypt"]).arg(file).current_dir(dir).output().unwrap()
    };
    let output = encrypt(&desk.path("clusters/b"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && is_sealed(&text, "far") && !is_sealed(&text, "near"), "{text}");
    assert_eq!(encrypt(&desk.path("tmp")).status.code(), Some(1));
}

#[test]
fn what_comes_from_standard_input_has_the_configuration_of_its_name() {
    let desk = desk();
    let output = desk
        .command(&["encrypt", "--filename-override", "clusters/a/new.yaml"])
        .stdin(fs::File::open(desk.path("clusters/s.yaml")).unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && is_sealed(&text, "near") && !is_sealed(&text, "far"), "{text}");
}
