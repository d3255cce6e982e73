//! What the Kafka client says by itself, at the level it deserves.

use rdkafka::{
    ClientContext,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

/// The end of a partition is no error, whatever the client calls it; a broker that is away is tried again by itself.
pub(crate) fn log_error(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::PartitionEOF) => {}
        _ if matches!(error, KafkaError::PartitionEOF(_)) => {}
        _ => {
            foldstream_telemetry::warn!(error.message = %error, reason, "the Kafka client is in trouble; it goes on trying")
        }
    }
}

/// The context of clients that need none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plain;

impl ClientContext for Plain {
    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Plain {}
