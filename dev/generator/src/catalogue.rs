//! What is declared below one folder: `catalogue.toml`, the topics of `catalogue/*.toml`, and `avro/<topic>/*.avsc`.

use crate::record::Record;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub(crate) folder: PathBuf,
    pub(crate) rules: BTreeMap<String, Rule>,
    pub(crate) topics: Vec<Topic>,
    /// By folder: the records of each topic; in the engine's root also those that stand on topics of others.
    pub(crate) records: BTreeMap<String, Vec<Record>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declarations {
    #[serde(default)]
    rules: BTreeMap<String, Rule>,
    topics: Vec<Topic>,
}

/// A file of `catalogue/`: rules are declared once for all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Topics {
    topics: Vec<Topic>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rule {
    pub(crate) says: String,
    #[serde(flatten)]
    pub(crate) limits: Limits,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Limits {
    Text {
        characters: Characters,
        #[serde(rename = "minLength")]
        min_length: usize,
        #[serde(rename = "maxLength")]
        max_length: usize,
    },
    Time {
        years: (i32, i32),
    },
    Number {
        minimum: f64,
        maximum: Option<f64>,
    },
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Characters {
    Visible,
    Printable,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) partitions: i32,
    #[serde(default)]
    keep_for_ever: bool,
    expire_after_days: Option<u64>,
    compact_within_days: Option<u64>,
    pub(crate) max_record_bytes: Option<usize>,
    #[serde(default)]
    pub(crate) writers: Vec<String>,
    #[serde(default)]
    pub(crate) carries: Vec<String>,
    pub(crate) note: Option<String>,
}

/// What the brokers do with old records.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cleanup {
    Keep,
    Expire { days: u64 },
    Compact { days: u64 },
}

impl Topic {
    pub(crate) fn cleanup(&self) -> Result<Cleanup> {
        match (self.keep_for_ever, self.expire_after_days, self.compact_within_days) {
            (true, None, None) => Ok(Cleanup::Keep),
            (false, Some(days), None) => Ok(Cleanup::Expire { days }),
            (false, None, Some(days)) => Ok(Cleanup::Compact { days }),
            _ => bail!("topic {}: say one of keep_for_ever = true, expire_after_days, compact_within_days", self.name),
        }
    }

    /// `person-commands` as the name of a constant.
    pub(crate) fn constant(&self) -> String {
        self.name.to_uppercase().replace('-', "_")
    }

    /// `person-commands` as the name of an enum.
    pub(crate) fn events(&self) -> String {
        let words = self.name.split('-').filter_map(|word| {
            let first = word.chars().next()?;
            Some(first.to_uppercase().chain(word.chars().skip(1)).collect::<String>())
        });
        words.chain(["Event".to_owned()]).collect()
    }
}

impl Root {
    /// Reads what is declared below a folder; rules may be those of the roots before it.
    pub(crate) fn read(folder: &Path, before: &[Root]) -> Result<Self> {
        let file = folder.join("catalogue.toml");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut declared: Declarations =
            toml::from_str(&text).with_context(|| format!("{} is wrong", file.display()))?;
        let more = folder.join("catalogue");
        for name in if more.exists() { names(&more)? } else { Vec::new() } {
            let file = more.join(&name);
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let topics: Topics = toml::from_str(&text).with_context(|| format!("{} is wrong", file.display()))?;
            declared.topics.extend(topics.topics);
        }
        let mut records = BTreeMap::new();
        for name in names(&folder.join("avro"))? {
            let files = names(&folder.join("avro").join(&name))?;
            let read = |file: &String| Record::read(folder, &format!("avro/{name}/{file}"));
            records.insert(name.clone(), files.iter().map(read).collect::<Result<Vec<_>>>()?);
        }
        let root = Self { folder: folder.to_owned(), rules: declared.rules, topics: declared.topics, records };
        root.check(before)?;
        Ok(root)
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    pub(crate) fn records_of(&self, topic: &str) -> &[Record] {
        self.records.get(topic).map_or(&[], Vec::as_slice)
    }

    /// The record of this full name, wherever it lies.
    pub(crate) fn record(&self, full_name: &str) -> Option<&Record> {
        self.records.values().flatten().find(|record| record.full_name == full_name)
    }

    fn check(&self, before: &[Root]) -> Result<()> {
        // A root without others before it may hold records that topics of others carry.
        for folder in self.records.keys().filter(|_| !before.is_empty()) {
            self.topic(folder).with_context(|| format!("avro/{folder}: catalogue.toml declares no such topic"))?;
        }
        let is_known =
            |rule: &str| self.rules.contains_key(rule) || before.iter().any(|root| root.rules.contains_key(rule));
        for record in self.records.values().flatten() {
            for field in &record.fields {
                if let Some(rule) = field.rule.as_deref().filter(|rule| !is_known(rule)) {
                    bail!("{}: field {} names rule {rule}, which no catalogue.toml declares", record.file, field.name);
                }
            }
        }
        for topic in &self.topics {
            topic.cleanup()?;
            for carried in &topic.carries {
                if !before.iter().any(|root| root.record(carried).is_some()) {
                    bail!("topic {}: it carries {carried}, and the engine has no such record", topic.name);
                }
            }
            for record in self.records_of(&topic.name) {
                if !record.fields.iter().any(|field| field.name == topic.key) {
                    bail!("{}: it has no field {}, which is the key of {}", record.file, topic.key, topic.name);
                }
            }
        }
        Ok(())
    }
}

/// The entries of a folder, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
