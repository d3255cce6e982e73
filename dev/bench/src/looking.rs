//! Looking into a topic of twelve partitions: how long it takes, beside what else one could do; and live tails.
//!
//! Every way gives the same answer, the newest fifty records over all partitions, decoded, or the newest fifty that pass a
//! filter; that is checked on the way. The ways take turns, so that what the machine does meanwhile hits all alike.

mod clients;
mod filled;
mod tails;

use crate::{
    arguments::Arguments,
    figures::{percentile, tenths},
    table::{Table, title},
    world::{World, tell},
};
use anyhow::{Context, Result, ensure};
use clients::{Asked, Assigning};
use filled::{Filled, MARKED, RARE, TOPIC};
use reqwest::Client;
use serde_json::Value;
use std::{net::TcpListener, time::Instant};

const LIMIT: usize = 50;
const LOOKS: usize = 400;
const SLOW_LOOKS: usize = 5;
const SEARCHES: usize = 10;

/// A kind of answer, and how long each took, in milliseconds.
#[derive(Debug)]
struct Timed {
    question: &'static str,
    way: &'static str,
    milliseconds: Vec<f64>,
}

pub(crate) async fn measure(world: &World, arguments: &Arguments) -> Result<()> {
    let filled = Filled::fill(world, arguments.partition_records).await?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let settings = [("FOLDSTREAM_HTTP_LISTEN", address.as_str()), ("FOLDSTREAM_CLIENT_BYTES_PER_SECOND", "4000000000")];
    let settings =
        [&settings[..], &[("FOLDSTREAM_PAGE_MS", "60000"), ("FOLDSTREAM_PAGE_RECORDS", "100000000")]].concat();
    let mut service = world.serve_with(&[foldstream_api::flow()], &settings)?;
    tokio::task::block_in_place(|| service.until_ready())?;
    let url = format!("http://{address}/messages?topic={TOPIC}&limit={LIMIT}");
    let rare = format!("{url}&where=person_id={RARE}");
    let in_one = format!("{url}&where=person_id={MARKED}");
    let keyed = format!("{url}&key={MARKED}");
    let http = Client::new();

    tell("looking: not counted");
    for _ in 0..LOOKS {
        look(&http, &url).await?;
    }
    tell("looking");
    let mut assigning = Assigning::new(world)?;
    let mut all = Vec::new();
    let ours = time(LOOKS, async || look(&http, &url).await).await?;
    all.push(Timed { question: "newest 50", way: "GET /messages", milliseconds: ours });
    let busy = filled.keep_writing(1_000)?;
    let ours = time(LOOKS, async || look(&http, &url).await).await?;
    all.push(Timed { question: "newest 50, 1,000/s arriving", way: "GET /messages", milliseconds: ours });
    busy.stop();
    let expected = look(&http, &url).await?;
    let found = tokio::task::block_in_place(|| assigning.newest(&Asked::everything(LIMIT)))?;
    ensure!(found == expected, "the client finds other records: {found:?}, not {expected:?}");
    let client =
        time(LOOKS / 4, async || tokio::task::block_in_place(|| assigning.newest(&Asked::everything(LIMIT)))).await?;
    all.push(Timed { question: "newest 50", way: "client, assign each time", milliseconds: client });
    let grouped =
        time(SLOW_LOOKS, async || tokio::task::block_in_place(|| clients::with_a_group(world, LIMIT))).await?;
    all.push(Timed { question: "newest 50", way: "consumer group each time", milliseconds: grouped });
    let kcat = time(LOOKS / 20, async || tokio::task::block_in_place(|| clients::kcat(world, LIMIT))).await?;
    all.push(Timed { question: "newest 50", way: "kcat, the tail of each partition", milliseconds: kcat });

    for (question, url, asked) in [
        ("where, 1 of 10,000", &rare, Asked::of_person(LIMIT, RARE)),
        ("where, all in one partition", &in_one, Asked::of_person(LIMIT, MARKED)),
        ("key, 1 of 5,000", &keyed, Asked::of_key(LIMIT, MARKED)),
    ] {
        tell(question);
        let expected = look(&http, url).await?;
        let found = tokio::task::block_in_place(|| assigning.newest(&asked))?;
        ensure!(found == expected, "{question}: the client finds other records");
        let ours = time(SEARCHES, async || look(&http, url).await).await?;
        let client = time(SEARCHES / 2, async || tokio::task::block_in_place(|| assigning.newest(&asked))).await?;
        all.push(Timed { question, way: "GET /messages", milliseconds: ours });
        all.push(Timed { question, way: "client, assign each time", milliseconds: client });
    }
    report(&all, arguments)?;
    service.check()?;
    tails::measure(world, &filled, &address, service).await
}

fn report(all: &[Timed], arguments: &Arguments) -> Result<()> {
    title(
        &format!("Looking into 12 partitions of {} records, ms", arguments.partition_records),
        "foldstream-bench looking",
    )?;
    let mut table = Table::new(&["", "", "p50", "p99", "looks"]);
    for timed in all {
        let figure = |share| tenths(percentile(&timed.milliseconds, share));
        let looks = timed.milliseconds.len().to_string();
        table.row(vec![timed.question.to_owned(), timed.way.to_owned(), figure(0.5), figure(0.99), looks]);
    }
    table.print()
}

/// The positions of a page.
async fn look(http: &Client, url: &str) -> Result<Vec<String>> {
    let page: Value = http.get(url).send().await?.error_for_status()?.json().await?;
    ensure!(page["complete"] == true, "{url}: a page that is not complete, {}", page["spent"]);
    let messages = page["messages"].as_array().context("no messages")?;
    ensure!(messages.len() == LIMIT, "{url}: {} messages", messages.len());
    Ok(messages.iter().filter_map(|message| message["position"].as_str().map(str::to_owned)).collect())
}

async fn time<T>(times: usize, asked: impl AsyncFnMut() -> Result<T>) -> Result<Vec<f64>> {
    let mut asked = asked;
    let mut milliseconds = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        asked().await?;
        milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(milliseconds)
}
