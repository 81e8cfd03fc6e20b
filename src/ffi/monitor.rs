//! A state under a mutex, and those who wait for it to change until a deadline: what the types of
//! `sync.rs` are made of, so that every wait of C's can be given up.

use super::Until;
use crate::switch::Caught;
use crate::sync::{Condvar, Mutex};
use std::ffi::c_int;

/// See the head.
#[derive(Debug)]
pub(super) struct Monitor<S> {
    state: Mutex<S>,
    changed: Condvar,
}

impl<S> Monitor<S> {
    pub(super) fn new(state: S) -> Self {
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits until `ready` gives something, which it may change the state for.
    ///
    /// # Errors
    /// `EAGAIN` or `ETIMEDOUT` when the deadline has come.
    pub(super) fn wait<T>(
        &self,
        deadline: i64,
        mut ready: impl FnMut(&mut S) -> Option<T>,
    ) -> Result<T, c_int> {
        let _caught = Caught::take();
        let until = Until::of(deadline);
        let mut state = self.state.lock();
        loop {
            if let Some(value) = ready(&mut state) {
                return Ok(value);
            }
            match until.left() {
                None => self.changed.wait(&mut state),
                Some(left) if left.is_zero() => return Err(until.error()),
                Some(left) => {
                    self.changed.wait_timeout(&mut state, left);
                }
            }
        }
    }

    /// Changes the state, and lets everyone who waits look.
    pub(super) fn change<T>(&self, f: impl FnOnce(&mut S) -> T) -> T {
        let _caught = Caught::take();
        let result = f(&mut self.state.lock());
        self.changed.notify_all();
        result
    }

    /// Changes the state in a way that lets one go on at most: whoever has waited longest looks.
    pub(super) fn change_for_one<T>(&self, f: impl FnOnce(&mut S) -> T) -> T {
        let _caught = Caught::take();
        let result = f(&mut self.state.lock());
        self.changed.notify_one();
        result
    }
}
