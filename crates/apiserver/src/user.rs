//! Who sends a request.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An authenticated (or anonymous) user.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Whether nobody knows who it is.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.is_in("system:unauthenticated")
    }

    /// Nobody in particular.
    pub(crate) fn anonymous() -> Self {
        Self {
            name: "system:anonymous".into(),
            groups: vec!["system:unauthenticated".into()],
            ..Self::default()
        }
    }

    /// A service account by name.
    pub(crate) fn service_account(namespace: &str, name: &str) -> Self {
        let groups = vec![
            "system:serviceaccounts".into(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".into(),
        ];
        Self { name: format!("system:serviceaccount:{namespace}:{name}"), groups, ..Self::default() }
    }

    /// True for those who may do everything.
    pub(crate) fn is_master(&self) -> bool {
        self.is_in("system:masters")
    }

    /// Whether the user is of a group.
    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|known| known == group)
    }

    /// The `userInfo` of reviews.
    pub(crate) fn to_json(&self) -> Value {
        let mut out = json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            out["uid"] = self.uid.as_str().into();
        }
        if !self.extra.is_empty() {
            out["extra"] = json!(self.extra);
        }
        out
    }
}
