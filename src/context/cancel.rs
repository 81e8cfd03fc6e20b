//! What can be cancelled, and what goes with it.
//!
//! A canceller knows its children; cancelling walks down the tree without recursion. A child is held
//! weakly, so a context that nobody has any more costs nothing: it leaves its parent when it is
//! dropped. If only its done-channel is left, the parent keeps that in its place, and closes it.
//!
//! The error is set and the channel closed under one lock, so whoever sees the error finds the
//! channel closed. Locks are taken one at a time, and nothing of users' runs under one.

use super::{Cause, ContextError};
use crate::base::width::Wide;
use crate::chan::Chan;
use crate::sys::lock::Lock;
use crate::time::Timer;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// See the head.
pub(super) struct Canceller {
    done: Chan<()>,
    deadline: Option<Instant>,
    /// Whose child it is, and under which key.
    parent: Option<(Arc<Canceller>, u64)>,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// Why, and what with; once set it stays.
    ended: Option<(ContextError, Cause)>,
    children: HashMap<u64, Child>,
    /// Cancels at the deadline; refers back to the canceller until it is taken out.
    timer: Option<Timer>,
}

/// Who is told when a canceller is done.
pub(super) enum Child {
    Canceller(Weak<Canceller>),
    /// The channel of one that is gone.
    Done(Chan<()>),
    Function(Arc<Function>),
}

/// A function that is called at most once.
pub(super) struct Function(Lock<Option<Box<dyn FnOnce() + Send>>>);

impl Function {
    pub(super) fn new(f: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self(Lock::new(Some(Box::new(f)))))
    }

    /// The function, for the one who comes first.
    pub(super) fn take(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.0.lock().take()
    }

    /// Calls it in a goroutine of its own, if it is still there.
    pub(super) fn start(&self) {
        if let Some(f) = self.take() {
            crate::panic::go(crate::sched::Options::here(), f);
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

/// A name for a child that its parent has not used.
pub(super) fn key() -> u64 {
    static NEXT: Wide = Wide::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Canceller {
    /// A child of `parent`; done at once if that is.
    pub(super) fn below(parent: Option<&Arc<Self>>, deadline: Option<Instant>) -> Arc<Self> {
        let parent = parent.map(|parent| (parent.clone(), key()));
        let child = Arc::new(Self {
            done: Chan::receive_only(),
            deadline,
            parent,
            state: Lock::new(State::default()),
        });
        if let Some((parent, key)) = &child.parent
            && let Some((err, cause)) = parent.adopt(*key, Child::Canceller(Arc::downgrade(&child)))
        {
            child.cancel(err, Some(cause));
        }
        child
    }

    /// Takes a child in, or says why it is too late.
    pub(super) fn adopt(&self, key: u64, child: Child) -> Option<(ContextError, Cause)> {
        let mut state = self.state.lock();
        let ended = state.ended.clone();
        if ended.is_none() {
            state.children.insert(key, child);
        }
        ended
    }

    pub(super) fn disown(&self, key: u64) {
        let child = self.state.lock().children.remove(&key);
        drop(child);
    }

    pub(super) fn done(&self) -> &Chan<()> {
        &self.done
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn err(&self) -> Option<ContextError> {
        self.state.lock().ended.as_ref().map(|(err, _)| *err)
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        self.state.lock().ended.as_ref().map(|(_, cause)| cause.clone())
    }

    /// Keeps the timer of the deadline, to stop it when it is not needed any more.
    pub(super) fn keep_timer(&self, timer: Timer) {
        let mut state = self.state.lock();
        if state.ended.is_none() {
            state.timer = Some(timer);
            return;
        }
        drop(state);
        timer.stop();
    }

    /// Cancels it and everything below, the nearest first.
    pub(super) fn cancel(&self, err: ContextError, cause: Option<Cause>) {
        let cause = cause.unwrap_or_else(|| Arc::new(err));
        let mut below = self.end(err, &cause);
        while let Some(child) = below.pop() {
            match child {
                Child::Canceller(child) => {
                    if let Some(child) = child.upgrade() {
                        below.extend(child.end(err, &cause));
                    }
                }
                Child::Done(done) => {
                    done.close_inside();
                }
                Child::Function(function) => function.start(),
            }
        }
        if let Some((parent, key)) = &self.parent {
            parent.disown(*key);
        }
    }

    /// Ends this one alone; returns its children.
    fn end(&self, err: ContextError, cause: &Cause) -> Vec<Child> {
        let (children, timer) = {
            let mut state = self.state.lock();
            if state.ended.is_some() {
                return Vec::new();
            }
            state.ended = Some((err, cause.clone()));
            self.done.close_inside();
            (std::mem::take(&mut state.children), state.timer.take())
        };
        if let Some(timer) = timer {
            timer.stop();
        }
        children.into_values().collect()
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        let Some((parent, key)) = &self.parent else { return };
        let left = {
            let mut state = parent.state.lock();
            let left = state.children.remove(key);
            if left.is_some() && self.done.is_shared() {
                state.children.insert(*key, Child::Done(self.done.clone()));
            }
            left
        };
        drop(left);
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").field("err", &self.err()).finish_non_exhaustive()
    }
}
