//! The in-memory view: links, and that none leads out.

use sealfast_kustomize::files::{Entry, FileError, Files, Memory, is_within, join, relative};

fn tree() -> Memory {
    let mut files = Memory::new();
    files.insert("/app/real/c.yaml", "x");
    files.insert_link("/app/link.yaml", "real/c.yaml");
    files.insert_link("/app/dir", "real");
    files.insert_link("/app/out", "../../etc/passwd");
    files.insert_link("/app/absolute", "/etc/passwd");
    files.insert_link("/app/loop", "loop");
    files
}

#[test]
fn links_are_followed() {
    let files = tree();
    assert_eq!(files.resolve("/app/link.yaml").unwrap(), ("/app/real/c.yaml".to_owned(), Entry::File));
    assert_eq!(files.resolve("/app/dir").unwrap(), ("/app/real".to_owned(), Entry::Directory));
    assert_eq!(files.read("/app/dir/c.yaml").unwrap(), b"x");
    assert_eq!(files.list("/app").unwrap(), ["absolute", "dir", "link.yaml", "loop", "out", "real"]);
}

#[test]
fn no_link_leaves_the_tree() {
    let files = tree();
    for path in ["/app/out", "/app/absolute"] {
        let error = files.read(path).unwrap_err();
        assert!(matches!(error, FileError::Outside { .. }), "{error}");
        assert!(error.to_string().starts_with("fs-security-constraint read"), "{error}");
    }
    assert!(matches!(files.read("/app/loop"), Err(FileError::Loop { .. })));
    assert!(matches!(files.read("/app/real"), Err(FileError::IsDirectory { .. })));
    assert!(matches!(files.read("/gone"), Err(FileError::Missing { .. })));
}

#[test]
fn paths_are_cleaned() {
    assert_eq!(join("/a/b", "../c/./d"), "/a/c/d");
    assert_eq!(join("/a", "/x"), "/x");
    assert_eq!(join("/", "../.."), "/");
    assert!(is_within("/a/b", "/a") && is_within("/a", "/a") && !is_within("/ab", "/a"));
    assert_eq!(relative("/a/b", "/a/c/d"), "../c/d");
    assert_eq!(relative("/a", "/a"), ".");
}
