//! The schema registry: which schema an id stands for, and the registration of ours.
//!
//! A schema never changes under its id, so what was fetched once is kept for ever; what was *not* found is asked
//! for again, because it may be registered a moment later. Producers look their schema up and never register:
//! registration happens at deploy (`foldstream schemas register`), after the compatibility level is set, because the
//! registry enforces nothing before that.
//!
//! Plain REST calls by reqwest: the client crate for this API neither looks a schema up without registering it, nor
//! lists the versions of an id, nor sets the level, which is three of the five calls needed here; it also keeps a
//! 404 for ever.

mod writer_schema;

use crate::{Config, Prefix, events::RecordType};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use writer_schema::WriterSchema;

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the schema registry at {url} does not answer")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("the schema registry answered {status} to {call}: {message}")]
    Refused { call: String, status: u16, message: String },
    #[error("schema id {id} is not in the registry")]
    UnknownId { id: u32 },
    #[error("schema id {id} cannot be used: {reason}")]
    Unusable { id: u32, reason: String },
    #[error("{subject} is not registered as this version of foldstream has it: run `foldstream schemas register`")]
    NotRegistered { subject: String },
}

impl RegistryError {
    /// Whether asking again later may help.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::UnknownId { .. } | Self::Unusable { .. } | Self::NotRegistered { .. } => false,
        }
    }
}

/// Under which subject and version a schema is registered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Registered {
    pub subject: String,
    pub version: u32,
}

/// A version of a subject: its number, and its schema as text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubjectVersion {
    pub version: u32,
    pub schema: String,
}

/// A client of the registry with its cache; cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    url: String,
    prefix: Prefix,
    schemas: Mutex<HashMap<u32, Arc<WriterSchema>>>,
    registered: Mutex<HashMap<u32, Vec<Registered>>>,
}

