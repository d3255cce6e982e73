//! Behind a socket of HTTP/1.1: accept, answer, drain. Whoever listens in this product listens with this.
//!
//! The caller owns the socket and the signal. A shutdown stops accepting, lets requests in progress finish, and cuts what
//! outlasts the deadline. It does not fail: a connection that does is its client's affair. TLS is the ingress's.

use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::HttpService,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{error::Error, io, net::IpAddr, pin::pin, time::Duration};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How long to wait when the process has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To send a request's head, pauses between requests included.
    pub head: Duration,
    /// To get the answers to requests in progress, once shutdown began.
    pub drain: Duration,
}

/// Answers until `shutdown` resolves, then drains. Each connection has a service of its own, made for its peer.
pub async fn serve<S, B>(
    listener: TcpListener,
    patience: Patience,
    shutdown: impl Future<Output = ()>,
    service: impl Fn(IpAddr) -> S,
) where
    S: HttpService<Incoming, ResBody = B> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Small answers leave at once; without it nothing is lost but time.
                    let _ = stream.set_nodelay(true);
                    let mut builder = http1::Builder::new();
                    builder.timer(TokioTimer::new()).header_read_timeout(patience.head);
                    let connection = builder.serve_connection(TokioIo::new(stream), service(peer.ip()));
                    connections.spawn(until_ended(graceful.watch(connection)));
                }
                Err(failure) if is_the_peers(&failure) => {}
                Err(failure) => {
                    crate::warn!(error.message = %failure, "a connection cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    if timeout(patience.drain, graceful.shutdown()).await.is_err() {
        while connections.try_join_next().is_some() {}
        crate::warn!(connections = connections.len(), "connections cut: they outlasted the drain deadline");
    }
    connections.shutdown().await;
}

async fn until_ended(connection: impl Future<Output = Result<(), hyper::Error>>) {
    if let Err(failure) = connection.await {
        crate::debug!(error.message = %failure, "a connection broke");
    }
}

/// Whether this accept failed because of the peer, so that the next one may be tried at once.
fn is_the_peers(failure: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(failure.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
