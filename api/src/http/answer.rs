//! How an answer is put together.

use crate::http::problem::Problem;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, content: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(content).map_err(|error| Problem::Internal { cause: Arc::new(error) })?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer whose content is what this event made it; 304 when the client has it already.
pub(crate) fn tagged(headers: &HeaderMap, event_id: Uuid, content: &impl Serialize) -> Result<Response, Problem> {
    // Weak, because compression changes the bytes.
    let tag = format!("W/\"{event_id}\"");
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == tag || known.trim() == "*");
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json(StatusCode::OK, content)?,
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let event_id = Uuid::from_u128(7);
        let mut headers = HeaderMap::new();
        let first = tagged(&headers, event_id, &1).unwrap();
        assert_eq!(first.status(), 200);
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        headers.insert("if-none-match", format!("\"other\", {tag}").parse().unwrap());
        assert_eq!(tagged(&headers, event_id, &1).unwrap().status(), 304);
        assert_eq!(tagged(&headers, Uuid::from_u128(8), &1).unwrap().status(), 200);
    }
}