impl Registry {
    pub fn new(config: &Config) -> Result<Self, RegistryError> {
        let url = config.registry_url.as_str().trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(5))
            .build()
            .map_err(|source| RegistryError::Unreachable { url: url.clone(), source })?;
        let prefix = config.prefix.clone();
        Ok(Self {
            inner: Arc::new(Inner { http, url, prefix, schemas: Mutex::default(), registered: Mutex::default() }),
        })
    }

    /// The schema of this id if it was asked for before.
    #[must_use]
    pub fn cached(&self, id: u32) -> Option<Arc<WriterSchema>> {
        lock(&self.inner.schemas).get(&id).cloned()
    }

    /// The schema of this id.
    pub async fn schema(&self, id: u32) -> Result<Arc<WriterSchema>, RegistryError> {
        if let Some(known) = self.cached(id) {
            return Ok(known);
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            schema: String,
            schema_type: Option<String>,
        }
        let answer: Answer = match self.get(&format!("/schemas/ids/{id}")).await {
            Err(RegistryError::Refused { status: 404, .. }) => return Err(RegistryError::UnknownId { id }),
            other => other?,
        };
        if let Some(other) = answer.schema_type.filter(|kind| kind != "AVRO") {
            return Err(RegistryError::Unusable { id, reason: format!("it is {other}, not Avro") });
        }
        let schema = Arc::new(WriterSchema::parse(id, answer.schema)?);
        lock(&self.inner.schemas).insert(id, schema.clone());
        Ok(schema)
    }

    /// Subjects of this environment, and their versions, under which this id is registered.
    pub async fn registered(&self, id: u32) -> Result<Vec<Registered>, RegistryError> {
        if let Some(known) = lock(&self.inner.registered).get(&id) {
            return Ok(known.clone());
        }
        let found: Vec<Registered> = self.get(&format!("/schemas/ids/{id}/versions")).await?;
        let ours = |registered: Registered| {
            let subject = self.inner.prefix.logical(&registered.subject)?.to_owned();
            Some(Registered { subject, ..registered })
        };
        let found: Vec<Registered> = found.into_iter().filter_map(ours).collect();
        lock(&self.inner.registered).insert(id, found.clone());
        Ok(found)
    }

    /// The id of one of our own schemas, which must have been registered.
    pub async fn id_of(&self, record: &RecordType) -> Result<u32, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            id: u32,
        }
        let subject = self.subject_of(record);
        let body = json!({"schema": record.schema, "schemaType": "AVRO"});
        let answer: Result<Answer, _> = self.post(&format!("/subjects/{subject}"), &body).await;
        match answer {
            Err(RegistryError::Refused { status: 404, .. }) => Err(RegistryError::NotRegistered { subject }),
            other => Ok(other?.id),
        }
    }

    /// How versions of a schema must agree.
    pub async fn compatibility_level(&self) -> Result<String, RegistryError> {
        let level: Value = self.get("/config").await?;
        Ok(level.get("compatibilityLevel").and_then(Value::as_str).unwrap_or("NONE").to_owned())
    }

    /// Before it is set the registry enforces nothing.
    pub async fn set_compatibility_level(&self, level: &str) -> Result<(), RegistryError> {
        let call = "/config";
        let request = self.inner.http.put(self.url(call)).json(&json!({"compatibility": level}));
        self.answer::<Value>(call, request).await.map(drop)
    }

    /// Registers a schema, and gives its id. Registering again is harmless.
    pub async fn register(&self, record: &RecordType) -> Result<u32, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            id: u32,
        }
        let body = json!({"schema": record.schema, "schemaType": "AVRO"});
        let answer: Answer = self.post(&format!("/subjects/{}/versions", self.subject_of(record)), &body).await?;
        Ok(answer.id)
    }

    /// Why a schema is not compatible with the registered versions of its subject, all of them, as the registry finds:
    /// `/versions` without a number, not the last one only. None when it is.
    pub async fn incompatibility(&self, record: &RecordType) -> Result<Option<String>, RegistryError> {
        let body = json!({"schema": record.schema, "schemaType": "AVRO"});
        let call = format!("/compatibility/subjects/{}/versions?verbose=true", self.subject_of(record));
        let answer: Value = self.post(&call, &body).await?;
        Ok(match answer.get("is_compatible") {
            Some(Value::Bool(true)) => None,
            _ => Some(answer.get("messages").map(ToString::to_string).unwrap_or_default()),
        })
    }

    /// The subject that the schemas of a record type on its topic are registered under.
    #[must_use]
    pub fn subject_of(&self, record: &RecordType) -> String {
        self.inner.prefix.physical(&record.subject()).into_owned()
    }

    /// Every registered version of a subject, oldest first; none of a subject that is not known.
    pub async fn versions(&self, subject: &str) -> Result<Vec<SubjectVersion>, RegistryError> {
        let numbers: Vec<u32> = match self.get(&format!("/subjects/{subject}/versions")).await {
            Err(RegistryError::Refused { status: 404, .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let mut versions = Vec::with_capacity(numbers.len());
        for number in numbers {
            versions.push(self.get::<SubjectVersion>(&format!("/subjects/{subject}/versions/{number}")).await?);
        }
        versions.sort_by_key(|registered| registered.version);
        Ok(versions)
    }

    fn url(&self, call: &str) -> String {
        format!("{}{call}", self.inner.url)
    }

    async fn get<T: DeserializeOwned>(&self, call: &str) -> Result<T, RegistryError> {
        self.answer(call, self.inner.http.get(self.url(call))).await
    }

    async fn post<T: DeserializeOwned>(&self, call: &str, body: &Value) -> Result<T, RegistryError> {
        self.answer(call, self.inner.http.post(self.url(call)).json(body)).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        call: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, RegistryError> {
        let unreachable = |source| RegistryError::Unreachable { url: self.inner.url.clone(), source };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(unreachable);
        }
        let text = response.text().await.unwrap_or_default();
        let message = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned))
            .unwrap_or(text);
        Err(RegistryError::Refused { call: call.to_owned(), status: status.as_u16(), message })
    }
}

/// The maps behind these locks are whole after a panic elsewhere, so poisoning is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
