//! The API as a service: build first, then listen, so that a port that is taken ends the start with one clear sentence.
//!
//! Not here: how connections are accepted and drained (`foldstream_telemetry::serving`).

use crate::{config::Config, health::dependencies, http::limits::Peer, routes::router, state::Parts};
use axum::{Extension, Router};
use foldstream_telemetry::{
    health::Status,
    serving::{self, Patience},
};
use hyper_util::service::TowerToHyperService;
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const PATIENCE: Patience = Patience { head: Duration::from_secs(75), drain: Duration::from_secs(10) };

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
    serve(listener, router, &stopped, PATIENCE).await;
    component.set(Status::Stopped);
    watching.abort();
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ApiError> {
    TcpListener::bind(address).await.map_err(|source| ApiError::Listen { address, source })
}

async fn serve(listener: TcpListener, router: Router, stopped: &CancellationToken, patience: Patience) {
    let service = |peer| TowerToHyperService::new(router.clone().layer(Extension(Peer(peer))));
    serving::serve(listener, patience, stopped.cancelled(), service).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::{sleep, timeout},
    };

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
            let serving = tokio::spawn(async move {
                serve(listener, router, &stop, Patience { drain: Duration::from_millis(deadline), ..PATIENCE }).await
            });
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
