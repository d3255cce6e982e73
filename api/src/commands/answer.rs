//! What is known of a command when the answer is due, and how that is told: accepted, a problem, or 202 and a link.
//!
//! Which problem a rejection is, its aggregate says by the rule; all else is the same for every aggregate.

use crate::{
    commands::{
        aggregate::{Aggregate, Refusal},
        preferences::Preferences,
    },
    http::{answer::json, names::POSITION, problem::Problem},
};
use axum::{
    http::{HeaderValue, StatusCode},
    response::Response,
};
use foldstream_fold::{CommandDecided, KEY_REUSED};
use foldstream_log::{Position, Violation};
use serde::Serialize;
use utoipa::ToSchema;

const REJECTED: &str = "rejected";

/// What is known when the answer is due.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) aggregate: &'static Aggregate,
    pub(crate) command: Position,
    pub(crate) outcome: Option<CommandDecided>,
}

/// A command that is not answered yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pending {
    /// Where the outcome will be; it can be waited for there
    #[schema(example = "/api/outcomes/person-commands:3:17")]
    outcome: String,
    /// Whom it is about
    id: String,
    /// `topic:partition:offset` of the command
    position: String,
}

impl Answer {
    /// What was decided; none when it is not known yet. Rejections are problems.
    pub(crate) fn accepted(&self) -> Result<Option<()>, Problem> {
        let Some(outcome) = &self.outcome else { return Ok(None) };
        let verdict = &outcome.verdict;
        if verdict.first_decision.as_ref().unwrap_or(&verdict.decision) != REJECTED {
            return Ok(Some(()));
        }
        let rule = verdict.rule.as_deref().unwrap_or_default();
        let reason = verdict.reason.clone().unwrap_or_default();
        if rule == KEY_REUSED {
            return Err(Problem::InvalidContent(vec![Violation::new("Idempotency-Key", outcome.command_id, reason)]));
        }
        let violation = Violation::new("id", &outcome.key, reason);
        Err(match self.aggregate.refusal(rule) {
            Refusal::NotFound => Problem::NotFound(violation),
            Refusal::Gone => Problem::Gone(violation),
            Refusal::Conflict => Problem::Rejected(violation),
        })
    }

    /// 202: the outcome is to be asked for.
    pub(crate) fn pending(&self, asked: &Preferences, id: &str) -> Result<Response, Problem> {
        let outcome = format!("/api/outcomes/{}", self.command);
        let pending = Pending { outcome: outcome.clone(), id: id.to_owned(), position: self.command.to_string() };
        let mut response = json(StatusCode::ACCEPTED, &pending)?;
        if let Ok(location) = HeaderValue::from_str(&outcome) {
            response.headers_mut().insert("location", location);
        }
        if asked.respond_async {
            response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
        }
        Ok(self.placed(response))
    }

    /// Says where the command lies: a read given this as `after` holds what it led to.
    pub(crate) fn placed(&self, mut response: Response) -> Response {
        if let Ok(position) = HeaderValue::from_str(&self.command.to_string()) {
            response.headers_mut().insert(POSITION, position);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use foldstream_events::{PERSON_COMMANDS, PERSON_OUTCOMES};
    use foldstream_fold::Verdict;
    use uuid::Uuid;

    static THINGS: Aggregate = Aggregate {
        commands: &PERSON_COMMANDS,
        outcomes: &PERSON_OUTCOMES,
        path: "/api/things",
        refusals: &[("thing_unknown", Refusal::NotFound), ("thing_gone", Refusal::Gone)],
        read_outcome: |_, _| Box::pin(async { Ok(None) }),
    };

    fn answered(decision: &str, rule: Option<&str>, first: Option<&str>) -> Result<Option<()>, u16> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let outcome = CommandDecided {
            event_id: Uuid::nil(),
            key: "t1".to_owned(),
            occurred_at: DateTime::default(),
            command_id: Uuid::nil(),
            command: "things.Do".to_owned(),
            content_hash: Uuid::nil(),
            verdict: Verdict {
                decision: decision.to_owned(),
                rule: text(rule),
                reason: None,
                first_decision: text(first),
            },
        };
        let command = "things:0:0".parse().unwrap();
        let answer = Answer { aggregate: &THINGS, command, outcome: Some(outcome) };
        answer.accepted().map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_rejection_is_the_problem_that_its_rule_says() {
        for (rule, status) in
            [("thing_unknown", 404), ("thing_gone", 410), ("thing_known", 409), (KEY_REUSED, 422), ("", 409)]
        {
            assert_eq!(answered("rejected", Some(rule), None), Err(status), "{rule}");
            assert_eq!(answered("duplicate", Some(rule), Some("rejected")), Err(status), "{rule}");
        }
    }

    #[test]
    fn what_was_decided_once_is_answered_as_the_first_time() {
        for (decision, first) in [("accepted", None), ("unchanged", None), ("duplicate", Some("accepted"))] {
            assert_eq!(answered(decision, None, first), Ok(Some(())));
        }
    }
}
