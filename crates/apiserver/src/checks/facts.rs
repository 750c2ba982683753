//! What the checks of a container have to know of its pod.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::at::At;

/// A pod as its containers see it.
pub(super) struct Pod<'a> {
    /// The volumes that can be mounted.
    pub volumes: HashMap<&'a str, &'a Value>,
    /// Names of its resource claims.
    pub claims: Claims<'a>,
    /// False when it has users of its own.
    pub host_users: bool,
    /// When its containers are started again.
    pub restart: &'a str,
    /// Seconds it has to stop.
    pub grace: Option<i64>,
    /// Its operating system, when stated.
    pub system: &'a str,
}

/// Names of resource claims, in their order and to look them up.
pub(super) struct Claims<'a> {
    pub stated: Vec<&'a str>,
    pub known: HashSet<&'a str>,
}

impl<'a> Claims<'a> {
    pub(super) fn of(list: At<'a>) -> Self {
        let list = list.value.as_array().into_iter().flatten();
        let stated: Vec<&str> = list.filter_map(|claim| claim["name"].as_str()).collect();
        Self { known: stated.iter().copied().collect(), stated }
    }
}
