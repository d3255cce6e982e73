//! What a service reads and writes: the edges of the picture, made from the types it reads and writes with.
//!
//! Invariant: nobody lists edges by hand. The picture in the README, the topic catalogue and the walk that follows a
//! position are held against these, so none of them can say something else than the code does.

use crate::events::TopicEvent;

/// What a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Outside world -> topics.
    Producer,
    /// Topics -> topics; how far it is, its consumer group tells.
    Processor,
    /// Topics -> the outside world, and topics; how far it is, its consumer group tells.
    Effect,
    /// Topics -> tables; how far it is stands beside the rows.
    Projection,
    /// Tables -> people; what people want -> topics.
    Api,
}

impl ServiceKind {
    /// Whether it makes something of every record it reads, and of nothing else.
    #[must_use]
    pub fn folds(self) -> bool {
        matches!(self, Self::Processor | Self::Effect | Self::Projection)
    }
}

/// The edges of one service. Topics and tables are named as they are everywhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    pub service: &'static str,
    pub kind: ServiceKind,
    /// Topics, or tables (an API).
    pub reads: Vec<&'static str>,
    /// Topics, or tables (projections).
    pub writes: Vec<&'static str>,
    /// Whether what it writes about a record lies in the partition of the same number: same key, as many partitions.
    pub keeps_keys: bool,
}

impl Flow {
    /// A service without edges, to add them to.
    #[must_use]
    pub fn of(service: &'static str, kind: ServiceKind) -> Self {
        Self { service, kind, reads: Vec::new(), writes: Vec::new(), keeps_keys: false }
    }

    /// Reads the topics of these events.
    #[must_use]
    pub fn reading<E: TopicEvent>(self) -> Self {
        self.reading_tables(topic_names::<E>())
    }

    /// Writes the topics of these events.
    #[must_use]
    pub fn writing<E: TopicEvent>(self) -> Self {
        self.writing_tables(topic_names::<E>())
    }

    #[must_use]
    pub fn keeping_keys(mut self, keeps_keys: bool) -> Self {
        self.keeps_keys = keeps_keys;
        self
    }

    #[must_use]
    pub fn reading_tables(mut self, tables: impl IntoIterator<Item = &'static str>) -> Self {
        self.reads.extend(tables);
        self
    }

    #[must_use]
    pub fn writing_tables(mut self, tables: impl IntoIterator<Item = &'static str>) -> Self {
        self.writes.extend(tables);
        self
    }
}

fn topic_names<E: TopicEvent>() -> impl Iterator<Item = &'static str> {
    E::topics().iter().map(|topic| topic.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::DeadLettersEvent;

    #[test]
    fn edges_are_the_topics_of_the_events() {
        let flow = Flow::of("p", ServiceKind::Projection)
            .reading::<DeadLettersEvent>()
            .reading_tables(["another"])
            .writing_tables(["table"]);
        assert_eq!((flow.reads, flow.writes), (vec!["dead-letters", "another"], vec!["table"]));
    }
}
