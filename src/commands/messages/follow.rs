//! The end of a topic, and what is appended to it from then on, like `tail -f`.
//!
//! Without a hole and without a double. The newest page ends at offsets; records from there on are first read by pages
//! up to the ends of that moment, because the search back may have taken long, and then listened to. Whatever could not
//! be read any more is a gap, and said. So is what the filter could not be held against; where only the registry is away,
//! it is waited for.

use super::{
    page::{PAGE, say_undecided},
    print::{Printer, note, with_commas},
    question::Refused,
    sources::Sources,
};
use crate::shutdown::asked_to_stop;
use anyhow::{Result, bail};
use foldstream_browse::{
    Back, Budget, Chunk, Expired, Gap, Layout, News, Offsets, Order, Page, Place, PlaceIn, Question, Record,
    RecordView, Spent, TakenUp, Uncompared, Undecided, Verdict, look_up, not_told,
};
use foldstream_log::{Message, Schemas};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Between two questions to a registry that is away.
const AWAY: Duration = Duration::from_millis(500);

/// Until it is stopped, which is its good end.
pub(super) async fn follow(
    question: Question,
    timeout: Duration,
    sources: &Sources,
    printer: &mut Printer,
) -> Result<()> {
    tokio::select! {
        done = Following { question, timeout, sources, printer, at: Offsets::new(), told_paths: false }.run() => done,
        () = asked_to_stop() => Ok(()),
    }
}

struct Following<'a> {
    question: Question,
    timeout: Duration,
    sources: &'a Sources,
    printer: &'a mut Printer,
    /// What comes next, of the partitions that are looked into.
    at: Offsets,
    told_paths: bool,
}

