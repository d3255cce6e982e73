//! Behind a socket: accept, answer, drain.
//!
//! Build first, then listen: a port that is taken ends the start with one clear sentence. A shutdown stops accepting,
//! lets requests in progress finish, and cuts what outlasts the deadline. HTTP/1.1; TLS is the ingress's affair.

use crate::{Config, Parts, clients::Peer, dependencies, router};
use axum::{Extension, Router};
use foldstream_telemetry::health::Status;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long requests in progress may take to end once shutdown began.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head, pauses between requests included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long to wait when the process has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("the API cannot listen on {address}; FOLDSTREAM_HTTP_LISTEN names another address")]
    Listen { address: SocketAddr, source: io::Error },
}

/// Serves until shutdown, then drains.
pub async fn run(config: Config, parts: Parts, shutdown: CancellationToken) -> Result<(), ApiError> {
    let component = parts.health.component("api");
    component.set(Status::Starting);
    let router = router(parts.clone());
    let listener = listen(config.http_listen).await.inspect_err(|failure| {
        component.set(Status::Degraded { reason: failure.to_string() });
    })?;
    foldstream_telemetry::info!(address = %config.http_listen, "the API listens");
    component.set(Status::Ready);
    let stopped = shutdown.child_token();
    let watching = tokio::spawn(stopped.clone().run_until_cancelled_owned(dependencies::watch(parts)));
    serve(listener, router, &stopped, DRAIN_DEADLINE).await;
    component.set(Status::Stopped);
    watching.abort();
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ApiError> {
    TcpListener::bind(address).await.map_err(|source| ApiError::Listen { address, source })
}

async fn serve(listener: TcpListener, router: Router, stopped: &CancellationToken, drain_deadline: Duration) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(answer_connection(stream, router.clone(), stopped.clone()));
                }
                Err(failure) if is_the_peers(&failure) => {}
                Err(failure) => {
                    foldstream_telemetry::warn!(error.message = %failure, "the API cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let drained = timeout(drain_deadline, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        foldstream_telemetry::warn!(
            connections = connections.len(),
            "connections cut: they outlasted the drain deadline"
        );
    }
    connections.shutdown().await;
}

async fn answer_connection(stream: TcpStream, router: Router, stopped: CancellationToken) {
    // Small answers leave at once; without it nothing is lost but time.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let peer = stream.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    let service = TowerToHyperService::new(router.layer(Extension(Peer(peer))));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(failure) = ended {
        foldstream_telemetry::debug!(error.message = %failure, "a connection broke");
    }
}

/// Whether this accept failed because of the peer, so that the next one may be tried at once.
fn is_the_peers(failure: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(failure.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let failure = listen(address).await.unwrap_err();
        assert!(failure.to_string().contains(&address.to_string()), "{failure}");
    }

    #[tokio::test]
    async fn a_shutdown_lets_a_request_finish_and_cuts_what_takes_too_long() {
        for (takes, deadline, finishes) in [(200, 5000, true), (60_000, 200, false)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let stopped = CancellationToken::new();
            let (entered, mut inside) = tokio::sync::mpsc::unbounded_channel();
            let slow = move || {
                entered.send(()).unwrap();
                async move {
                    sleep(Duration::from_millis(takes)).await;
                    "done"
                }
            };
            let router = Router::new().route("/", get(slow));
            let stop = stopped.clone();
            let serving =
                tokio::spawn(async move { serve(listener, router, &stop, Duration::from_millis(deadline)).await });
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            inside.recv().await.unwrap();
            stopped.cancel();
            let mut answer = String::new();
            let _ = client.read_to_string(&mut answer).await;
            assert_eq!(answer.contains("200 OK"), finishes, "{answer}");
            timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
        }
    }
}
