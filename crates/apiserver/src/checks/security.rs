//! Security contexts of pods and containers.

use std::collections::HashSet;

use super::at::At;
use crate::causes::Causes;
use crate::grammar::inner_path;

/// The context of a pod.
pub(super) fn of_pod(at: At<'_>, spec: At<'_>, out: &mut Causes) {
    for key in ["fsGroup", "runAsUser", "runAsGroup"] {
        out.extend(at.get(key).between(0, i64::from(i32::MAX)));
    }
    for group in at.get("supplementalGroups").items() {
        out.extend(group.between(0, i64::from(i32::MAX)));
    }
    if spec.get("shareProcessNamespace").is_true() && spec.get("hostPID").is_true() {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        out.push(at.with("shareProcessNamespace", &true.into()).invalid(why));
    }
    sysctls(at.get("sysctls"), spec, out);
    out.extend(at.get("fsGroupChangePolicy").one_of(&["Always", "OnRootMismatch"]));
    seccomp(at.get("seccompProfile"), out);
    app_armor(at.get("appArmorProfile"), out);
    out.extend(at.get("supplementalGroupsPolicy").one_of(&["Merge", "Strict"]));
    out.extend(at.get("seLinuxChangePolicy").one_of(&["Recursive"]));
}

/// The context of a container.
pub(super) fn of_container(at: At<'_>, host_users: bool, out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    for key in ["runAsUser", "runAsGroup"] {
        out.extend(at.get(key).between(0, i64::from(i32::MAX)));
    }
    let mount = at.get("procMount");
    out.extend(mount.one_of(&["Default", "Unmasked"]));
    if host_users && mount.text() == "Unmasked" {
        out.push(mount.invalid("`hostUsers` must be false to use `Unmasked`"));
    }
    seccomp(at.get("seccompProfile"), out);
    if at.get("allowPrivilegeEscalation").value.as_bool() == Some(false) {
        escalation(at, out);
    }
    app_armor(at.get("appArmorProfile"), out);
}

fn escalation(at: At<'_>, out: &mut Causes) {
    if at.get("privileged").is_true() {
        out.push(at.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
    }
    for right in at.get("capabilities").get("add").items() {
        if right.text() == "CAP_SYS_ADMIN" {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            out.push(at.invalid(why));
        }
    }
}

fn sysctls(list: At<'_>, spec: At<'_>, out: &mut Causes) {
    let mut seen = HashSet::new();
    for sysctl in list.items() {
        let name = sysctl.get("name");
        let is_new = seen.insert(sysctl.text_of("name"));
        if name.is_empty() {
            out.push(name.required(""));
        } else if !is_sysctl(name.text()) {
            out.push(name.invalid(SYSCTL));
        } else if !is_new {
            out.push(name.duplicate());
        }
        let plain = name.text().replace('/', ".");
        let (net, ipc) = (plain.starts_with("net."), IPC.iter().any(|start| plain.starts_with(start)));
        for (ours, host) in [(net, "hostNetwork"), (ipc, "hostIPC")] {
            if ours && spec.get(host).is_true() {
                out.push(name.invalid(&format!("may not be specified when '{host}' is true")));
            }
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let edge =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte);
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
    };
    name.len() <= 253 && name.split(['.', '/']).all(part)
}

fn seccomp(at: At<'_>, out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    let (kind, profile) = (at.get("type"), at.get("localhostProfile"));
    if kind.is_empty() {
        out.push(kind.required("type is required when seccompProfile is set"));
    } else {
        out.extend(kind.one_of(&PROFILES));
    }
    match (kind.text() == "Localhost", profile.is_set()) {
        (true, true) => out.extend(profile.each(inner_path(profile.text()))),
        (true, false) => out.push(profile.required("must be set when seccomp type is Localhost")),
        (false, true) => {
            let why = "can only be set when seccomp type is Localhost";
            out.push(profile.wrong(at.value.clone(), why));
        }
        (false, false) => {}
    }
}

fn app_armor(at: At<'_>, out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    let (kind, profile) = (at.get("type"), at.get("localhostProfile"));
    match kind.text() {
        "Localhost" if profile.text().trim() != profile.text() => {
            out.push(profile.invalid("must not be padded with whitespace"));
        }
        "Localhost" if profile.is_empty() => {
            out.push(profile.required("must be set when AppArmor type is Localhost"));
        }
        "RuntimeDefault" | "Unconfined" if profile.is_set() => {
            out.push(profile.invalid("can only be set when AppArmor type is Localhost"));
        }
        "" => out.push(kind.required("type is required when appArmorProfile is set")),
        _ => out.extend(kind.one_of(&PROFILES)),
    }
}

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const IPC: [&str; 4] = ["kernel.sem", "kernel.shm", "kernel.msg", "fs.mqueue."];
const SYSCTL: &str = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
