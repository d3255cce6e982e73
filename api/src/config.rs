//! Where the API listens.

use std::net::SocketAddr;

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// Where the API answers
    #[arg(
        long = "http-listen",
        env = "FOLDSTREAM_HTTP_LISTEN",
        default_value = "127.0.0.1:3000",
        value_name = "ADDRESS:PORT",
        global = true
    )]
    pub http_listen: SocketAddr,
}
