//! The inventory: which objects a Kustomization applied.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::id::{GroupVersionKind, ObjectId};

/// `status.inventory` of a Kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// One entry an object.
    pub entries: Vec<Entry>,
}

/// One object in an inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// `namespace_name_group_kind`; colons in a name are doubled underscores.
    pub id: String,
    /// API version without its group.
    pub v: String,
}

impl Entry {
    /// Returns the entry of an object.
    #[must_use]
    pub fn of(id: &ObjectId) -> Self {
        let name = id.name.replace(':', "__");
        Self {
            id: format!("{}_{name}_{}_{}", id.namespace, id.gvk.group, id.gvk.kind),
            v: id.gvk.version.clone(),
        }
    }

    /// Returns the object's identity.
    ///
    /// # Errors
    ///
    /// [`Error::InventoryId`] when the id does not have four parts.
    pub fn object_id(&self) -> Result<ObjectId, Error> {
        let refused = || Error::InventoryId { id: self.id.clone() };
        let (namespace, rest) = self.id.split_once('_').ok_or_else(refused)?;
        let (rest, kind) = rest.rsplit_once('_').ok_or_else(refused)?;
        let (name, group) = rest.rsplit_once('_').ok_or_else(refused)?;
        if name.is_empty() || kind.is_empty() {
            return Err(refused());
        }
        Ok(ObjectId {
            gvk: GroupVersionKind::new(group, self.v.clone(), kind),
            namespace: namespace.to_owned(),
            name: name.replace("__", ":"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_there_and_back() {
        let id = ObjectId {
            gvk: GroupVersionKind::new("rbac.authorization.k8s.io", "v1", "ClusterRole"),
            namespace: String::new(),
            name: "system:reader".to_owned(),
        };
        let entry = Entry::of(&id);
        assert_eq!(entry.id, "_system__reader_rbac.authorization.k8s.io_ClusterRole");
        assert_eq!(entry.object_id(), Ok(id));
        assert!(Entry { id: "x_y".to_owned(), v: "v1".to_owned() }.object_id().is_err());
    }
}
