//! The schema registry: which schema an id stands for, and the registration of ours.
//!
//! A schema never changes under its id, so what was fetched once is kept for ever; what was *not* found is asked
//! for again, because it may be registered a moment later (only who looks in takes no for an answer for a while). Producers
//! look their schema up and never register:
//! registration happens at deploy (`foldstream schemas register`), after the compatibility level is set, because the
//! registry enforces nothing before that.
//!
//! `schema_registry_converter` fetches, with what a schema refers to, looks up and registers, behind the cache here. REST
//! calls of ours are left for what it has no call for: the level, the subjects and versions of an id, and *why* a schema
//! is not compatible (it gives yes or no). Its decoders and their cache are not used: they read generic values, and a
//! schema that is not there stays so for them. Whether asking again may help is told here as well: to the client a
//! registry that is overloaded or failing (429, 500) is an answer for good.

mod absent;
mod error;
mod logical_types;
mod references;
mod writer_schema;

use crate::{
    catalogue::Catalogue,
    config::Config,
    events::RecordType,
    framing::SchemaId,
    personal::{Marks, Personal},
    prefix::Prefix,
};
use absent::Absent;
use references::with_references;
use schema_registry_converter::{
    async_impl::schema_registry::{
        SrSettings, get_all_versions, get_referenced_schema, get_schema_by_guid, get_schema_by_id,
        get_schema_by_subject_and_version, perform_sr_call, post_schema,
    },
    error::SRCError,
    schema_registry_common::{RawError, RegisteredSchema, SchemaType, SrCall, SuppliedSchema},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, hash_map::Entry},
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use error::RegistryError;
pub use writer_schema::WriterSchema;

const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(5);
/// More schemas than this are not put together to one.
const MOST_REFERENCES: usize = 100;

/// Under which subject and version a schema is registered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Registered {
    pub subject: String,
    pub version: u32,
}

/// A schema of the registry, of whatever kind.
#[derive(Debug, Clone)]
pub enum AnySchema {
    Avro(Arc<WriterSchema>),
    /// Its data are JSON.
    Json,
    Protobuf,
}

/// A version of a subject: its number, and its schema as text.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    client: SrSettings,
    url: String,
    prefix: Prefix,
    avro_depth: u32,
    marks: Option<Marks>,
    schemas: Mutex<HashMap<SchemaId, AnySchema>>,
    absent: Absent,
    registered: Mutex<HashMap<u32, Vec<Registered>>>,
}

impl Registry {
    /// For those who read what they know the types of.
    pub fn new(config: &Config) -> Result<Self, RegistryError> {
        Self::marking(config, None)
    }

    /// For those who look into topics, too: personal fields are masked, unless the settings say otherwise.
    pub fn for_looking(config: &Config, catalogue: &Catalogue) -> Result<Self, RegistryError> {
        Self::marking(config, (config.personal == Personal::Masked).then(|| Marks::of(catalogue)))
    }

