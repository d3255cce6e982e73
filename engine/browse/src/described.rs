//! Records as people read them.

use crate::{batches::Transaction, fetch::Record};
use foldstream_log::{Message, Schemas, describe, schema_id};
use std::time::Duration;

/// How long the registry may take, for all schemas of a page together.
const PATIENCE: Duration = Duration::from_secs(2);

/// Has the schemas of these records at hand.
pub async fn look_up<'a>(records: impl Iterator<Item = &'a Record>, schemas: &Schemas) {
    let ids = records.filter_map(|record| schema_id(record.fetched.value.as_deref()?));
    schemas.look_up(ids.collect::<Vec<_>>(), PATIENCE).await;
}

impl Record {
    /// Decoded as far as it goes, by schemas that were looked up before.
    #[must_use]
    pub fn describe(&self, schemas: &Schemas) -> Message {
        let transaction = self.transaction.map(|transaction| match transaction {
            Transaction::Aborted => "aborted",
            Transaction::Undecided => "undecided",
        });
        Message { transaction, ..describe(&self.fetched, schemas) }
    }
}
