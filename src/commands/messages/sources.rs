//! What is read from: the brokers, and the registry for what they give; and how it is shown.

use super::{near::nearest, question::Refused};
use anyhow::{Error, Result, anyhow};
use foldstream_browse::{
    Brokers, Browse, BrowseError, Budget, Page, PageError, Question, Record, Selected, Selection, SelectionError,
    look_up,
};
use foldstream_events::CATALOGUE;
use foldstream_log::{Config, Message, Registry, Schemas, Showing};
use std::time::Duration;

pub(super) struct Sources {
    pub(super) browse: Browse,
    registry: Registry,
    showing: Showing,
}

impl Sources {
    pub(super) fn new(config: &Config, showing: Showing) -> Result<Self> {
        let browse = Browse::new(Brokers::new(config), CATALOGUE);
        Ok(Self { browse, registry: Registry::for_looking(config, &CATALOGUE)?, showing })
    }

    /// New for every page: what could not be had for one may be had for the next.
    pub(super) fn schemas(&self) -> Schemas {
        Schemas::new(self.registry.clone())
    }

    pub(super) async fn page(&self, question: &Question, time: Duration) -> Result<Page> {
        let page = self.browse.page(question.clone(), &self.schemas(), &Budget::of_time(time)).await;
        match page {
            Ok(page) => Ok(page),
            Err(error) => Err(self.told(error).await),
        }
    }

    /// The records of a selection, each time as long as a page may take.
    pub(super) async fn select(&self, question: &Question, selection: &Selection, time: Duration) -> Result<Selected> {
        let (schemas, budget) = (self.schemas(), Budget::of_time(time));
        match self.browse.select(question, selection, (&schemas, &budget)).await {
            Ok(selected) => Ok(selected),
            Err(SelectionError::Page(error)) => Err(self.told(error).await),
            Err(changed) => Err(changed.into()),
        }
    }

    async fn told(&self, error: PageError) -> Error {
        match error {
            PageError::Browse(error) => self.explained(error).await,
            PageError::Expired(expired) => expired.into(),
            PageError::Crowded => error.into(),
            PageError::Refused(violation) => Refused::from(violation).into(),
        }
    }

    pub(super) async fn messages<'a>(&self, records: impl Iterator<Item = &'a Record> + Clone) -> Vec<Message> {
        let schemas = self.schemas();
        look_up(records.clone(), &schemas).await;
        records.map(|record| self.message(record, &schemas)).collect()
    }

    /// By schemas that were looked up before.
    pub(super) fn message(&self, record: &Record, schemas: &Schemas) -> Message {
        record.describe(schemas, &self.showing)
    }

    /// Fields that were asked for and that nothing had that was shown.
    pub(super) fn unknown_fields(&self) -> Vec<String> {
        self.showing.unknown_fields()
    }

    /// An unknown topic is told together with the names that may have been meant.
    pub(super) async fn explained(&self, error: BrowseError) -> Error {
        let BrowseError::UnknownTopic { topic } = &error else { return error.into() };
        // Without the list the error is still what there is to say.
        let layouts = self.browse.brokers().layouts(None).await.unwrap_or_default();
        // The brokers' own topics are meant only by those who say so.
        let names = layouts.iter().map(|layout| layout.topic.as_str());
        let names = names.filter(|name| topic.starts_with("__") || !name.starts_with("__"));
        match nearest(topic, names).as_slice() {
            [] => error.into(),
            near => anyhow!("{error}; did you mean {}?", near.join(" or ")),
        }
    }
}
