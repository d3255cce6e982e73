//! Outcomes and states of people as the records of their topics, and back. Nothing is decided here.
//!
//! Invariant: what is read back is what was written; of an old record, what it meant then.

use crate::person::{Person, Profile, Status};
use foldstream_events::{AnsweredCommand as AnsweredRecord, PersonCommandDecided, PersonState};
use foldstream_fold::{AnsweredCommand, CommandDecided, Kept, Verdict};

const UNKNOWN: &str = "unknown";
const REGISTERED: &str = "registered";
const ERASED: &str = "erased";

pub(crate) fn outcome(decided: CommandDecided) -> PersonCommandDecided {
    let CommandDecided { event_id, key, occurred_at, command_id, command, content_hash, verdict } = decided;
    let Verdict { decision, rule, reason, first_decision } = verdict;
    PersonCommandDecided {
        event_id,
        person_id: key,
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

pub(crate) fn decided(outcome: &PersonCommandDecided) -> CommandDecided {
    let PersonCommandDecided { event_id, person_id, occurred_at, command_id, command, content_hash, .. } =
        outcome.clone();
    let PersonCommandDecided { decision, rule, reason, first_decision, .. } = outcome.clone();
    let verdict = Verdict { decision, rule, reason, first_decision };
    CommandDecided { event_id, key: person_id, occurred_at, command_id, command, content_hash, verdict }
}

pub(crate) fn state(key: &str, kept: &Kept<Person>) -> PersonState {
    let Person { status, profile, event_id, occurred_at } = kept.state.clone();
    let status = match status {
        Status::Unknown => UNKNOWN,
        Status::Registered => REGISTERED,
        Status::Erased => ERASED,
    };
    let answered = |answered: &AnsweredCommand| {
        let AnsweredCommand { command_id, content_hash, decision, rule, reason, appended_at } = answered.clone();
        AnsweredRecord { command_id, content_hash, decision, rule, reason, appended_at }
    };
    PersonState {
        event_id,
        person_id: key.to_owned(),
        occurred_at,
        status: status.to_owned(),
        first_name: profile.first_name,
        last_name: profile.last_name,
        company_name: profile.company_name,
        answered: kept.answered.iter().map(answered).collect(),
    }
}

pub(crate) fn kept(state: PersonState) -> Kept<Person> {
    let PersonState { event_id, occurred_at, status, first_name, last_name, company_name, answered, .. } = state;
    let status = match status.as_str() {
        REGISTERED => Status::Registered,
        ERASED => Status::Erased,
        _ => Status::Unknown,
    };
    let profile = Profile { first_name, last_name, company_name };
    let answered = answered.into_iter().map(|answered| {
        let AnsweredRecord { command_id, content_hash, decision, rule, reason, appended_at } = answered;
        AnsweredCommand { command_id, content_hash, decision, rule, reason, appended_at }
    });
    let state = Person { status, profile, event_id, occurred_at };
    Kept { state, answered: answered.collect() }
}
