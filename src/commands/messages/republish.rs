//! `foldstream messages republish`: records appended once more, as they were.
//!
//! First everything is looked at, and said; what cannot be told whole is not republished. Then, when it is meant, the same
//! records are found again page by page, and each page is written in a transaction of its own. One that is not known to
//! have happened is settled by asking again, which does nothing twice.

use super::{
    print::{note, with_commas},
    question::{Refused, WhichOptions, limit},
    sources::Sources,
};
use crate::{output::line, patience::patiently};
use anyhow::{Context, Result, anyhow, bail};
use chrono::{DateTime, Utc};
use foldstream_browse::{
    Isolation, Order, Place, Question, Selection, TO, Tally, Target, Uncompared, Undecided, asking, not_told,
};
use foldstream_log::{
    Config, Position, PositionRange, Republication, RepublishError, Republished, Republisher, Showing, Violation,
};
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    time::Duration,
};
use uuid::Uuid;

/// Records of a transaction.
const PAGE: usize = 1000;
/// After this time a page ends, and the next one goes on.
const LOOK: Duration = Duration::from_secs(10);

const USAGE: &str = "foldstream messages republish --topic <TOPIC> [OPTIONS]
       foldstream messages republish <TOPIC:PARTITION:OFFSET> [OPTIONS]";

const EXAMPLES: &str = "\
Examples:
  foldstream messages republish locations:3:1729 --to locations-again
      one record, to another topic
  foldstream messages republish -t locations --since 2h --where 'latitude>43.5' --dry-run
      what would be republished
  foldstream messages republish -t locations --to locations-copy --yes
      everything there is, without being asked";

#[derive(clap::Args, Debug)]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
pub(super) struct Options {
    #[command(flatten)]
    which: WhichOptions,
    /// At most so many, the oldest of them, from 1 to 100000; all of them when not given
    #[arg(long, short = 'n', allow_negative_numbers = true)]
    limit: Option<String>,
    /// The topic they are appended to; when not given the one they lie on. There a record goes to its own partition, elsewhere
    /// where its key belongs
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
    /// Also to a compacted topic, where an old record takes the place of what came since; and what is personal to another
    /// topic, where no erasure reaches it
    #[arg(long)]
    anyway: bool,
    /// Only say what would be done
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
}

/// What is to be republished.
struct Plan {
    question: Question,
    /// A page each.
    selections: Vec<Selection>,
    tally: Tally,
}

pub(super) async fn run(options: &Options, config: &Config) -> Result<()> {
    let (question, to) = options.read(Utc::now())?;
    let sources = Sources::new(config, Showing::default())?;
    let target = match sources.browse.target(&to, &question.topic).await {
        Ok(target) => target,
        Err(error) => return Err(sources.explained(error).await),
    };
    target.check(options.anyway).map_err(Refused::from)?;
    let question = match options.which.position() {
        Some(Ok(position)) => found_at(&position, question, &sources).await?,
        _ => question,
    };
    let plan = plan(question, &sources).await?;
    if options.dry_run {
        return line(&plan.said("would republish", &to));
    }
    if !options.yes {
        ask(&plan.said("this republishes", &to))?;
    }
    let ranges = write(&plan, &target, (&sources, &Republisher::new(config))).await?;
    let ranges: Vec<_> = ranges.iter().map(PositionRange::to_string).collect();
    line(&format!("{}; they lie in {}", plan.said("republished", &to), ranges.join(", ")))
}

impl Options {
    /// What is asked, and where to.
    fn read(&self, now: DateTime<Utc>) -> Result<(Question, String), Refused> {
        let mut violations = Vec::new();
        let mut checked = |limit: Result<usize, Violation>| limit.map_err(|found| violations.push(found)).ok();
        let most = self.limit.as_deref().map_or(Some(usize::MAX), |text| checked(limit(text))).unwrap_or_default();
        let mut question = match self.which.position() {
            None => {
                let (question, more) = asking::question(self.which.words(), (most, now));
                violations.extend(more);
                question
            }
            Some(Ok(position)) => Question::newest(&position.topic, most),
            Some(Err(violation)) => {
                violations.push(violation);
                Question::newest("", most)
            }
        };
        question.order = Order::Oldest;
        let to = match self.to.as_deref().map(asking::topic) {
            None => question.topic.clone(),
            Some(Ok(to)) => to,
            Some(Err(violation)) => {
                violations.push(Violation { field: TO.to_owned(), ..violation });
                String::new()
            }
        };
        if violations.is_empty() { Ok((question, to)) } else { Err(violations.into()) }
    }
}

