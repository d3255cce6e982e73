//! Looking into a topic of twelve partitions: how long it takes, beside what else one could do; and live tails.
//!
//! Every way gives the same answer, the newest fifty records over all partitions, decoded, or the newest fifty that pass a
//! filter; that is checked on the way. The ways take turns, so that what the machine does meanwhile hits all alike.

mod clients;
mod filled;
mod tails;

use crate::{
    arguments::Arguments,
    compared::{Compared, in_turns},
    figures::{percentile, tenths},
    service::Service,
    table::{Table, title},
    world::{World, tell},
};
use anyhow::{Context, Result, bail, ensure};
use clients::{Asked, Assigning};
use filled::{Filled, MARKED, RARE, TOPIC};
use foldstream_events::LOCATIONS;
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
    let (mut service, address) = serve(world)?;
    let [url, rare, in_one, keyed] = urls(&address);
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

/// The API, and where to ask; as patient as the question may need.
fn serve(world: &World) -> Result<(Service, String)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let settings = [
        ("FOLDSTREAM_HTTP_LISTEN", address.as_str()),
        ("FOLDSTREAM_CLIENT_BYTES_PER_SECOND", "4000000000"),
        ("FOLDSTREAM_PAGE_MS", "60000"),
        ("FOLDSTREAM_PAGE_RECORDS", "100000000"),
    ];
    let mut service = world.serve_with(&[foldstream_api::flow()], &settings)?;
    tokio::task::block_in_place(|| service.until_ready())?;
    Ok((service, address))
}

/// The newest, those of a rare person, those of a person all in one partition, those of a key.
fn urls(address: &str) -> [String; 4] {
    let url = format!("http://{address}/messages?topic={TOPIC}&limit={LIMIT}");
    let [rare, in_one] = [RARE, MARKED].map(|person| format!("{url}&where=person_id={person}"));
    let keyed = format!("{url}&key={MARKED}");
    [url, rare, in_one, keyed]
}

/// Two executables in turns, looking into one topic.
pub(crate) async fn compare(worlds: &[World; 2], arguments: &Arguments, compared: &mut Compared) -> Result<()> {
    // The topic that is looked into belongs to no environment.
    let [this, other] = worlds;
    let worlds = [this.of_the_whole_cluster()?, other.of_the_whole_cluster()?];
    let _filled = Filled::fill(&worlds[0], arguments.partition_records).await?;
    let (http, mut served) = (Client::new(), Vec::new());
    for world in &worlds {
        let (service, address) = serve(world)?;
        tell("looking: not counted");
        let [newest, rare, in_one, keyed] = urls(&address);
        // How keys are spread is known of topics that are declared; of others every partition is looked into.
        let declared = format!("http://{address}/messages?topic={}&limit={LIMIT}", LOCATIONS.name);
        let newest_there = messages(&http, &declared).await?;
        let declared = format!("{declared}&key={}", newest_there[0]["key"].as_str().context("a record has no key")?);
        let kinds = [
            ("newest 50", newest, LOOKS),
            ("where, 1 of 10,000", rare, SEARCHES),
            ("where, all in one partition", in_one, SEARCHES),
            ("key on a declared topic", declared, LOOKS),
            ("key on another topic", keyed, LOOKS),
        ];
        for (_, url, looks) in &kinds {
            time(looks / 4, async || messages(&http, url).await).await?;
        }
        served.push((service, kinds));
    }
    for run in 1..=arguments.runs {
        tell(&format!("looking, run {run} of {}", arguments.runs));
        for kind in 0..served[0].1.len() {
            for side in in_turns(run) {
                let (service, kinds) = &mut served[side];
                let (name, url, looks) = &kinds[kind];
                let milliseconds = time(*looks, async || messages(&http, url).await).await?;
                compared.add(&format!("looking, {name}: ms"), side, &milliseconds);
                service.check()?;
            }
        }
    }
    served.into_iter().try_for_each(|(service, _)| service.stop())
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
    let messages = messages(http, url).await?;
    ensure!(messages.len() == LIMIT, "{url}: {} messages", messages.len());
    Ok(messages.iter().filter_map(|message| message["position"].as_str().map(str::to_owned)).collect())
}

/// Those of a page, which must be whole.
async fn messages(http: &Client, url: &str) -> Result<Vec<Value>> {
    let mut page: Value = http.get(url).send().await?.error_for_status()?.json().await?;
    ensure!(page["complete"] == true, "{url}: a page that is not complete, {}", page["spent"]);
    let Value::Array(messages) = page["messages"].take() else { bail!("{url}: no messages") };
    ensure!(!messages.is_empty(), "{url}: nothing is found");
    Ok(messages)
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
