//! An effect that hands parcels to the outside by HTTP, and says so on a topic.

use crate::events::{Parcel, Receipt};
use foldstream_fold::{Attempt, Delivery, Effect, Retry};
use foldstream_log::Recorded;
use std::{net::SocketAddr, time::Duration};

pub(crate) struct Courier {
    outside: SocketAddr,
    http: reqwest::Client,
}

impl Courier {
    pub(crate) fn to(outside: SocketAddr) -> Self {
        Self { outside, http: reqwest::Client::new() }
    }
}

impl Effect for Courier {
    type Event = Parcel;
    type Answer = Receipt;

    const NAME: &'static str = "courier";
    const RETRY: Retry = Retry {
        attempts: 4,
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_millis(200),
        patience: Duration::from_secs(60),
    };

    async fn deliver(&self, record: &Recorded<Parcel>, attempt: Attempt) -> Delivery<Receipt> {
        let Some(parcel) = &record.event else { return Delivery::Done(None) };
        let request = self
            .http
            .post(format!("http://{}", self.outside))
            .header("idempotency-key", attempt.idempotency_key.to_string())
            .body(format!("{} {} {}", parcel.parcel, record.position(), parcel.text));
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Delivery::Done(Some(Receipt {
                event_id: attempt.answer_id,
                parcel: parcel.parcel.clone(),
                occurred_at: parcel.occurred_at,
                text: parcel.text.clone(),
            })),
            Ok(answer) if answer.status().is_client_error() => Delivery::Never(format!("refused: {}", answer.status())),
            Ok(answer) => Delivery::Again { after: None, reason: answer.status().to_string() },
            Err(error) => Delivery::Again { after: None, reason: error.to_string() },
        }
    }
}
