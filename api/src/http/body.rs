//! Request bodies: bounded bytes, in time -> JSON. What is in it is judged in `fields.rs`.
//!
//! Never more than 4 MiB are kept; a longer body is refused, after it was read and thrown away where that is needed
//! for the refusal to arrive.

use crate::http::{names::MISSING, problem::Problem};
use axum::{body::Body, extract::Request, http::header};
use bytes::Bytes;
use foldstream_log::Violation;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// Ten thousand locations fit three times.
pub(crate) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// A body that is too large is read on up to here, so that the refusal reaches clients that first send everything.
const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The body as JSON.
pub(crate) async fn read_json(request: Request) -> Result<Value, Problem> {
    let headers = request.headers();
    if let Some(found) = headers.get(header::CONTENT_TYPE)
        && !is_json(found.to_str().unwrap_or_default())
    {
        let found: String = String::from_utf8_lossy(found.as_bytes()).chars().take(100).collect();
        return Err(Problem::UnsupportedMediaType { found });
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    // A client that asked for leave, or sends more than we care to throw away, is refused at once.
    let at_once = headers.contains_key(header::EXPECT) || announced.is_some_and(|bytes| bytes > MAX_DISCARDED_BYTES);
    if at_once && announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES) {
        return Err(Problem::BodyTooLarge { limit: MAX_BODY_BYTES });
    }
    let bytes = timeout(BODY_TIMEOUT, read(request.into_body()));
    let bytes = bytes.await.map_err(|_| Problem::BodyTooSlow(BODY_TIMEOUT))??;
    serde_json::from_slice(&bytes).map_err(|error| {
        let start = bytes.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
        let around = String::from_utf8_lossy(&start[error.column().saturating_sub(20).min(start.len())..]).into_owned();
        let value = if around.is_empty() { MISSING.to_owned() } else { around.chars().take(40).collect() };
        Problem::InvalidRequest(vec![Violation::new("body", value, format!("the body is JSON: {error}"))])
    })
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let mut body = Limited::new(body, MAX_DISCARDED_BYTES);
    let mut kept = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match length > MAX_BODY_BYTES || error.is::<LengthLimitError>() {
            true => Problem::BodyTooLarge { limit: MAX_BODY_BYTES },
            false => {
                let sent = format!("{length} bytes");
                Problem::InvalidRequest(vec![Violation::new("body", sent, "a body is sent to its end")])
            }
        })?;
        if let Ok(data) = frame.into_data() {
            length += data.len();
            if length <= MAX_BODY_BYTES {
                kept.extend_from_slice(&data);
            } else {
                kept = Vec::new();
            }
        }
    }
    match length > MAX_BODY_BYTES {
        true => Err(Problem::BodyTooLarge { limit: MAX_BODY_BYTES }),
        false => Ok(kept.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(content_type: &str, body: impl Into<Body>) -> Problem {
        let request = Request::builder().header("content-type", content_type).body(body.into()).unwrap();
        read_json(request).await.unwrap_err()
    }

    #[tokio::test]
    async fn bodies_that_are_not_json() {
        assert!(matches!(refused("text/plain", "{}").await, Problem::UnsupportedMediaType { .. }));
        for body in ["", "{", "{\"a\": }", "nonsense", "{} trailing", "\u{0}"] {
            let Problem::InvalidRequest(violations) = refused("application/json; charset=utf-8", body).await else {
                panic!("{body}");
            };
            assert_eq!(violations[0].field, "body");
            assert!(violations[0].rule.contains("line 1 column"), "{violations:?}");
        }
        assert!(matches!(refused("application/json", vec![0xff, 0xfe]).await, Problem::InvalidRequest(_)));
    }

    #[tokio::test]
    async fn a_body_too_large_is_refused_and_one_that_fits_is_not() {
        let fits = format!("\"{}\"", "x".repeat(MAX_BODY_BYTES - 2));
        assert!(read_json(Request::new(Body::from(fits.clone()))).await.is_ok());
        assert!(matches!(refused("application/json", format!(" {fits}")).await, Problem::BodyTooLarge { .. }));
        assert!(matches!(refused("application/json", vec![b' '; 65 << 20]).await, Problem::BodyTooLarge { .. }));
    }
}
