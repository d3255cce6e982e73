//! The outside world: a small HTTP server that reacts as the request's text says, and remembers all it was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

/// Stands for the status of a request that gets no answer.
pub(crate) const UNANSWERED: u16 = 0;

/// A request to deliver something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) idempotency_key: String,
    pub(crate) parcel: String,
    /// Where the record lies that is delivered.
    pub(crate) position: String,
    pub(crate) status: u16,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    /// What is taken from now on, whatever its text says.
    kind_to: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Outside {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Outside {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let outside = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let answering = outside.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let answering = answering.clone();
                // One that asks is killed now and then: then there is nobody to be answered.
                thread::spawn(move || answering.answer(stream.unwrap()));
            }
        });
        outside
    }

    /// From now on everything about this parcel is taken.
    pub(crate) fn be_kind_to(&self, parcel: &str) {
        self.seen().kind_to.insert(parcel.to_owned());
    }

    /// The requests about parcels whose names begin so, in their order.
    pub(crate) fn about(&self, parcels: &str) -> Vec<Request> {
        self.seen().requests.iter().filter(|request| request.parcel.starts_with(parcels)).cloned().collect()
    }

    /// Each record has one idempotency key, each key is of one record, and no record comes after a later one of its
    /// parcel.
    pub(crate) fn check(&self, parcels: &str) {
        let requests = self.about(parcels);
        let pairs: BTreeSet<(&str, &str)> =
            requests.iter().map(|request| (request.position.as_str(), request.idempotency_key.as_str())).collect();
        let records: BTreeSet<&str> = pairs.iter().map(|(position, _)| *position).collect();
        let keys: BTreeSet<&str> = pairs.iter().map(|(_, key)| *key).collect();
        assert_eq!((records.len(), keys.len()), (pairs.len(), pairs.len()), "{pairs:?}");
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for request in &requests {
            let offset: i64 = request.position.rsplit(':').next().unwrap().parse().unwrap();
            let before = last.insert(&request.parcel, offset).unwrap_or(-1);
            assert!(before <= offset, "{} comes after offset {before} of its parcel", request.position);
        }
    }

    fn answer(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim() {
                "" => break,
                line => head.push(line.to_ascii_lowercase()),
            }
        }
        let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let mut body = vec![0; header("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).ok()?;
        let [parcel, position, text] = body.splitn(3, ' ').collect::<Vec<_>>().try_into().ok()?;
        let status = self.note(header("idempotency-key")?, parcel, position, text);
        let mut stream = reader.into_inner();
        if status == UNANSWERED {
            // Until whoever asks is gone.
            return stream.read(&mut [0]).ok().map(drop);
        }
        write!(stream, "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").ok()
    }

    /// What to answer with.
    fn note(&self, idempotency_key: &str, parcel: &str, position: &str, text: &str) -> u16 {
        let mut seen = self.seen();
        let before = seen.requests.iter().filter(|request| request.idempotency_key == idempotency_key).count();
        let status = match text.split_once(' ') {
            _ if seen.kind_to.contains(parcel) => 200,
            Some(("fail", times)) if before < times.parse().unwrap() => 503,
            Some(("hang", times)) if before < times.parse().unwrap() => UNANSWERED,
            _ if text == "refuse" => 422,
            _ => 200,
        };
        let (idempotency_key, parcel, position) = (idempotency_key.to_owned(), parcel.to_owned(), position.to_owned());
        seen.requests.push(Request { idempotency_key, parcel, position, status });
        status
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}
