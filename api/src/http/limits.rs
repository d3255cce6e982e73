//! What each client may make the brokers read, and how much one look may cost.
//!
//! A client is an address, or what the ingress says it is. It has a store of bytes that fills up steadily. What a look
//! reads is taken from it afterwards, so a store can be overdrawn by one round of reading; a page ends early then and
//! says so, and the client is refused until the store has filled up again. (Limiters at hand know only questions that
//! are refused beforehand, and would let an overdrawn client go on.)

use crate::{config::LookingConfig, http::problem::Problem};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, request},
};
use foldstream_browse::{Budget, Memory};
use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So many seconds' worth may be spent at once.
const BURST_SECONDS: f64 = 8.0;
/// Every look costs a little, whatever it reads.
const LEAST_BYTES: u64 = 4096;
/// So many clients are remembered before those are forgotten whose stores are full.
const REMEMBERED: usize = 10_000;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client(pub(crate) String);

impl<S> FromRequestParts<S> for Client
where
    S: Send + Sync,
    Arc<Clients>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Infallible> {
        let clients = Arc::<Clients>::from_ref(state);
        let named = clients.config.client_header.as_ref().and_then(|header| named(&parts.headers, header));
        let peer = || parts.extensions.get::<Peer>().map(|Peer(peer)| peer.to_string());
        Ok(Self(named.or_else(peer).unwrap_or_default()))
    }
}

/// A proxy appends whom it heard from, to the line that is there or as a line of its own; so the last name of the last line
/// is the one our own ingress vouches for.
fn named(headers: &HeaderMap, header: &str) -> Option<String> {
    let last = headers.get_all(header).iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next().map(|name| name.trim().to_owned())
}

#[derive(Debug)]
pub(crate) struct Clients {
    config: LookingConfig,
    /// For all of them together.
    memory: Memory,
    stores: Arc<Mutex<Stores>>,
    listening: Arc<Mutex<HashMap<Client, usize>>>,
}

#[derive(Debug)]
struct Stores {
    a_second: f64,
    of: HashMap<Client, Store>,
}

/// The bytes a client had left at a moment; fewer than none when it is overdrawn.
#[derive(Debug, Clone, Copy)]
struct Store {
    left: f64,
    at: Instant,
}

/// A tail that is open; it counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    client: Client,
    listening: Arc<Mutex<HashMap<Client, usize>>>,
}

impl Clients {
    pub(crate) fn new(config: LookingConfig) -> Self {
        let stores = Stores { a_second: config.client_bytes_per_second as f64, of: HashMap::new() };
        let memory = Memory::new(config.page_memory, config.looking_memory);
        Self { config, memory, stores: Arc::new(Mutex::new(stores)), listening: Arc::default() }
    }

    /// The budget of one look; refused while the client is overdrawn.
    pub(crate) fn budget(&self, client: &Client) -> Result<Budget, Problem> {
        match self.stores().ask(client) {
            None => Ok(self.budget_of(client)),
            Some(after) => Err(Problem::TooMuch {
                what: format!(
                    "this client has had the brokers read more than {} bytes a second",
                    self.config.client_bytes_per_second
                ),
                after,
            }),
        }
    }

    /// The same, but waits until there is something left.
    pub(crate) async fn slow_budget(&self, client: &Client) -> Budget {
        loop {
            let after = self.stores().ask(client);
            let Some(after) = after else { return self.budget_of(client) };
            tokio::time::sleep(after).await;
        }
    }

    /// A tail more; refused when there are enough.
    pub(crate) fn listen(&self, client: &Client) -> Result<Listening, Problem> {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.config.client_tails;
        let count = listening.entry(client.clone()).or_default();
        if *count >= most {
            let what = format!("this client listens to {most} tails already");
            return Err(Problem::TooMuch { what, after: Duration::from_secs(1) });
        }
        *count += 1;
        Ok(Listening { client: client.clone(), listening: self.listening.clone() })
    }

    fn budget_of(&self, client: &Client) -> Budget {
        let (stores, client) = (self.stores.clone(), client.clone());
        Budget {
            time: Duration::from_millis(self.config.page_ms),
            records: self.config.page_records,
            bytes: self.config.page_bytes,
            memory: self.memory.clone(),
            client: Arc::new(move |bytes| {
                let mut stores = stores.lock().unwrap_or_else(PoisonError::into_inner);
                stores.take(&client, bytes, Instant::now());
                stores.take(&client, 0, Instant::now()).is_none()
            }),
        }
    }

