//! Auditing: machines whose owner wants every use of a data key recorded.
//!
//! `sops` writes these records into PostgreSQL. Here nothing can, so that nothing is done unrecorded.
//!
//! Follows: `audit/audit.go` of sops 3.13.2, in when it looks and where. Differs: it refuses.

use std::path::Path;

use crate::sops::stop::Stop;

/// Where the owner of a machine asks for it.
const CONFIGURATION: &str = "/etc/sops/audit.yaml";

/// Fails where uses of data keys must be recorded.
pub(super) fn refuse() -> Result<(), Stop> {
    refuse_for(Path::new(CONFIGURATION))
}

fn refuse_for(configuration: &Path) -> Result<(), Stop> {
    if !configuration.exists() {
        return Ok(());
    }
    let shown = configuration.display();
    Err(Stop::new(format!(
        "`{shown}` asks for a record of what is encrypted and decrypted, and this version keeps none"
    ))
    .hint(format!("use `sops` on this machine, or ask its owner to remove `{shown}`")))
}

#[cfg(test)]
mod tests {
    use super::refuse_for;

    #[test]
    fn a_machine_that_is_audited_is_not_worked_on() {
        let dir = tempfile::tempdir().expect("makes a directory");
        let file = dir.path().join("audit.yaml");
        assert!(refuse_for(&file).is_ok());
        std::fs::write(&file, "").expect("writes");
        assert!(
            refuse_for(&file)
                .is_err_and(|stop| stop.message(crate::sops::Presentation::AsSops).contains("audit.yaml"))
        );
    }
}
