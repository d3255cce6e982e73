//! The one thing others hold: topics to look into.

use crate::{
    brokers::{Brokers, BrowseError},
    budget::Budget,
    live::{Live, UNHURRIED},
    page::{Page, PageError, Reading},
    question::Question,
    tail::{Back, Tail},
    tails::Tails,
};
use foldstream_log::{Catalogue, Schemas};
use std::sync::Arc;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Browse {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    brokers: Brokers,
    catalogue: Catalogue,
    tails: Tails,
    live: Live,
}

impl Browse {
    /// Any topic can be looked into; of those in the catalogue it is known how their keys are written and placed.
    #[must_use]
    pub fn new(brokers: Brokers, catalogue: Catalogue) -> Self {
        let (tails, live) = (Tails::new(brokers.clone()), Live::new(brokers.clone(), UNHURRIED));
        Self { inner: Arc::new(Inner { brokers, catalogue, tails, live }) }
    }

    #[must_use]
    pub fn brokers(&self) -> &Brokers {
        &self.inner.brokers
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// The next page of what is looked for.
    pub async fn page(&self, question: Question, schemas: &Schemas, budget: &Budget) -> Result<Page, PageError> {
        let Inner { brokers, catalogue, tails, .. } = self.inner.as_ref();
        Reading { brokers, catalogue, tails, schemas }.page(question, budget).await
    }

    /// Listens to what is appended to a topic from now on; or, for a reader that comes back, from where it stood.
    ///
    /// What it missed is read from the log, up to a bound; what lies before that, or is no longer there, is a gap.
    /// Partitions whose leader does not answer do not hold up the others: [`Tail::waiting`].
    pub async fn listen(&self, topic: &str, back: Option<Back>) -> Result<Tail, BrowseError> {
        let Inner { brokers, live, .. } = self.inner.as_ref();
        let layout = brokers.layout(topic).await?;
        let listener = live.listen(&layout).await?;
        match back.filter(|back| back.topic_id == layout.id) {
            Some(back) => Tail::behind(brokers, layout, listener, back).await,
            // Also when the topic was made again: what was read of the other one is of no use here.
            None => Ok(Tail::from_now_on(layout.id, listener)),
        }
    }
}
