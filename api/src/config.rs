//! Where the API listens, whether it republishes, and how much looking into topics may cost.

use std::net::SocketAddr;

pub(crate) const REPUBLISH: &str = "FOLDSTREAM_REPUBLISH";

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

    /// Whether records may be republished by way of the API: it then writes to any topic, for anybody who reaches it
    #[arg(long, env = REPUBLISH, default_value_t = false, num_args = 0..=1, default_missing_value = "true",
        require_equals = true, action = clap::ArgAction::Set, value_name = "true|false", global = true)]
    pub republish: bool,

    #[command(flatten)]
    pub looking: LookingConfig,
}

/// How much looking into topics may cost.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct LookingConfig {
    /// How long one look into a topic may take, in milliseconds
    #[arg(long, env = "FOLDSTREAM_PAGE_MS", default_value_t = 2_000, value_name = "MS", global = true)]
    pub page_ms: u64,
    /// How many records one look may read
    #[arg(long, env = "FOLDSTREAM_PAGE_RECORDS", default_value_t = 5_000_000, value_name = "N", global = true)]
    pub page_records: u64,
    /// How many bytes one look may read
    #[arg(long, env = "FOLDSTREAM_PAGE_BYTES", default_value_t = 1_000_000_000, value_name = "N", global = true)]
    pub page_bytes: u64,
    /// How many bytes of records one look may hold in memory at once, half of them for what it answers with: a page that would
    /// be larger is cut
    #[arg(long, env = "FOLDSTREAM_PAGE_MEMORY", default_value_t = 33_554_432, value_name = "BYTES", global = true)]
    pub page_memory: u64,
    /// How many bytes all looks of this process may hold at once: whoever finds no room waits for `page-ms`, and is answered
    /// 503 then
    #[arg(long, env = "FOLDSTREAM_LOOKING_MEMORY", default_value_t = 134_217_728, value_name = "BYTES", global = true)]
    pub looking_memory: u64,
    /// How far behind a live tail may be that is taken up again, in offsets of a partition, and still be shown everything
    #[arg(long, env = "FOLDSTREAM_CATCH_UP_OFFSETS", default_value_t = 10_000, value_name = "N",
        value_parser = clap::value_parser!(i64).range(0..), global = true)]
    pub catch_up_offsets: i64,
    /// How long it may be looked for what a record led to, in milliseconds
    #[arg(long, env = "FOLDSTREAM_EFFECTS_MS", default_value_t = 5_000, value_name = "MS", global = true)]
    pub effects_ms: u64,
    /// How many records that followed from a record one answer holds
    #[arg(long, env = "FOLDSTREAM_EFFECTS_RECORDS", default_value_t = 200, value_name = "N", global = true)]
    pub effects_records: usize,
    /// Through how many processors they are followed
    #[arg(long, env = "FOLDSTREAM_EFFECTS_DEPTH", default_value_t = 20, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=100), global = true)]
    pub effects_depth: u32,
    /// How many bytes a second the looks of one client may read, on the average of eight seconds
    #[arg(
        long,
        env = "FOLDSTREAM_CLIENT_BYTES_PER_SECOND",
        default_value_t = 100_000_000,
        value_name = "N",
        global = true
    )]
    pub client_bytes_per_second: u64,
    /// How many live tails one client may listen to
    #[arg(long, env = "FOLDSTREAM_CLIENT_TAILS", default_value_t = 250, value_name = "N", global = true)]
    pub client_tails: usize,
    /// The header by which the ingress names the client; the address of the peer when not given
    #[arg(long, env = "FOLDSTREAM_CLIENT_HEADER", value_name = "NAME", global = true)]
    pub client_header: Option<String>,
}

impl Default for LookingConfig {
    fn default() -> Self {
        Self {
            page_ms: 2_000,
            page_records: 5_000_000,
            page_bytes: 1_000_000_000,
            page_memory: 33_554_432,
            looking_memory: 134_217_728,
            catch_up_offsets: 10_000,
            effects_ms: 5_000,
            effects_records: 200,
            effects_depth: 20,
            client_bytes_per_second: 100_000_000,
            client_tails: 250,
            client_header: None,
        }
    }
}
