//! What the demo has done, and what a person can do next: rows, addresses, lines to paste.
//!
//! Only shows; nothing here can fail the demo.

use std::process::Command;

use chrono::{TimeDelta, Utc};
use foldstream_stack::{PartStatus, Stack};
use serde_json::Value;

use crate::foldstream::Foldstream;
use crate::{place, terminal};

/// Every table of the read models with its exact number of rows, whatever they are called.
const ROWS: &str = "
select format('%s.%s %s', table_schema, table_name,
         (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I.%I', table_schema, table_name),
                                              false, true, '')))[1])
from information_schema.tables
where table_type = 'BASE TABLE'
  and table_schema not in ('pg_catalog', 'information_schema')
  and table_name not in ('spatial_ref_sys', '_sqlx_migrations', 'store_migration')
order by 1";

/// Prints it.
pub(crate) fn print(stack: &Stack, foldstream: &Foldstream) {
    terminal::say("\nRows in the read models");
    let rows = read_model_rows(foldstream.variable(place::DATABASE));
    for line in rows.lines() {
        let (table, count) = line.rsplit_once(' ').unwrap_or((line, ""));
        terminal::say(&format!("  {table:<40} {count:>12}"));
    }
    let api = format!("http://{}", foldstream.listen());
    terminal::say("\nLook at");
    terminal::say(&format!("  {:<42} every request, to try out", format!("{api}/docs")));
    terminal::say(&format!("  {:<42} what it depends on, and how that is", format!("{api}/health/ready")));
    terminal::say(&format!("  {:<42} numbers for Prometheus", format!("{api}/metrics")));
    let registry = foldstream.variable(place::REGISTRY);
    terminal::say(&format!("  {:<42} the schemas", format!("{registry}/subjects")));
    for part in stack.status() {
        show_log(&part);
    }
    terminal::say("\nAsk");
    terminal::say(&format!("  curl -s '{api}/api/persons?limit=3'"));
    terminal::say(&format!("  curl -s '{api}/messages?topic=locations&limit=3'"));
    if let Some(person) = any_person(foldstream) {
        let today = Utc::now();
        // The replayed hours may have begun before midnight.
        let start = (today - TimeDelta::hours(3)).date_naive();
        let end = today.date_naive();
        terminal::say(&format!(
            "  curl -s '{api}/api/persons/{person}/connection?start_date={start}&end_date={end}&distance=500'"
        ));
    }
    let broker = foldstream.variable(place::KAFKA).split(',').next().unwrap_or_default();
    terminal::say(&format!("  kcat -b {broker} -t locations -C -o -5 -e -f '%T %k %p:%o\\n'"));
}

fn show_log(part: &PartStatus) {
    terminal::say(&format!("  {:<42} log of {}", part.log.display(), part.name));
}

fn read_model_rows(database: &str) -> String {
    let psql = Command::new("psql").args(["--no-psqlrc", "-tA", "--dbname", database, "--command", ROWS]).output();
    match psql {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        Ok(output) => format!("cannot be counted: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => format!("cannot be counted: {error}"),
    }
}

fn any_person(foldstream: &Foldstream) -> Option<String> {
    let answer = foldstream.get("/api/persons?limit=1").ok()?;
    let persons: Value = serde_json::from_str(&answer.body).ok()?;
    match persons.get(0)?.get("id")? {
        Value::String(id) => Some(id.clone()),
        id => Some(id.to_string()),
    }
}
