//! GET of one object.

use crate::call::Call;
use crate::http::Answer;
use crate::status_error::Status;

/// The object, in the form asked for, once the store has reached the version asked for.
pub(crate) async fn one(call: &Call<'_>) -> Result<Answer, Status> {
    let version = call.request.query.text("resourceVersion");
    if !version.is_empty() && version != "0" {
        let wanted = version.parse().map_err(|_| Status::internal(super::list::unreadable(version)))?;
        super::list::reach(&call.app.store, wanted).await?;
    }
    Ok(call.answer_stored(200, &call.existing()?))
}