impl Following<'_> {
    async fn run(mut self) -> Result<()> {
        let layout = match self.sources.browse.brokers().layout(&self.question.topic).await {
            Ok(layout) => layout,
            Err(error) => return Err(self.sources.explained(error).await),
        };
        let records = self.look_back().await?;
        self.say_unknown_paths();
        self.print(records.iter().rev().map(AsRef::as_ref)).await?;
        drop(records);
        self.catch_up(&layout).await?;
        self.listen(&layout).await
    }

    /// The newest records, newest first.
    async fn look_back(&mut self) -> Result<Vec<Arc<Record>>> {
        let (mut question, mut records) = (self.question.clone(), Vec::new());
        let mut looked_at = 0;
        loop {
            question.limit = (self.question.limit - records.len()).min(PAGE);
            let page = self.page(&question).await?;
            if question.after.is_none() {
                self.at = page.covered.iter().map(|covered| (covered.partition, covered.to)).collect();
            }
            records.extend(page.records);
            looked_at += page.looked_at.records;
            if page.spent.is_some_and(|spent| spent != Spent::Memory) {
                let looked_at = with_commas(looked_at);
                note(&format!(
                    "looked back over {looked_at} records only: --timeout was over; older ones may pass too"
                ));
                return Ok(records);
            }
            question.after = page.next;
            if question.after.is_none() || records.len() >= self.question.limit {
                return Ok(records);
            }
        }
    }

    /// A page that the registry had its say about.
    async fn page(&self, question: &Question) -> Result<Page> {
        let mut is_told = false;
        loop {
            let page = self.sources.page(question, self.timeout).await?;
            if !page.uncompared.is_retriable() {
                self.say_untold(&page.uncompared);
                return Ok(page);
            }
            self.wait_for_registry(&mut is_told, &page.uncompared).await;
        }
    }

    /// What was appended meanwhile, oldest first.
    async fn catch_up(&mut self, layout: &Layout) -> Result<()> {
        let ranges = self.sources.browse.brokers().ranges(layout).await?;
        let behind = self.at.iter().filter_map(|(partition, at)| {
            let end = ranges.get(partition)?.stable_end;
            (*at < end).then_some((*partition, PlaceIn { at: *at, end }))
        });
        let times = self.question.filter.times();
        let mut place = Place { topic_id: layout.id, times, partitions: behind.collect() };
        while !place.partitions.is_empty() {
            let after = Some(place.clone());
            let question = Question { order: Order::Oldest, limit: PAGE, after, ..self.question.clone() };
            let page = match self.page(&question).await {
                // Retention was quicker: the listener says what is missing.
                Err(error) if error.is::<Expired>() => return Ok(()),
                page => page?,
            };
            self.print(page.records.iter().map(AsRef::as_ref)).await?;
            let next = page.next.unwrap_or_default().partitions;
            let reached = |(partition, place): (&i32, &PlaceIn)| {
                (*partition, next.get(partition).map_or(place.end, |next| next.at))
            };
            self.at.extend(place.partitions.iter().map(reached));
            place.partitions = next;
        }
        Ok(())
    }

    async fn listen(&mut self, layout: &Layout) -> Result<()> {
        let topic = &self.question.topic;
        let ranges = self.sources.browse.brokers().ranges(layout).await?;
        // Of partitions that are not looked into, nothing is to be read again.
        let others = ranges.into_iter().map(|(partition, range)| (partition, range.stable_end));
        let at = others.chain(self.at.iter().map(|(partition, at)| (*partition, *at))).collect();
        let back = Back { topic_id: layout.id, at, most_offsets: i64::MAX };
        let mut tail = self.sources.browse.listen(topic, Some(back)).await?;
        for partition in tail.waiting() {
            note(&format!("partition {partition} has no leader that answers: it is waited for"));
        }
        let timeout = self.timeout;
        if tail.topic_id != layout.id {
            note(&format!("{topic} was deleted and made again meanwhile"));
        }
        while let Some(news) = tail.next(|| async move { Budget::of_time(timeout) }).await {
            match news? {
                News::Undecided(undecided) => self.say_undecided(&undecided),
                News::Gap(gaps) => self.say(&gaps),
                News::Chunk(chunk) => self.take_in(&chunk).await?,
            }
        }
        bail!("the topic {} is gone", self.question.topic)
    }

    async fn take_in(&mut self, chunk: &Chunk) -> Result<()> {
        for TakenUp { partition, from } in &chunk.taken_up {
            note(&format!("partition {partition} has a leader again, and is shown from offset {from} on"));
        }
        self.say(&chunk.missed);
        let mut is_told = false;
        let (messages, untold) = loop {
            let (messages, untold) = self.wanted(chunk, &self.sources.schemas()).await;
            if !untold.is_retriable() {
                break (messages, untold);
            }
            self.wait_for_registry(&mut is_told, &untold).await;
        };
        if let Some(violation) = self.question.filter.refused(&self.question.paths_seen) {
            return Err(Refused::from(violation).into());
        }
        self.say_untold(&untold);
        self.say_unknown_paths();
        self.printer.print(&messages)
    }

    /// What of a chunk is wanted, and of what that could not be told.
    async fn wanted(&self, chunk: &Chunk, schemas: &Schemas) -> (Vec<Message>, Uncompared) {
        look_up(chunk.records.iter(), schemas).await;
        let (mut messages, mut untold) = (Vec::new(), Uncompared::default());
        for record in chunk.records.iter().filter(|record| self.at.contains_key(&record.fetched.partition)) {
            let view = RecordView::of(&record.fetched, record.transaction);
            match self.question.filter.compare(&view, &|id| schemas.get(id), &self.question.paths_seen) {
                Verdict::Wanted => messages.push(self.sources.message(record, schemas)),
                Verdict::Uncompared(reason) => untold.note(reason, || record.fetched.position()),
                Verdict::Other => {}
            }
        }
        (messages, untold)
    }

    async fn wait_for_registry(&self, is_told: &mut bool, untold: &Uncompared) {
        if !std::mem::replace(is_told, true) {
            note(&format!("waiting for the schema registry: {untold}"));
        }
        sleep(AWAY).await;
    }

    fn say_untold(&self, untold: &Uncompared) {
        if !untold.is_empty() {
            note(&format!("gap: {untold}"));
        }
    }

    /// Once: a tail goes on for long.
    fn say_unknown_paths(&mut self) {
        let of_filter = self.question.filter.unknown_paths(&self.question.paths_seen);
        let unknown_paths = [of_filter, self.sources.unknown_fields()].concat();
        if !unknown_paths.is_empty() && !std::mem::replace(&mut self.told_paths, true) {
            note(&not_told(&Uncompared::default(), &unknown_paths));
        }
    }

    fn say_undecided(&self, undecided: &[Undecided]) {
        for undecided in undecided.iter().filter(|undecided| self.at.contains_key(&undecided.partition)) {
            say_undecided(undecided);
        }
    }

    async fn print(&mut self, records: impl Iterator<Item = &Record> + Clone) -> Result<()> {
        let messages = self.sources.messages(records).await;
        self.printer.print(&messages)
    }

    fn say(&self, gaps: &[Gap]) {
        for Gap { partition, from, to } in gaps.iter().filter(|gap| self.at.contains_key(&gap.partition)) {
            let topic = &self.question.topic;
            note(&format!("gap: {topic}:{partition} from offset {from} up to {} was not shown", to - 1));
        }
    }
}