    fn stores(&self) -> MutexGuard<'_, Stores> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stores {
    /// Takes what a question costs, or says how long the client has to wait.
    fn ask(&mut self, client: &Client) -> Option<Duration> {
        let after = self.take(client, 0, Instant::now());
        if after.is_none() {
            self.take(client, LEAST_BYTES, Instant::now());
        }
        after
    }

    /// Takes so many bytes, whatever is left; says how long the client had to wait if it was overdrawn before.
    fn take(&mut self, client: &Client, bytes: u64, now: Instant) -> Option<Duration> {
        let full = self.a_second * BURST_SECONDS;
        if self.of.len() >= REMEMBERED && !self.of.contains_key(client) {
            let a_second = self.a_second;
            self.of.retain(|_, store| store.at(now, a_second, full) < full);
        }
        let store = self.of.entry(client.clone()).or_insert(Store { left: full, at: now });
        let left = store.at(now, self.a_second, full);
        *store = Store { left: left - bytes as f64, at: now };
        (left < 0.0).then(|| Duration::try_from_secs_f64(-left / self.a_second).unwrap_or(Duration::MAX))
    }
}

impl Store {
    fn at(&self, now: Instant, a_second: f64, full: f64) -> f64 {
        (self.left + now.duration_since(self.at).as_secs_f64() * a_second).min(full)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = listening.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                listening.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_overdrawn_is_refused_until_its_store_has_filled_up_again() {
        let (greedy, other) = (Client("a".to_owned()), Client("b".to_owned()));
        let mut stores = Stores { a_second: 1_000.0, of: HashMap::new() };
        let now = Instant::now();
        assert_eq!(stores.take(&greedy, 7_000, now), None);
        // What is left covers the question, not the answer.
        assert_eq!(stores.take(&greedy, 4_000, now), None);
        assert_eq!(stores.take(&greedy, 0, now), Some(Duration::from_secs(3)));
        assert_eq!(stores.take(&other, 0, now), None);
        assert_eq!(stores.take(&greedy, 0, now + Duration::from_secs(2)), Some(Duration::from_secs(1)));
        assert_eq!(stores.take(&greedy, 0, now + Duration::from_secs(4)), None);
        // A store never holds more than it can.
        assert_eq!(stores.take(&greedy, 9_000, now + Duration::from_secs(100)), None);
        assert_eq!(stores.take(&greedy, 0, now + Duration::from_secs(100)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_client_cannot_name_itself() {
        let mut headers = HeaderMap::new();
        for line in ["10.0.0.1", "10.0.0.2, 10.0.0.3"] {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        assert_eq!(named(&headers, "x-forwarded-for").as_deref(), Some("10.0.0.3"));
        headers.append("x-forwarded-for", "10.0.0.4".parse().unwrap());
        assert_eq!(named(&headers, "x-forwarded-for").as_deref(), Some("10.0.0.4"));
        assert_eq!(named(&headers, "forwarded"), None);
    }

    #[test]
    fn an_overdrawn_client_gets_429_and_a_page_learns_of_it() {
        let config = LookingConfig { client_bytes_per_second: 1_000_000, ..LookingConfig::default() };
        let (clients, client) = (Clients::new(config), Client("a".to_owned()));
        let budget = clients.budget(&client).unwrap();
        assert!((budget.client)(1_000_000));
        assert!(!(budget.client)(100_000_000));
        assert_eq!(clients.budget(&client).err().unwrap().status(), 429);
        assert!(clients.budget(&Client("b".to_owned())).is_ok());
    }

    #[test]
    fn tails_count_until_they_are_closed() {
        let clients = Clients::new(LookingConfig { client_tails: 2, ..LookingConfig::default() });
        let client = Client("a".to_owned());
        let open = (clients.listen(&client).unwrap(), clients.listen(&client).unwrap());
        assert!(clients.listen(&client).is_err());
        drop(open.0);
        assert!(clients.listen(&client).is_ok());
    }
}
