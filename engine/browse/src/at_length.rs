//! Much work at once: unpacking, decoding and writing megabytes. It has threads of its own, as many as there are cores, of the
//! least priority: whoever asks for little, or for rows, is served before them, and where nobody does they have every core.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::LazyLock;
use tokio::task::block_in_place;

/// What is unpacked, decoded and written within a millisecond, about. To hand over less is not worth it.
const LITTLE_BYTES: u64 = 64 * 1024;
const LEAST_PRIORITY: i32 = 19;

static THREADS: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    // Whose priority cannot be lowered works as it is. On Linux this is the priority of the thread that asks.
    let begin = |_| {
        let _ = rustix::process::nice(LEAST_PRIORITY);
    };
    ThreadPoolBuilder::new().thread_name(|number| format!("at-length-{number}")).start_handler(begin).build().ok()
});

/// Works on about so many bytes, and waits for it; whoever else this thread would serve is served by another meanwhile.
pub fn at_length<T: Send>(bytes: u64, work: impl FnOnce() -> T + Send) -> T {
    match &*THREADS {
        Some(threads) if bytes >= LITTLE_BYTES => block_in_place(|| threads.install(work)),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::current;

    #[test]
    fn only_much_work_is_handed_over_and_gives_way_to_others() {
        let here = current().id();
        let work = || (current().id(), rustix::process::nice(0).unwrap());
        let (id, priority) = at_length(1, work);
        assert_eq!(id, here);
        let (id, least) = at_length(LITTLE_BYTES, work);
        assert_ne!(id, here);
        assert!(least > priority || priority == LEAST_PRIORITY, "{least} and {priority}");
    }
}
