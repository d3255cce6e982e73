//! One connection to a broker: requests out, answers in, one at a time.
//!
//! Brokers answer the requests of a connection one after the other, so a request that waits (a long poll) would hold
//! up those behind it; questions that may run at the same time take a connection each (`brokers.rs`). The versions
//! of requests are the newest both sides know.

use bytes::{BufMut, Bytes, BytesMut};
use foldstream_telemetry::names;
use kafka_protocol::{
    messages::{ApiKey, ApiVersionsRequest, RequestHeader, ResponseHeader},
    protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes},
};
use std::{collections::HashMap, io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Connecting and agreeing on versions.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// No answer to a question asked here is longer; what claims to be is no answer.
const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;
const CLIENT_ID: StrBytes = StrBytes::from_static_str("foldstream-browse");
/// Every broker since 2.4 answers this version, and newer ones too.
const API_VERSIONS_VERSION: i16 = 3;

#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("no address of a broker is set")]
    NoAddress,
    #[error("it is not known where broker {broker} can be reached")]
    Unknown { broker: i32 },
    #[error("the broker at {address} cannot be reached")]
    Unreachable { address: String, source: io::Error },
    #[error("the broker at {address} does not answer in time")]
    Late { address: String },
    #[error("the broker at {address} answers what is no answer: {reason}")]
    Garbled { address: String, reason: String },
}

#[derive(Debug)]
pub(crate) struct Connection {
    address: String,
    stream: TcpStream,
    /// The newest version of each request that the broker knows.
    versions: HashMap<i16, i16>,
    correlation_id: i32,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self, ConnectionError> {
        let unreachable = |source| ConnectionError::Unreachable { address: address.to_owned(), source };
        let late = || ConnectionError::Late { address: address.to_owned() };
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await.map_err(|_| late())?;
        let stream = stream.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut connection = Self { address: address.to_owned(), stream, versions: HashMap::new(), correlation_id: 0 };
        let request = ApiVersionsRequest::default()
            .with_client_software_name(CLIENT_ID)
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        connection.versions.insert(ApiVersionsRequest::KEY, API_VERSIONS_VERSION);
        let known = connection.call(&request, CONNECT_TIMEOUT).await?;
        connection.versions.extend(known.api_keys.iter().map(|api| (api.api_key, api.max_version)));
        Ok(connection)
    }

    /// After an error, or when the future is dropped, the connection is of no more use.
    pub(crate) async fn call<R: Request>(
        &mut self,
        request: &R,
        patience: Duration,
    ) -> Result<R::Response, ConnectionError> {
        let newest = self.versions.get(&R::KEY).copied().unwrap_or(0);
        let version = <R as Message>::VERSIONS.max.min(newest);
        let frame = self.frame(request, version)?;
        metrics::counter!(names::BROWSE_REQUESTS_TOTAL, "request" => name_of(R::KEY)).increment(1);
        let answer = timeout(patience, self.exchange(&frame)).await;
        let answer = answer.map_err(|_| ConnectionError::Late { address: self.address.clone() })?;
        let mut answer =
            answer.map_err(|source| ConnectionError::Unreachable { address: self.address.clone(), source })?;
        let garbled = |reason: String| ConnectionError::Garbled { address: self.address.clone(), reason };
        let header = ResponseHeader::decode(&mut answer, <R::Response as HeaderVersion>::header_version(version))
            .map_err(|error| garbled(format!("{error:#}")))?;
        if header.correlation_id != self.correlation_id {
            return Err(garbled(format!("answer {} to question {}", header.correlation_id, self.correlation_id)));
        }
        R::Response::decode(&mut answer, version).map_err(|error| garbled(format!("{error:#}")))
    }

    fn frame<R: Request>(&mut self, request: &R, version: i16) -> Result<BytesMut, ConnectionError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(CLIENT_ID));
        let mut frame = BytesMut::new();
        frame.put_u32(0);
        header
            .encode(&mut frame, R::header_version(version))
            .and_then(|()| request.encode(&mut frame, version))
            .map_err(|error| ConnectionError::Garbled {
                address: self.address.clone(),
                reason: format!("it wants version {version} of request {}: {error:#}", R::KEY),
            })?;
        let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
        frame[..4].copy_from_slice(&length.to_be_bytes());
        Ok(frame)
    }

    async fn exchange(&mut self, frame: &[u8]) -> io::Result<Bytes> {
        self.stream.write_all(frame).await?;
        let length = self.stream.read_u32().await? as usize;
        if length > MAX_ANSWER_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("an answer of {length} bytes")));
        }
        let mut answer = BytesMut::with_capacity(length);
        while answer.len() < length {
            let missing = length - answer.len();
            let mut rest = (&mut answer).limit(missing);
            if self.stream.read_buf(&mut rest).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(answer.freeze())
    }
}

fn name_of(key: i16) -> String {
    ApiKey::try_from(key).map_or_else(|()| key.to_string(), |key| format!("{key:?}"))
}
