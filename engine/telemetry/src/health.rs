//! What the process says about itself: a registry of components, each with one status, cheap to clone and share.
//!
//! Invariant: the process is ready when at least one component is registered and every *required* one is `Ready`;
//! a dependency is shown but never turns the process unready, or one outage would remove every replica.
//! Nothing is probed here: components report themselves.

use crate::names;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The registry. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// In order of registration. The lock is held for a few instructions, never across an await.
    components: Arc<Mutex<Vec<ComponentStatus>>>,
}

/// The handle by which one component reports. Clones report for the same component.
#[derive(Clone, Debug)]
pub struct Component {
    health: Health,
    /// Stable: components are never removed.
    index: usize,
}

/// How a component is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Status {
    /// Not yet able to do its work.
    Starting,
    /// Doing its work.
    Ready,
    /// Unable to do all of its work.
    Degraded {
        /// Why, in words for whoever is on call. No personal data.
        reason: String,
    },
    /// Ended on purpose.
    Stopped,
}

/// One component as the health endpoints show it: `{"name", "required", "status", "reason"?, "since"}`.
#[derive(Clone, Debug, Serialize)]
pub struct ComponentStatus {
    /// The name it registered with.
    pub name: String,
    /// Whether readiness depends on it.
    pub required: bool,
    /// How it is.
    #[serde(flatten)]
    pub status: Status,
    /// Since when it has been so.
    #[serde(serialize_with = "timestamp")]
    pub since: DateTime<Utc>,
    /// What it reported of itself.
    #[serde(skip)]
    reported: Status,
    /// What hinders it though it is well.
    #[serde(skip)]
    hindrance: Option<String>,
}

/// The body of `/health/ready`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether work may be sent here.
    pub ready: bool,
    /// Every component.
    pub components: Vec<ComponentStatus>,
}

impl Health {
    /// An empty registry: not ready, because nothing has said it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// A component readiness depends on; it begins as `Starting`. A known name gives the same component again.
    pub fn component(&self, name: &str) -> Component {
        self.register(name, true)
    }

    /// Something others share (a database, the brokers): shown in the body, without effect on readiness.
    pub fn dependency(&self, name: &str) -> Component {
        self.register(name, false)
    }

    /// Every component, in order of registration.
    pub fn snapshot(&self) -> Vec<ComponentStatus> {
        self.lock().clone()
    }

    /// Whether work may be sent here.
    pub fn is_ready(&self) -> bool {
        all_required_ready(&self.lock())
    }

    /// Readiness and the components it was judged by, read in one go.
    pub fn report(&self) -> Report {
        let components = self.snapshot();
        Report { ready: all_required_ready(&components), components }
    }

    fn register(&self, name: &str, required: bool) -> Component {
        let mut components = self.lock();
        let index = components.iter().position(|known| known.name == name).unwrap_or_else(|| {
            ::metrics::gauge!(names::COMPONENT_READY, "component" => name.to_owned()).set(0.0);
            let status = Status::Starting;
            let (reported, hindrance) = (status.clone(), None);
            let name = name.to_owned();
            components.push(ComponentStatus { name, required, status, since: Utc::now(), reported, hindrance });
            components.len() - 1
        });
        // One that was retired may begin again.
        components[index].required |= required;
        Component { health: self.clone(), index }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ComponentStatus>> {
        // No code that can panic runs under the lock, and a status is replaced whole: the value is sound either way.
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    /// Another component of the same process that readiness depends on.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Self {
        self.health.component(name)
    }

    /// Its work is over for good: it is still shown, and readiness depends on it no longer.
    pub fn retire(&self) {
        self.set(Status::Stopped);
        if let Some(component) = self.health.lock().get_mut(self.index) {
            component.required = false;
        }
    }

    /// Reports how the component is. Saying the same again changes nothing, `since` included.
    pub fn set(&self, status: Status) {
        self.change(|component| component.reported = status);
    }

    /// Reports what keeps it, well as it is, from all of its work: something others do, seen by whoever looks; none when
    /// nothing does any more. It stands until then, whatever the component reports of itself meanwhile.
    pub fn hinder(&self, hindrance: Option<String>) {
        self.change(|component| component.hindrance = hindrance);
    }

    fn change(&self, change: impl FnOnce(&mut ComponentStatus)) {
        let mut components = self.health.lock();
        let Some(component) = components.get_mut(self.index) else { return };
        change(component);
        let status = match (&component.reported, &component.hindrance) {
            (Status::Ready, Some(reason)) => Status::Degraded { reason: reason.clone() },
            (reported, _) => reported.clone(),
        };
        if component.status == status {
            return;
        }
        let ready = if status == Status::Ready { 1.0 } else { 0.0 };
        ::metrics::gauge!(names::COMPONENT_READY, "component" => component.name.clone()).set(ready);
        component.status = status;
        component.since = Utc::now();
    }
}

fn all_required_ready(components: &[ComponentStatus]) -> bool {
    !components.is_empty()
        && components.iter().all(|component| !component.required || component.status == Status::Ready)
}

fn timestamp<S: Serializer>(since: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&since.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_required_component_is() {
        let health = Health::new();
        assert!(!health.is_ready(), "nothing has said it is ready");
        let parcels = health.component("parcels-projection");
        let routes = health.component("routes-projection");
        let database = health.dependency("postgres");
        parcels.set(Status::Ready);
        assert!(!health.is_ready());
        routes.set(Status::Ready);
        assert!(health.is_ready());
        database.set(Status::Degraded { reason: "connection refused".to_owned() });
        assert!(health.is_ready(), "a shared dependency does not remove this process");
        parcels.set(Status::Degraded { reason: "halted at parcels:3:17".to_owned() });
        assert!(!health.is_ready());
    }

    #[test]
    fn the_same_name_is_the_same_component_and_clones_share() {
        let health = Health::new();
        health.component("loader").set(Status::Ready);
        let again = health.clone().component("loader");
        assert_eq!(health.snapshot().len(), 1);
        assert!(health.is_ready(), "asking again leaves the status as it was");
        again.set(Status::Stopped);
        assert_eq!(health.snapshot()[0].status, Status::Stopped);
    }

    #[test]
    fn one_that_is_retired_is_shown_and_missed_by_nobody_until_it_begins_again() {
        let health = Health::new();
        let projection = health.component("routes-projection");
        projection.set(Status::Ready);
        let version = projection.sibling("routes-projection v2");
        assert!(!health.is_ready(), "the new one has not said it is ready");
        version.retire();
        assert!(health.is_ready());
        assert_eq!(health.snapshot()[1].status, Status::Stopped);
        let _again = projection.sibling("routes-projection v2");
        assert!(!health.is_ready());
    }

    #[test]
    fn since_moves_only_when_the_status_does() {
        let health = Health::new();
        let component = health.component("door");
        let registered = health.snapshot()[0].since;
        component.set(Status::Starting);
        assert_eq!(health.snapshot()[0].since, registered);
        component.set(Status::Ready);
        assert!(health.snapshot()[0].since >= registered);
    }

    #[test]
    fn the_body_is_flat() {
        let health = Health::new();
        health.component("door").set(Status::Degraded { reason: "no brokers".to_owned() });
        let body = serde_json::to_value(health.report()).unwrap();
        assert_eq!(body["ready"], false);
        let component = &body["components"][0];
        assert_eq!(component["name"], "door");
        assert_eq!(component["status"], "degraded");
        assert_eq!(component["reason"], "no brokers");
        assert!(component["since"].as_str().unwrap().ends_with('Z'), "{component}");
    }
}
