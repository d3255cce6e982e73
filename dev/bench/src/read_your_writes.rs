//! A thousand clients write and read what they wrote: how long both take, and whether any read was older than asked.
//!
//! Each client comes at a random moment, registers a person, reads it back at the position it was told, changes it and
//! reads again. A read that does not hold what was written ends the measurement.

use crate::{
    arguments::Arguments,
    figures::{percentile, tenths, whole},
    service::Service,
    table::{Table, line, title},
    world::{World, tell},
};
use anyhow::{Context, Result, bail, ensure};
use foldstream_fold::decider_flow;
use foldstream_store::projection_flow;
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};

const CLIENTS: u64 = 1_000;

/// Milliseconds of each kind of request.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    pub(crate) wrote: Vec<f64>,
    pub(crate) read: Vec<f64>,
}

pub(crate) async fn measure(world: &World, arguments: &Arguments) -> Result<()> {
    let (mut service, url) = serve(world)?;
    tell("a thousand clients, not counted");
    round(&url, 0, arguments.warm_up.min(60)).await?;
    let mut table = Table::new(&["run", "write p50", "p99", "max", "read p50", "p99", "max", "requests/s"]);
    for run in 1..=arguments.runs {
        tell(&format!("a thousand clients, run {run} of {}", arguments.runs));
        let started = Instant::now();
        let spent = round(&url, u64::from(run), arguments.seconds).await?;
        let rate = (spent.wrote.len() + spent.read.len()) as f64 / started.elapsed().as_secs_f64();
        let figures = |all: &[f64]| [0.5, 0.99, 1.0].map(|share| tenths(percentile(all, share)));
        let mut row = vec![run.to_string()];
        row.extend(figures(&spent.wrote));
        row.extend(figures(&spent.read));
        row.push(whole(rate));
        table.row(row);
        service.check()?;
    }
    title(
        &format!("Read your writes: {CLIENTS} clients in {} s, each two writes and two reads, ms", arguments.seconds),
        &format!("foldstream-bench read-your-writes --runs {} --seconds {}", arguments.runs, arguments.seconds),
    )?;
    table.print()?;
    line("no read was older than asked")?;
    service.stop()
}

pub(crate) async fn round(url: &str, seed: u64, seconds: u32) -> Result<Spent> {
    let client = Client::new();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let mut random = StdRng::seed_from_u64(seed * CLIENTS + number);
        let moment = Duration::from_secs(u64::from(seconds)).mul_f64(random.random_range(0.0..1.0));
        let (client, url) = (client.clone(), url.to_owned());
        clients.spawn(async move {
            sleep(moment).await;
            one(&client, &url, number).await
        });
    }
    let mut all = Spent::default();
    while let Some(spent) = clients.join_next().await {
        let spent = spent.context("a client ended")??;
        all.wrote.extend(spent.wrote);
        all.read.extend(spent.read);
    }
    Ok(all)
}

/// The services that such a read goes through, and where to ask.
pub(crate) fn serve(world: &World) -> Result<(Service, String)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let services = [
        decider_flow::<foldstream_people_processor::People>(),
        projection_flow::<foldstream_people_projection::People>(),
        foldstream_api::flow(),
    ];
    let mut service = world.serve_with(&services, &[("FOLDSTREAM_HTTP_LISTEN", &address)])?;
    tokio::task::block_in_place(|| service.until_ready())?;
    Ok((service, format!("http://{address}/api/persons")))
}

async fn one(client: &Client, url: &str, number: u64) -> Result<Spent> {
    let mut spent = Spent::default();
    let mut person = json!({"first_name": "Ada", "last_name": format!("{number}"), "company_name": "Engines"});
    let (mut method, mut address) = (Method::POST, url.to_owned());
    for name in ["Ada", "Augusta"] {
        person["first_name"] = name.into();
        let started = Instant::now();
        let answer = client.request(method, &address).json(&person).send().await?;
        spent.wrote.push(started.elapsed().as_secs_f64() * 1e3);
        let position = position(&answer)?;
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        let written: Value = answer.json().await?;
        address = format!("{url}/{}", written["id"].as_str().context("an answer without an id")?);
        let started = Instant::now();
        let read = client.get(format!("{address}?after={position}")).send().await?;
        spent.read.push(started.elapsed().as_secs_f64() * 1e3);
        let status = read.status();
        let read: Value = read.json().await?;
        if !status.is_success() || read["first_name"] != name {
            bail!("read {status} {read} at {position} after writing {person}");
        }
        method = Method::PATCH;
    }
    Ok(spent)
}

fn position(answer: &Response) -> Result<String> {
    let position = answer.headers().get("foldstream-position").context("an answer without a position")?;
    Ok(position.to_str()?.to_owned())
}
