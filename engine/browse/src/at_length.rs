//! Much work at once: unpacking, decoding and writing megabytes. Where several look at the same time, it is done by threads of
//! its own, as many as there are cores, of the least priority: whoever asks for little, or for rows, is served before them. Who
//! looks alone gives way to nobody.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering},
};
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

/// How many look now. Priorities are the process's, and so is this.
static LOOKS: AtomicUsize = AtomicUsize::new(0);

/// Somebody who looks, until this is dropped.
#[derive(Debug)]
pub(crate) struct Looking;

impl Looking {
    pub(crate) fn begin() -> Self {
        LOOKS.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        LOOKS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Works on about so many bytes, and waits for it; whoever else this thread would serve is served by another meanwhile.
pub fn at_length<T: Send>(bytes: u64, work: impl FnOnce() -> T + Send) -> T {
    if bytes < LITTLE_BYTES {
        return work();
    }
    match &*THREADS {
        Some(threads) if LOOKS.load(Ordering::Relaxed) > 1 => block_in_place(|| threads.install(work)),
        _ => block_in_place(work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::current;

    #[test]
    fn of_several_who_look_those_with_much_work_give_way() {
        let here = current().id();
        let work = || (current().id(), rustix::process::nice(0).unwrap());
        let _two = (Looking::begin(), Looking::begin());
        let (id, priority) = at_length(1, work);
        assert_eq!(id, here);
        let (id, least) = at_length(LITTLE_BYTES, work);
        assert_ne!(id, here);
        assert!(least > priority || priority == LEAST_PRIORITY, "{least} and {priority}");
    }
}
