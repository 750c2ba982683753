//! GET of one object.

use super::Call;
use crate::http::Answer;
use crate::status_error::Status;

/// The object, in the form asked for.
pub(crate) fn one(call: &Call<'_>) -> Result<Answer, Status> {
    let stored = call.existing()?;
    Ok(call.answer(200, call.shown(stored.object())))
}
