//! Outcomes and states of aggregates as the engine's own records, and back: for every topic that carries those.
//!
//! Invariant: what is read back is what was written.

use super::memory::{AnsweredCommand, CommandDecided, Kept, Verdict};
use chrono::{DateTime, Utc};
use foldstream_log::generated;
use uuid::Uuid;

impl From<CommandDecided> for generated::CommandDecided {
    fn from(decided: CommandDecided) -> Self {
        let CommandDecided { event_id, key, occurred_at, command_id, command, content_hash, verdict } = decided;
        let Verdict { decision, rule, reason, first_decision } = verdict;
        Self {
            event_id,
            aggregate_id: key,
            occurred_at,
            command_id,
            command,
            content_hash,
            decision,
            rule,
            reason,
            first_decision,
        }
    }
}

impl From<generated::CommandDecided> for CommandDecided {
    fn from(record: generated::CommandDecided) -> Self {
        let generated::CommandDecided {
            event_id, aggregate_id, occurred_at, command_id, command, content_hash, ..
        } = record;
        let (decision, rule) = (record.decision, record.rule);
        let verdict = Verdict { decision, rule, reason: record.reason, first_decision: record.first_decision };
        Self { event_id, key: aggregate_id, occurred_at, command_id, command, content_hash, verdict }
    }
}

impl<S> Kept<S> {
    /// The engine's record of it: whose it is, the last event in it and when that was, and the state in the aggregate's own
    /// form.
    #[must_use]
    pub fn record(&self, key: &str, last: (Uuid, DateTime<Utc>), state: Vec<u8>) -> generated::StateKept {
        let answered = |answered: &AnsweredCommand| {
            let AnsweredCommand { command_id, content_hash, decision, rule, reason, appended_at } = answered.clone();
            generated::AnsweredCommand { command_id, content_hash, decision, rule, reason, appended_at }
        };
        generated::StateKept {
            event_id: last.0,
            state_key: key.to_owned(),
            occurred_at: last.1,
            answered: self.answered.iter().map(answered).collect(),
            state,
        }
    }

    /// What such a record keeps.
    pub fn of(record: generated::StateKept, load: impl FnOnce(&[u8]) -> S) -> Self {
        let answered = record.answered.into_iter().map(|answered| {
            let generated::AnsweredCommand { command_id, content_hash, decision, rule, reason, appended_at } = answered;
            AnsweredCommand { command_id, content_hash, decision, rule, reason, appended_at }
        });
        Self { state: load(&record.state), answered: answered.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let answered = AnsweredCommand {
            command_id: Uuid::from_u128(1),
            content_hash: Uuid::from_u128(2),
            decision: "rejected".to_owned(),
            rule: Some("full".to_owned()),
            reason: Some("it is full".to_owned()),
            appended_at: Some(DateTime::UNIX_EPOCH),
        };
        let kept = Kept { state: 7u8, answered: vec![answered.clone()] };
        let record = kept.record("one", (Uuid::from_u128(3), DateTime::UNIX_EPOCH), vec![kept.state]);
        assert_eq!(record.state_key, "one");
        assert_eq!(Kept::of(record, |bytes| bytes[0]), kept);
        let decided = CommandDecided {
            event_id: Uuid::from_u128(4),
            key: "one".to_owned(),
            occurred_at: DateTime::UNIX_EPOCH,
            command_id: Uuid::from_u128(1),
            command: "test.Add".to_owned(),
            content_hash: Uuid::from_u128(2),
            verdict: Verdict::duplicate(&answered),
        };
        assert_eq!(CommandDecided::from(generated::CommandDecided::from(decided.clone())), decided);
    }
}
