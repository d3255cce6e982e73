//! Commands that were decided: what is told of them, and which are remembered. Pure.
//!
//! Invariant: a command is remembered for [`REMEMBERED_FOR`], by the times at which commands were appended to the log, and of
//! a key at most [`MOST_REMEMBERED`] are. None is forgotten before its time to make room: what would need more is refused.

use chrono::{DateTime, TimeDelta, Utc};
use foldstream_log::derived_event_id;
use std::borrow::Cow;
use uuid::Uuid;

/// How long a command is remembered: as long as commands and outcomes lie in the log.
pub const REMEMBERED_FOR: TimeDelta = TimeDelta::days(7);
/// How many commands of a key are remembered at most: about 100 KB of its state.
pub const MOST_REMEMBERED: usize = 1000;
/// The rule against a command id that comes with another content.
pub const KEY_REUSED: &str = "idempotency_key_reused";

/// The rule against a command for which there is no room in the memory of its key.
pub const TOO_MANY_COMMANDS: &str = "too_many_commands";

const ACCEPTED: &str = "accepted";
const UNCHANGED: &str = "unchanged";
const REJECTED: &str = "rejected";
const DUPLICATE: &str = "duplicate";

/// What is kept for a key: its state, and the commands that are remembered, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// When the command was appended to the log; none where a program kept it that remembered by number alone.
    pub appended_at: Option<DateTime<Utc>>,
}

/// What is kept of the content of a command. Salted with its id, so that equal contents, of whomever, have nothing in common.
pub(super) fn content_hash(command_id: Uuid, content: &str) -> Uuid {
    derived_event_id(&format!("{command_id}/{content}"))
}

/// Whether a command that comes again has the content it had the first time.
pub(super) fn is_the_same(first: &AnsweredCommand, content: &str) -> bool {
    // Programs before this one kept the hash of the content alone.
    first.content_hash == content_hash(first.command_id, content) || first.content_hash == derived_event_id(content)
}

pub(super) fn key_reused() -> Rejection {
    let reason = "an idempotency key belongs to one request; this one came with another content before";
    Rejection { rule: KEY_REUSED, reason: Cow::Borrowed(reason) }
}

/// There is no room for another one.
pub(super) fn too_many(remembered: &[AnsweredCommand]) -> Rejection {
    let until = remembered.iter().find_map(|answered| answered.appended_at).map(|oldest| oldest + REMEMBERED_FOR);
    let until =
        until.map(|until| format!("; the oldest is forgotten at {}", until.format("%FT%TZ"))).unwrap_or_default();
    let reason =
        format!("{MOST_REMEMBERED} commands about it in seven days are remembered, and another one cannot be{until}");
    Rejection { rule: TOO_MANY_COMMANDS, reason: Cow::Owned(reason) }
}

/// Only what the outcome tells decides it: a memory made anew from the topics must be the same.
pub(super) fn is_remembered(verdict: &Verdict, by_rule: impl Fn(&str) -> bool) -> bool {
    let rule = verdict.rule.as_deref();
    verdict.decision != DUPLICATE
        && ![Some(KEY_REUSED), Some(TOO_MANY_COMMANDS)].contains(&rule)
        && rule.is_none_or(by_rule)
}

/// Those that are still remembered at this time. They stand in the order of the log: whoever stands before one whose time is
/// over is forgotten with it.
pub(super) fn remembered(answered: &[AnsweredCommand], now: DateTime<Utc>) -> &[AnsweredCommand] {
    let is_over =
        |answered: &AnsweredCommand| answered.appended_at.is_some_and(|appended_at| now - appended_at > REMEMBERED_FOR);
    let forgotten = answered.iter().rposition(is_over).map_or(0, |last| last + 1);
    &answered[forgotten..]
}

/// Takes a command into the memory. Where there is no room, it was one that needs none.
pub(super) fn remember(answered: &mut Vec<AnsweredCommand>, decided: CommandDecided) {
    let CommandDecided {
        command_id, content_hash, verdict: Verdict { decision, rule, reason, .. }, occurred_at, ..
    } = decided;
    let forgotten = answered.len() - remembered(answered, occurred_at).len();
    answered.drain(..forgotten);
    if answered.len() < MOST_REMEMBERED {
        let appended_at = Some(occurred_at);
        answered.push(AnsweredCommand { command_id, content_hash, decision, rule, reason, appended_at });
    }
}
