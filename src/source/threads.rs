//! Work that several threads share, each of which takes the next part of it until none is left.

use std::panic;
use std::thread::{Builder, ScopedJoinHandle, scope};

/// Has the calling thread and at most `number - 1` others do some work, each with a number of its own, 0 for the calling
/// one; gives what they give, in the order of these numbers. Where the system allows fewer threads there are fewer, at
/// least the calling one: `work` must not rely on the others.
pub(super) fn share<T: Send>(number: usize, work: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    scope(|scope| {
        let start = |thread| Builder::new().spawn_scoped(scope, move || work(thread)).ok();
        let others: Vec<_> = (1..number).map_while(start).collect();
        let own = work(0);
        let join = |thread: ScopedJoinHandle<'_, T>| {
            thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        };
        std::iter::once(own).chain(others.into_iter().map(join)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_parts_are_done_once_and_given_in_order() {
        for number in 0..=4 {
            let next = AtomicUsize::new(0);
            let taken = share(number, &|thread| {
                let part = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|part| *part < 100);
                (thread, std::iter::from_fn(part).collect::<Vec<_>>())
            });
            assert!((1..=number.max(1)).contains(&taken.len()));
            assert!(taken.iter().enumerate().all(|(place, (thread, _))| place == *thread));
            let mut parts: Vec<_> = taken.into_iter().flat_map(|(_, parts)| parts).collect();
            parts.sort_unstable();
            assert!(parts.into_iter().eq(0..100));
        }
    }
}
