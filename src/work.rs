//! Counts the work of the passes, so that tests can see how it grows with the input.
//!
//! A step is one operator, slot, edge, word of a set or the like that is looked at. Nothing is counted outside of tests.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts steps of the thread.
#[inline(always)]
pub(crate) fn count(steps: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get() + steps);
    #[cfg(not(test))]
    let _ = steps;
}

/// The steps that `work` takes on this thread, with what it makes.
#[cfg(test)]
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = STEPS.get();
    let made = work();
    (STEPS.get() - before, made)
}
