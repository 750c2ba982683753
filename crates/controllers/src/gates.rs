//! Feature gates: behaviour that is switched, by Flux's names and defaults.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::error::Error;

/// One switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// A `readyExpr` is asked beside the built-in check, not in its place.
    AdditiveCELDependencyCheck,
    /// Secrets and ConfigMaps may be cached. They never are here.
    CacheSecretsAndConfigMaps,
    /// A wait for health ends when there is something new to apply.
    CancelHealthCheckOnNewRevision,
    /// Secrets and ConfigMaps are not watched.
    DisableConfigWatchers,
    /// A wait for health goes on after the first failure.
    DisableFailFastBehavior,
    /// The status of objects is read without a cache. It always is here.
    DisableStatusPollerCache,
    /// Sources are read from the API server. They always are here.
    DirectSourceFetch,
    /// Kustomizations may name an ExternalArtifact.
    ExternalArtifact,
    /// The log groups changes by what was done.
    GroupChangeLog,
    /// Field managers' entries move to the version that is applied.
    MigrateAPIVersion,
    /// Objects may name service accounts for key services and clouds.
    ObjectLevelWorkloadIdentity,
    /// A variable that is not set is an error.
    StrictPostBuildSubstitutions,
}

const ALL: [(&str, Gate); 12] = [
    ("AdditiveCELDependencyCheck", Gate::AdditiveCELDependencyCheck),
    ("CacheSecretsAndConfigMaps", Gate::CacheSecretsAndConfigMaps),
    ("CancelHealthCheckOnNewRevision", Gate::CancelHealthCheckOnNewRevision),
    ("DisableConfigWatchers", Gate::DisableConfigWatchers),
    ("DisableFailFastBehavior", Gate::DisableFailFastBehavior),
    ("DisableStatusPollerCache", Gate::DisableStatusPollerCache),
    ("DirectSourceFetch", Gate::DirectSourceFetch),
    ("ExternalArtifact", Gate::ExternalArtifact),
    ("GroupChangeLog", Gate::GroupChangeLog),
    ("MigrateAPIVersion", Gate::MigrateAPIVersion),
    ("ObjectLevelWorkloadIdentity", Gate::ObjectLevelWorkloadIdentity),
    ("StrictPostBuildSubstitutions", Gate::StrictPostBuildSubstitutions),
];

/// The switches that are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates(BTreeSet<Gate>);

impl Default for Gates {
    fn default() -> Self {
        Gates([Gate::DisableStatusPollerCache, Gate::StrictPostBuildSubstitutions].into())
    }
}

impl Gates {
    /// Whether a switch is on.
    pub fn has(&self, gate: Gate) -> bool {
        self.0.contains(&gate)
    }

    /// The same, with one more on.
    #[must_use]
    pub fn with(mut self, gate: Gate) -> Gates {
        self.0.insert(gate);
        self
    }
}

/// Reads `Name=true,Other=false`; what is not named keeps its default.
impl FromStr for Gates {
    type Err = Error;

    fn from_str(text: &str) -> Result<Gates, Error> {
        let mut gates = Gates::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let refused = || Error::Gate { text: part.to_owned() };
            let (name, value) = part.split_once('=').ok_or_else(refused)?;
            let gate = ALL.iter().find(|(known, _)| *known == name.trim()).ok_or_else(refused)?.1;
            match value.trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => gates.0.insert(gate),
                "false" | "f" | "0" => gates.0.remove(&gate),
                _ => return Err(refused()),
            };
        }
        Ok(gates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_switch_and_unknown_ones_are_refused() {
        let gates: Gates =
            "ExternalArtifact=true, StrictPostBuildSubstitutions=false".parse().unwrap_or_default();
        assert!(gates.has(Gate::ExternalArtifact) && !gates.has(Gate::StrictPostBuildSubstitutions));
        assert_eq!("".parse::<Gates>().ok(), Some(Gates::default()));
        for wrong in ["Unknown=true", "ExternalArtifact", "ExternalArtifact=maybe"] {
            assert!(wrong.parse::<Gates>().is_err(), "{wrong}");
        }
    }
}
