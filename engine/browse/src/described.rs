//! Records as people read them.

use crate::{batches::Transaction, record::Record};
use foldstream_log::{Message, Schemas, Showing, describe};

/// Has the schemas of these records at hand.
pub async fn look_up<'a>(records: impl Iterator<Item = &'a Record>, schemas: &Schemas) {
    schemas.look_up(records.flat_map(|record| record.fetched.schema_ids())).await;
}

impl Record {
    /// Decoded as far as it goes and is to be shown, by schemas that were looked up before.
    #[must_use]
    pub fn describe(&self, schemas: &Schemas, showing: &Showing) -> Message {
        let transaction = self.transaction.map(|transaction| match transaction {
            Transaction::Aborted => "aborted",
            Transaction::Undecided => "undecided",
        });
        Message { transaction, ..describe(&self.fetched, schemas, showing) }
    }
}
