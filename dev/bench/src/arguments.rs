//! What can be asked, and how much of it.

use clap::Parser;
use std::path::PathBuf;

/// Figures beside their baselines, measured in the same run.
#[derive(Parser, Debug)]
#[command(name = "foldstream-bench", version, max_term_width = 110)]
pub(crate) struct Arguments {
    /// Which question
    #[arg(value_enum, default_value_t = Question::All)]
    pub(crate) question: Question,

    /// How many generated positions of 5,000 persons lie on the topic
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(20_000..=100_000_000))]
    pub(crate) records: u64,

    /// How often throughput and latency are measured
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,

    /// Latency: events produced in a second
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,

    /// Latency: how long a run lasts
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) seconds: u32,

    /// Latency: how long events are produced before anything counts; Java compiles as it runs, and that takes the
    /// brokers a minute or two
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) warm_up: u32,

    /// Looking: how many records each of the twelve partitions holds
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(20_000..=10_000_000))]
    pub(crate) partition_records: u64,

    /// Connection: how often each pair of distance and window is asked
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) questions: u32,

    /// Beside: the other executable
    #[arg(long, value_name = "PATH", required_if_eq("question", "beside"))]
    pub(crate) other: Option<PathBuf>,

    /// Beside: only these of throughput, latency, decider, looking, read-your-writes
    #[arg(long, value_enum, value_name = "QUESTION", value_delimiter = ',')]
    pub(crate) only: Vec<Question>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// How many records a second get from the topic into the tables
    Throughput,
    /// How long an event takes from the producer to a reader
    Latency,
    /// How long the connection query takes
    Connection,
    /// How fast a projection is rebuilt beside the live tables
    Rebuild,
    /// How many commands a second are decided, how long an answer takes, how fast state is restored
    Decider,
    /// How long a thousand clients wait for what they wrote
    ReadYourWrites,
    /// How long a look into a topic takes, and what two hundred live tails cost
    Looking,
    /// What this executable takes beside another one, such as that of an older commit; not part of all
    Beside,
    All,
}
