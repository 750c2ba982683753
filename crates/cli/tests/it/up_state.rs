//! What `sealfast up` says of a state that lost something, or takes no more.

use anyhow::Result;

use crate::person::{Person, need};
use crate::up::{SAMPLE, texts, up_once};

const STATE: &str = "state/cluster/state";

#[test]
fn what_a_power_cut_tore_off_is_told_without_a_log() -> Result<()> {
    need(&["bash"])?;
    let person = Person::new()?;
    let args = [SAMPLE, "--state", "state"];
    let (_, talk) = texts(&up_once(&person, &args)?);
    assert!(talk.contains("✔ kustomization flux-system/guide: ready"), "{talk}");
    assert!(!talk.contains("WARN") && !talk.contains("INFO"), "{talk}");
    person.sh(&format!("printf torn >> {STATE}"))?;
    let (_, talk) = texts(&up_once(&person, &args)?);
    let line = talk.lines().find(|line| line.contains("WARN")).unwrap_or_default();
    for part in ["the end of the state file was never flushed to the disk", "dropped=4", STATE] {
        assert!(line.contains(part), "no `{part}` in {talk}");
    }
    assert!(talk.contains("✔ kustomization flux-system/guide: ready"), "{talk}");
    Ok(())
}

#[test]
fn a_full_disk_is_told_without_a_log() -> Result<()> {
    need(&["bash"])?;
    let person = Person::new()?;
    let up = format!("exec sealfast up {SAMPLE} --once --state state --timeout 5s");
    let done = person.try_sh(&format!("trap '' XFSZ; ulimit -f 40; {up}"))?;
    let (_, talk) = texts(&done);
    assert!(!done.status.success(), "{talk}");
    let lines: Vec<&str> = talk.lines().filter(|line| line.contains("WARN")).collect();
    let wanted =
        ["a write was refused", "once there is room, writes are taken again", "File too large", STATE];
    assert_eq!(lines.len(), 1, "once, not for each write: {talk}");
    for part in wanted {
        assert!(lines[0].contains(part), "no `{part}` in {talk}");
    }
    Ok(())
}
