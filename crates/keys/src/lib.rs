//! Master keys: wrap and unwrap a data key.
