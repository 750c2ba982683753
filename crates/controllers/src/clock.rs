//! The time of day as objects hold it.

/// Now, in whole seconds: conditions, artifacts, events, histories.
pub(crate) fn now() -> String {
    seconds(jiff::Timestamp::now())
}

/// A time in whole seconds.
pub(crate) fn seconds(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Now, in microseconds: leases.
pub(crate) fn micros() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