/// The question for one record; it must be there.
async fn found_at(position: &Position, question: Question, sources: &Sources) -> Result<Question> {
    let Position { topic, partition, offset } = position;
    let brokers = sources.browse.brokers();
    let found = match brokers.single(topic, *partition, *offset).await {
        Ok(found) => found,
        Err(error) => return Err(sources.explained(error).await),
    };
    if found.visible(Isolation::Committed).is_none() {
        bail!("there is no record at {position}: {}", found.reason());
    }
    let layout = brokers.layout(topic).await?;
    let place = Place::of_one(layout.id, position);
    Ok(Question { partitions: Some([*partition].into()), after: Some(place), ..question })
}

async fn plan(mut question: Question, sources: &Sources) -> Result<Plan> {
    let (mut left, mut looked_at, mut tally) = (question.limit, 0, Tally::default());
    let mut selections = Vec::new();
    let mut undecided = None;
    let mut uncompared = Uncompared::default();
    let unknown_paths = loop {
        question.limit = left.min(PAGE);
        let page = sources.page(&question, LOOK).await?;
        looked_at += page.looked_at.records;
        left -= page.records.len();
        tally = tally.and(page.tally());
        if !page.records.is_empty() {
            selections.push(Selection::of(&page));
        }
        uncompared.extend(page.uncompared);
        undecided.get_or_insert(page.undecided);
        question.after = page.next;
        if left == 0 || question.after.is_none() {
            break page.unknown_paths;
        }
        going_on(&format!("looked at {} records so far", with_commas(looked_at)));
    };
    if !(uncompared.is_empty() && unknown_paths.is_empty()) {
        bail!("nothing is republished, for it cannot be told what: {}", not_told(&uncompared, &unknown_paths));
    }
    if selections.is_empty() {
        bail!("looked at {} records, none passed: there is nothing to republish", with_commas(looked_at));
    }
    for Undecided { partition, from, to } in undecided.unwrap_or_default() {
        note(&format!(
            "partition {partition}: what was appended from {from} up to {} waits for the end of a transaction, and is \
             not republished",
            to - 1
        ));
    }
    Ok(Plan { question, selections, tally })
}

/// Gives where the records lie now: in each partition from the first to the last.
async fn write(
    plan: &Plan,
    target: &Target,
    (sources, republisher): (&Sources, &Republisher),
) -> Result<Vec<PositionRange>> {
    let mut done = 0;
    let mut ranges: BTreeMap<i32, PositionRange> = BTreeMap::new();
    for selection in &plan.selections {
        let so_far = || {
            let (done, all) = (with_commas(done), with_commas(plan.tally.count));
            format!("{done} of {all} records were republished, the others were not")
        };
        let selected = sources.select(&plan.question, selection, LOOK).await.with_context(so_far)?;
        let Target { topic, partitions, max_batch_bytes, .. } = target;
        let republication = Republication {
            id: Uuid::new_v4(),
            topic: topic.clone(),
            partitions: *partitions,
            max_batch_bytes: *max_batch_bytes,
        };
        let written = patiently("Kafka", RepublishError::is_retriable, async || {
            tokio::task::block_in_place(|| republisher.republish(&republication, selected.records()))
        });
        let Republished { count, ranges: written, .. } = written.await.map_err(|error| match error.is_retriable() {
            true => anyhow!(error).context(format!(
                "{} of {} records were republished; whether {} more were is not known",
                with_commas(done),
                with_commas(plan.tally.count),
                with_commas(selection.count())
            )),
            false => anyhow!(error).context(so_far()),
        })?;
        if let Err(error) = republisher.forget(republication.id).await {
            let error = &error as &dyn std::error::Error;
            foldstream_telemetry::info!(error, "that a republication was done is forgotten later, by the brokers");
        }
        done += count;
        for range in written {
            let known = ranges.entry(range.partition).or_insert_with(|| range.clone());
            (known.first, known.last) = (known.first.min(range.first), known.last.max(range.last));
        }
        going_on(&format!("republished {} records so far", with_commas(done)));
    }
    Ok(ranges.into_values().collect())
}

impl Plan {
    fn said(&self, doing: &str, to: &str) -> String {
        let Tally { count, bytes, first, last } = &self.tally;
        let shown = |position: &Option<Position>| position.as_ref().map(Position::to_string).unwrap_or_default();
        format!(
            "{doing} {} {} ({} bytes) from {} to {to}, the first of them {} and the last {}",
            with_commas(*count),
            if *count == 1 { "record" } else { "records" },
            with_commas(*bytes),
            self.question.topic,
            shown(first),
            shown(last),
        )
    }
}

/// Whether it is meant; where nobody can be asked, it is not.
fn ask(what: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        bail!("{what}; nothing was written, for nobody can be asked here: --yes does it without asking");
    }
    anstream::eprint!("{what}. Do it? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was written"),
    }
}

/// Whoever waits at a terminal sees that it goes on.
fn going_on(text: &str) {
    if io::stderr().is_terminal() {
        note(text);
    }
}
