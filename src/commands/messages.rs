//! `foldstream messages`: the twin of `GET /messages`, `/messages/stream` and `/messages/{topic}/{partition}/{offset}`, and
//! of `POST /messages/republish`.
//!
//! What is asked is read by the same code as there (`question.rs`), so both refuse alike. Records go to standard output,
//! everything said about them to standard error.

mod follow;
mod full;
mod near;
mod page;
mod print;
mod question;
mod republish;
mod single;
mod sources;
mod table;

pub(crate) use question::Refused;

use anyhow::Result;
use foldstream_log::Config;
use print::Printer;
use sources::Sources;

const USAGE: &str = "foldstream messages --topic <TOPIC> [OPTIONS]
       foldstream messages <TOPIC:PARTITION:OFFSET> [OPTIONS]
       foldstream messages republish --help";

const EXAMPLES: &str = "\
Examples:
  foldstream messages -t locations
      the newest 50 records of a topic, newest first
  foldstream messages -t locations -f
      the newest 50, oldest first, then what is appended from now on
  foldstream messages -t locations --since 15m --where 'latitude>43.5' --where 'latitude<43.8' -n 5
      reports from around Toulouse: values that meet every condition; times are ages, days or instants
  foldstream messages -t person-commands --type RegisterPerson --header 'ce_time>=2h'
      commands of one type, those that were given in the last two hours
  foldstream messages -t people --key 0101de --order oldest
      what happened to one person, from the beginning
  foldstream messages -t person-commands --undecodable
      records that nobody can decode, with the reason
  foldstream messages -t locations --fields person_id,latitude --output value
      two fields of each value; --value preview shows the beginnings of long ones
  foldstream messages -t locations --key-as text --value-as hex -n 5
      read as somebody says: values as the bytes they are; --key-as long --key 42 is for keys of eight bytes
  foldstream messages locations:3:1729
      one record in full, or what became of it
  foldstream messages -t locations -n 1000 --output json | jq -r .value.person_id | sort | uniq -c
      a record a line, for programs; --output value prints the values alone";

#[derive(clap::Args, Debug)]
#[command(
    override_usage = USAGE,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    question: question::QuestionOptions,
    #[command(flatten)]
    print: print::PrintOptions,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Append records once more, as they were: to the topic they lie on, or to another
    ///
    /// Those that pass the filter, oldest first, up to where the topic ends now; or one, by its position. Bytes, keys and
    /// headers stay as they are, and a header redrive_of says where the original lies. What would be done is shown, and
    /// asked about, before anything is written. Each thousand are written in a Kafka transaction of their own: all of them or none,
    /// and once, whatever fails on the way.
    Republish(Box<republish::Options>),
}

pub(crate) async fn run(options: &Options, config: &Config) -> Result<()> {
    if let Some(Action::Republish(options)) = &options.action {
        return republish::run(options, config).await;
    }
    let (question, showing) = options.question.read(chrono::Utc::now())?;
    let mut printer = Printer::new(&options.print);
    let sources = Sources::new(config, showing)?;
    match question {
        question::Question::Single { position, isolation } => {
            single::show(&position, isolation, &sources, &printer).await
        }
        question::Question::Pages { question, timeout } => page::list(question, timeout, &sources, &mut printer).await,
        question::Question::Follow { question, timeout } => {
            follow::follow(question, timeout, &sources, &mut printer).await
        }
    }
}
