//! Which dead letters a command is about.

use foldstream_log::keys_shown_as;
use foldstream_store::dead_letters::Filter;

/// Which dead letters; they combine.
#[derive(clap::Args, Debug)]
pub(crate) struct Filters {
    /// Those of this projection
    #[arg(long, value_name = "NAME")]
    projection: Option<String>,
    /// Those from this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Those of this key, as it is shown
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Those whose reason holds this text
    #[arg(long, value_name = "TEXT")]
    reason_contains: Option<String>,
}

impl Filters {
    pub(super) fn are_none(&self) -> bool {
        self.filter() == Filter::default()
    }

    pub(super) fn filter(&self) -> Filter {
        Filter {
            projection: self.projection.clone(),
            topic: self.topic.clone(),
            keys: self.key.as_deref().map(keys_shown_as),
            reason_contains: self.reason_contains.clone(),
        }
    }
}
