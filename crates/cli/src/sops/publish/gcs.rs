//! Buckets of Google Cloud Storage, by a token that is at hand.

use crate::env;
use crate::sops::publish::{client, percent, send};
use crate::sops::stop::Stop;

const HOST: &str = "https://storage.googleapis.com";

/// Uploads one object whole.
pub(super) fn put(bucket: &str, key: &str, content: Vec<u8>) -> Result<(), Stop> {
    let emulator = env::STORAGE_EMULATOR_HOST.text();
    let token = env::GOOGLE_OAUTH_ACCESS_TOKEN.text();
    if token.is_none() && emulator.is_none() {
        return Err(Stop::new("there is no access token for Google Cloud Storage")
            .hint("export GOOGLE_OAUTH_ACCESS_TOKEN=$(gcloud auth print-access-token)"));
    }
    let host = match emulator {
        Some(host) if host.contains("://") => host,
        Some(host) => format!("http://{host}"),
        None => HOST.to_owned(),
    };
    let url = format!(
        "{}/upload/storage/v1/b/{}/o?uploadType=media&name={}",
        host.trim_end_matches('/'),
        percent(bucket, false),
        percent(key, false)
    );
    let mut request = client()?.post(url).header("Content-Type", "application/octet-stream").body(content);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    send(request, &format!("gcs://{bucket}/{key}")).map(drop)
}
