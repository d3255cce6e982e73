//! Commands that were decided: what is told of them, and which are remembered. Pure.
//!
//! Invariant: of a key at most [`REMEMBERED`] commands are remembered, the last ones.

use chrono::{DateTime, Utc};
use std::borrow::Cow;
use uuid::Uuid;

/// How many commands of a key are remembered.
pub const REMEMBERED: usize = 64;
/// The rule against a command id that comes with another content.
pub const KEY_REUSED: &str = "idempotency_key_reused";

const ACCEPTED: &str = "accepted";
const UNCHANGED: &str = "unchanged";
const REJECTED: &str = "rejected";
const DUPLICATE: &str = "duplicate";

/// What is kept for a key: its state, and the commands that are remembered, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<S> {
    pub state: S,
    pub answered: Vec<AnsweredCommand>,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandDecided {
    pub event_id: Uuid,
    pub key: String,
    /// When the command was appended to the log.
    pub occurred_at: DateTime<Utc>,
    pub command_id: Uuid,
    /// Full name of the command's record type.
    pub command: String,
    pub content_hash: Uuid,
    pub verdict: Verdict,
}

/// Why a command is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// For programs; it never changes.
    pub rule: &'static str,
    /// For people.
    pub reason: Cow<'static, str>,
}

/// What was decided, in the words of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// accepted, unchanged (it was so already), rejected, or duplicate (decided before).
    pub decision: String,
    /// Rejected: which rule, for programs.
    pub rule: Option<String>,
    /// Rejected: why, for people.
    pub reason: Option<String>,
    /// Duplicate: what was decided the first time.
    pub first_decision: Option<String>,
}

impl Verdict {
    fn of(decision: &str) -> Self {
        Self { decision: decision.to_owned(), rule: None, reason: None, first_decision: None }
    }

    pub(super) fn accepted() -> Self {
        Self::of(ACCEPTED)
    }

    pub(super) fn unchanged() -> Self {
        Self::of(UNCHANGED)
    }

    pub(super) fn rejected(rejection: Rejection) -> Self {
        let Rejection { rule, reason } = rejection;
        Self { rule: Some(rule.to_owned()), reason: Some(reason.into_owned()), ..Self::of(REJECTED) }
    }

    pub(super) fn duplicate(first: &AnsweredCommand) -> Self {
        let AnsweredCommand { decision, rule, reason, .. } = first.clone();
        Self { rule, reason, first_decision: Some(decision), ..Self::of(DUPLICATE) }
    }
}

/// A command that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredCommand {
    pub command_id: Uuid,
    pub content_hash: Uuid,
    pub decision: String,
    pub rule: Option<String>,
    pub reason: Option<String>,
}

pub(super) fn key_reused() -> Rejection {
    let reason = "an idempotency key belongs to one request; this one came with another content before";
    Rejection { rule: KEY_REUSED, reason: Cow::Borrowed(reason) }
}

/// Only what the outcome tells decides it: a memory made anew from the topics must be the same.
pub(super) fn is_remembered(verdict: &Verdict, by_rule: impl Fn(&str) -> bool) -> bool {
    let rule = verdict.rule.as_deref();
    verdict.decision != DUPLICATE && rule != Some(KEY_REUSED) && rule.is_none_or(by_rule)
}

pub(super) fn remember(answered: &mut Vec<AnsweredCommand>, decided: CommandDecided) {
    let CommandDecided { command_id, content_hash, verdict: Verdict { decision, rule, reason, .. }, .. } = decided;
    answered.push(AnsweredCommand { command_id, content_hash, decision, rule, reason });
    let forgotten = answered.len().saturating_sub(REMEMBERED);
    answered.drain(..forgotten);
}
