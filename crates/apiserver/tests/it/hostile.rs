//! What must hold for any input: the laws that the fuzz targets try.

use sealfast_apiserver::engine::{self, Patch};
use serde_json::Value;

/// `{"object": …, "json": […], "merge": …, "strategic": …}`.
pub(crate) fn patches(input: &[u8]) {
    let Some(case) = read(input) else { return };
    let object = &case["object"];
    let _ = engine::patched(Patch::Json, object, &case["json"]);
    for (kind, patch) in [(Patch::Merge, &case["merge"]), (Patch::Strategic, &case["strategic"])] {
        let Ok(once) = engine::patched(kind, object, patch) else { continue };
        if kind == Patch::Merge {
            let twice = engine::patched(kind, &once, patch).expect("it was taken before");
            assert_eq!(once, twice, "a merge patch changes nothing the second time");
        }
    }
}

/// `{"live": …, "configuration": …}`: a second apply of the same configuration changes nothing.
pub(crate) fn applies(input: &[u8]) {
    let Some(case) = read(input) else { return };
    let configuration = &case["configuration"];
    if !configuration.is_object() {
        return;
    }
    let live = case.get("live").filter(|live| live.is_object());
    let Ok(once) = engine::applied(live, configuration, "fuzz") else { return };
    let twice = engine::applied(Some(&once), configuration, "fuzz").expect("nothing is in its way now");
    assert_eq!(once, twice);
}

/// Two lines, label and field selectors, and an object behind them.
pub(crate) fn selectors(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.splitn(3, '\n');
    let (labels, fields) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let object = parts.next().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let _ = engine::selects(labels, fields, &object);
}

/// The body of a request.
pub(crate) fn protobuf(input: &[u8]) {
    if let Ok(object) = engine::from_protobuf(input) {
        assert!(object.is_object());
    }
}

/// `{"schema": …, "object": …, "old": …}`: what defaults and pruning made stays as it is.
pub(crate) fn schemas(input: &[u8]) {
    let Some(case) = read(input) else { return };
    if !engine::schema_faults(&case["schema"]).is_empty() {
        return;
    }
    let mut object = case["object"].clone();
    let found = engine::checked(&case["schema"], &mut object, case.get("old"));
    let mut again = object.clone();
    assert_eq!(found, engine::checked(&case["schema"], &mut again, case.get("old")));
    assert_eq!(object, again, "an object that was pruned and defaulted stays as it is");
}

fn read(input: &[u8]) -> Option<Value> {
    serde_json::from_slice(input).ok()
}
