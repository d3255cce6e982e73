//! How a wish is to be answered: how long to wait for its outcome, whether at all, and which request it is.
//!
//! An `Idempotency-Key` makes the ids of the command and of what it creates, so a request that is sent again asks for the
//! same. There are no accounts here: a key is everybody's, so it should be a UUID.

use crate::http::{
    names::{DEFAULT_WAIT_MS, MAX_WAIT_MS, WAIT_MS},
    parameters::Parameters,
};
use axum::http::HeaderMap;
use foldstream_log::{Violation, derived_event_id, new_event_id};
use std::time::Duration;
use tokio::time::Instant;
use utoipa::IntoParams;
use uuid::Uuid;

const KEY: &str = "idempotency-key";
const PREFER: &str = "prefer";

/// For the documentation: what every wish takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct CommandParameters {
    /// How long to wait for the outcome, in milliseconds
    #[param(minimum = 0, maximum = 30000, default = 2000)]
    wait_ms: Option<u32>,
}

/// The same of its headers.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct CommandHeaders {
    /// Names this request, so that it can be sent again: 1 to 255 visible characters, better a UUID. For seven days it is
    /// answered as the first time, whatever came in between, and the same key with another content is 422. Of one id 1000
    /// requests are remembered; where there is no room, the next one is 409 until the oldest is seven days old
    #[param(rename = "Idempotency-Key", example = "8e03978e-40d5-43dd-bc93-6894a57f9324")]
    idempotency_key: Option<String>,
    /// `respond-async`: not to wait at all
    #[param(rename = "Prefer", example = "respond-async")]
    prefer: Option<String>,
}

/// How a wish is to be answered.
#[derive(Debug)]
pub(crate) struct Preferences {
    pub(crate) deadline: Instant,
    pub(crate) respond_async: bool,
    key: Option<String>,
}

impl Preferences {
    pub(crate) fn read(parameters: &mut Parameters, headers: &HeaderMap) -> Self {
        let wait = Duration::from_millis(parameters.number(WAIT_MS, 0..=MAX_WAIT_MS, DEFAULT_WAIT_MS));
        let key = parameters.check(idempotency_key(headers)).flatten();
        let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let respond_async =
            preferences.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case("respond-async"));
        Self { deadline: Instant::now() + wait, respond_async, key }
    }

    /// Of one who sends nothing and waits for an outcome.
    pub(crate) fn only_waiting(deadline: Instant) -> Self {
        Self { deadline, respond_async: false, key: None }
    }

    /// The id of the command: the same whenever the same key wishes the same.
    pub(crate) fn command_id(&self, wish: &str) -> Uuid {
        self.derived(&format!("command/{wish}"))
    }

    /// The id of what the command creates: the same whenever the same key asks for such a thing.
    pub(crate) fn id_of(&self, noun: &str) -> Uuid {
        self.derived(noun)
    }

    fn derived(&self, what: &str) -> Uuid {
        self.key.as_ref().map_or_else(new_event_id, |key| derived_event_id(&format!("{what}/{key}")))
    }
}

/// The same, for the description: a pair of quotes alone has nothing in it.
pub(crate) const KEY_PATTERN: &str = r#"^(?!""$)[!-~]{1,255}$"#;

/// As a structured string (`"…"`) or plain.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Violation> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text);
    if (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(key.to_owned()));
    }
    Err(Violation::new("Idempotency-Key", &text, "an idempotency key has 1 to 255 visible ASCII characters"))
}
