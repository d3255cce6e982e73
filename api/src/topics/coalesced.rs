//! One look for all who ask for the same at the same time.
//!
//! An answer is never older than its question: whoever comes while a look is under way shares the next one, not that
//! one. So a thousand readers cost the brokers what one reader does who never rests.

use crate::http::problem::Problem;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::time::Instant;

/// Cheap to clone.
#[derive(Debug)]
pub(crate) struct Coalesced<T> {
    /// What is being looked at. Held for a few instructions, never across an await.
    lanes: Arc<Mutex<HashMap<String, Arc<Lane<T>>>>>,
}

/// The last look at something, and when it began; locked while one is under way.
type Lane<T> = tokio::sync::Mutex<Option<(Instant, Result<Arc<T>, Problem>)>>;

impl<T> Clone for Coalesced<T> {
    fn clone(&self) -> Self {
        Self { lanes: self.lanes.clone() }
    }
}

impl<T> Default for Coalesced<T> {
    fn default() -> Self {
        Self { lanes: Arc::default() }
    }
}

impl<T> Coalesced<T> {
    pub(crate) async fn look(
        &self,
        at: &str,
        look: impl Future<Output = Result<T, Problem>>,
    ) -> Result<Arc<T>, Problem> {
        let asked_at = Instant::now();
        let lane = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).entry(at.to_owned()).or_default().clone();
        let mut last = lane.lock().await;
        let found = match &*last {
            Some((began_at, found)) if *began_at >= asked_at => found.clone(),
            _ => {
                let began_at = Instant::now();
                let found = look.await.map(Arc::new);
                *last = Some((began_at, found.clone()));
                found
            }
        };
        drop(last);
        drop(lane);
        // Lanes that nobody waits in, also those of clients that went away.
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn those_who_wait_share_one_look_that_began_after_they_asked() {
        let coalesced: Coalesced<usize> = Coalesced::default();
        let looks = AtomicUsize::new(0);
        let permits = Semaphore::new(0);
        let look = || {
            coalesced.look("locations", async {
                let number = looks.fetch_add(1, Ordering::SeqCst);
                permits.acquire().await.unwrap().forget();
                Ok(number)
            })
        };
        let (first, second, third, ()) = tokio::join!(look(), look(), look(), async { permits.add_permits(2) });
        let found = [first, second, third].map(|found| *found.unwrap());
        assert_eq!(found, [0, 1, 1]);
        permits.add_permits(1);
        assert_eq!(*look().await.unwrap(), 2, "nobody is answered with what was seen before");
        assert!(coalesced.lanes.lock().unwrap().is_empty());
    }
}