    fn marking(config: &Config, marks: Option<Marks>) -> Result<Self, RegistryError> {
        let url = config.registry_url.as_str().trim_end_matches('/').to_owned();
        let unusable = |source: Box<dyn Error + Send + Sync>| RegistryError::Unreachable { url: url.clone(), source };
        let builder = || reqwest::Client::builder().connect_timeout(CONNECT_PATIENCE);
        let http = builder().timeout(PATIENCE).build().map_err(|error| unusable(error.into()))?;
        let client = SrSettings::new_builder(url.clone()).set_timeout(PATIENCE).build_with(builder());
        let client = client.map_err(|error| unusable(Failure(error).into()))?;
        let prefix = config.prefix.clone();
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                client,
                url,
                prefix,
                avro_depth: config.avro_depth,
                marks,
                schemas: Mutex::default(),
                absent: Absent::default(),
                registered: Mutex::default(),
            }),
        })
    }

    /// The schema if it was asked for before.
    #[must_use]
    pub fn cached(&self, id: SchemaId) -> Option<AnySchema> {
        lock(&self.inner.schemas).get(&id).cloned()
    }

    /// The Avro schema of this id.
    pub async fn schema(&self, id: u32) -> Result<Arc<WriterSchema>, RegistryError> {
        match self.any_schema(SchemaId::Number(id)).await? {
            AnySchema::Avro(schema) => Ok(schema),
            other => Err(RegistryError::Unusable {
                id: SchemaId::Number(id),
                reason: format!("it is {}, not Avro", other.kind()),
            }),
        }
    }

    /// The schema of this id or GUID, whatever its kind.
    pub async fn any_schema(&self, id: SchemaId) -> Result<AnySchema, RegistryError> {
        if let Some(known) = self.cached(id) {
            return Ok(known);
        }
        let client = &self.inner.client;
        let found = match id {
            SchemaId::Number(number) => {
                self.answered(&format!("/schemas/ids/{number}"), get_schema_by_id(number, client).await)
            }
            SchemaId::Guid(guid) => {
                let answer = get_schema_by_guid(&guid.to_string(), client).await;
                self.answered(&format!("/schemas/guids/{guid}"), answer)
            }
        };
        let found = match found {
            Err(RegistryError::Refused { status: 404, .. }) => return Err(RegistryError::UnknownId { id }),
            other => other?,
        };
        let schema = match &found.schema_type {
            SchemaType::Avro => {
                let text = self.whole(id, found).await?;
                AnySchema::Avro(Arc::new(WriterSchema::named(id, text, self.inner.avro_depth, self.inner.marks)?))
            }
            SchemaType::Json => AnySchema::Json,
            SchemaType::Protobuf => AnySchema::Protobuf,
            other => {
                return Err(RegistryError::Unusable { id, reason: format!("it is {other:?}, which is not known") });
            }
        };
        lock(&self.inner.schemas).insert(id, schema.clone());
        Ok(schema)
    }

    /// Whether personal fields are masked: what a schema says that is not known is not shown then.
    pub(crate) fn masks(&self) -> bool {
        self.inner.marks.is_some()
    }

    /// Why there is no such schema, if that was found out lately.
    pub(crate) fn absent(&self, id: SchemaId) -> Option<Arc<str>> {
        self.inner.absent.reason(id)
    }

    pub(crate) fn note_absent(&self, id: SchemaId, reason: Arc<str>) {
        self.inner.absent.note(id, reason);
    }

    /// Where this id is registered if that was asked before.
    pub(crate) fn registered_cached(&self, id: u32) -> Option<Vec<Registered>> {
        lock(&self.inner.registered).get(&id).cloned()
    }

    /// Subjects of this environment, and their versions, under which this id is registered.
    pub async fn registered(&self, id: u32) -> Result<Vec<Registered>, RegistryError> {
        if let Some(known) = self.registered_cached(id) {
            return Ok(known);
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

    /// The text of a schema with every schema it refers to, and those these refer to.
    async fn whole(&self, id: SchemaId, schema: RegisteredSchema) -> Result<String, RegistryError> {
        let RegisteredSchema { schema, references: mut open, .. } = schema;
        if open.is_empty() {
            return Ok(schema);
        }
        let mut referenced = HashMap::new();
        while let Some(reference) = open.pop() {
            if referenced.len() == MOST_REFERENCES {
                return Err(RegistryError::Unusable { id, reason: "it refers to too many others".to_owned() });
            }
            let Entry::Vacant(place) = referenced.entry(reference.name.clone()) else { continue };
            let call = format!("/subjects/{}/versions/{}", reference.subject, reference.version);
            let found = self.answered(&call, get_referenced_schema(&self.inner.client, &reference).await)?;
            place.insert(found.schema);
            open.extend(found.references);
        }
        with_references(&schema, referenced.values())
            .ok_or_else(|| RegistryError::Unusable { id, reason: "it, or one it refers to, is no JSON".to_owned() })
    }

    /// The id of one of our own schemas, which must have been registered.
    pub async fn id_of(&self, record: &RecordType) -> Result<u32, RegistryError> {
        let subject = self.subject_of(record);
        let body = json!({"schema": record.schema, "schemaType": "AVRO"}).to_string();
        let call = format!("/subjects/{subject}");
        let found = perform_sr_call(&self.inner.client, SrCall::PostForVersion(&subject, &body)).await;
        let id = match self.answered(&call, found) {
            Err(RegistryError::Refused { status: 404, .. }) => return Err(RegistryError::NotRegistered { subject }),
            other => other?.id,
        };
        let message = "the answer names no id".to_owned();
        id.ok_or(RegistryError::Refused { call, status: 200, message })
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
        let (subject, schema) = (self.subject_of(record), record.schema.to_owned());
        let call = format!("/subjects/{subject}/versions");
        let schema = SuppliedSchema::new(None, SchemaType::Avro, schema);
        Ok(self.answered(&call, post_schema(&self.inner.client, subject, schema).await)?.id)
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
        let (client, call) = (&self.inner.client, format!("/subjects/{subject}/versions"));
        let numbers = match self.answered(&call, get_all_versions(client, subject.to_owned()).await) {
            Err(RegistryError::Refused { status: 404, .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let mut versions = Vec::with_capacity(numbers.len());
        for version in numbers {
            let found = get_schema_by_subject_and_version(client, subject, Some(version)).await;
            let RegisteredSchema { schema, .. } = self.answered(&format!("{call}/{version}"), found)?;
            versions.push(SubjectVersion { version, schema });
        }
        versions.sort_by_key(|registered| registered.version);
        Ok(versions)
    }

    /// What the client was answered: what the registry said, and otherwise that it said nothing.
    fn answered<T>(&self, call: &str, answer: Result<T, SRCError>) -> Result<T, RegistryError> {
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match error.source().and_then(|source| source.downcast_ref::<RawError>()) {
            Some(RawError { error_code, message, .. }) => {
                let (call, message) = (call.to_owned(), message.clone());
                Err(RegistryError::Refused { call, status: status_of(*error_code), message })
            }
            None => Err(RegistryError::Unreachable { url: self.inner.url.clone(), source: Failure(error).into() }),
        }
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
        let unreachable =
            |source: reqwest::Error| RegistryError::Unreachable { url: self.inner.url.clone(), source: source.into() };
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

impl AnySchema {
    /// As registries spell it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Avro(_) => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }
}

/// Registries say more than the status: 40403 is a 404 of a schema.
fn status_of(error_code: u32) -> u16 {
    let status = if error_code >= 10_000 { error_code / 100 } else { error_code };
    u16::try_from(status).unwrap_or_default()
}

/// An error of the client, without what it thinks of asking again.
#[derive(Debug)]
struct Failure(SRCError);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.error)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The maps behind these locks are whole after a panic elsewhere, so poisoning is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
