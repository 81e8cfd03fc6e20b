//! Contexts: cancellation, deadlines and values that travel down a tree of calls (Go's `context`).
//!
//! A context is a chain of nodes, each pointing to its parent. The nodes that can be cancelled have a
//! `Canceller` (`cancel.rs`); the others pass questions on.

mod cancel;

use crate::chan::Chan;
use crate::time;
use cancel::{Canceller, Child, Function};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a context is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextError {
    /// It was cancelled, or one it descends from.
    Canceled,
    /// Its deadline has passed.
    DeadlineExceeded,
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canceled => "context canceled",
            Self::DeadlineExceeded => "context deadline exceeded",
        })
    }
}

impl Error for ContextError {}

/// A cause: what a context was cancelled with.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

/// Carries cancellation, a deadline and values (Go's `context.Context`). Clones are the same context.
///
/// ```
/// use gort::context;
/// gort::run(|| {
///     let (ctx, cancel) = context::with_cancel(&context::background());
///     let worker = gort::spawn({
///         let ctx = context::with_value(&ctx, "the job");
///         move || {
///             assert_eq!(*ctx.value::<&str>().unwrap(), "the job");
///             gort::select! { recv(ctx.done()) => ctx.err() }
///         }
///     });
///     cancel.cancel();
///     assert_eq!(worker.join().unwrap(), Some(context::ContextError::Canceled));
/// });
/// ```
#[derive(Clone)]
pub struct Context(Arc<Node>);

struct Node {
    kind: Kind,
    parent: Option<Context>,
}

impl Drop for Node {
    /// Takes a long chain down without recursion.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut node) = next.and_then(|parent| Arc::into_inner(parent.0)) {
            next = node.parent.take();
        }
    }
}

enum Kind {
    Background,
    Todo,
    Value(Arc<dyn Any + Send + Sync>),
    WithoutCancel,
    Cancel(Arc<Canceller>),
}

impl Context {
    fn new(kind: Kind, parent: Option<&Self>) -> Self {
        Self(Arc::new(Node { kind, parent: parent.cloned() }))
    }

    /// This context, its parent, and so on.
    fn chain(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(&*self.0), |node: &&Node| Some(&*node.parent.as_ref()?.0))
    }

    /// What cancels it: the nearest canceller, unless it is cut off.
    fn canceller(&self) -> Option<&Arc<Canceller>> {
        for node in self.chain() {
            match &node.kind {
                Kind::Cancel(canceller) => return Some(canceller),
                Kind::WithoutCancel => return None,
                _ => {}
            }
        }
        None
    }

    /// A channel that is closed when the context is done; nil if that can never be. One can only
    /// receive from it.
    #[must_use]
    pub fn done(&self) -> Chan<()> {
        self.canceller().map_or(Chan::nil(), |canceller| canceller.done().clone())
    }

    /// Why it is done; `None` while it is not. If there is an error, [`done`](Self::done) is closed.
    #[must_use]
    pub fn err(&self) -> Option<ContextError> {
        self.canceller()?.err()
    }

    /// When it will be done at the latest, if that is known.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        for node in self.chain() {
            match &node.kind {
                Kind::Cancel(canceller) if canceller.deadline().is_some() => {
                    return canceller.deadline();
                }
                Kind::WithoutCancel => return None,
                _ => {}
            }
        }
        None
    }

    /// The nearest value of type `T` that was attached with [`with_value`].
    #[must_use]
    pub fn value<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.chain().find_map(|node| match &node.kind {
            Kind::Value(value) => value.clone().downcast().ok(),
            _ => None,
        })
    }
}

impl fmt::Debug for Context {
    /// Go's: `context.Background.WithCancel`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.chain().map(|node| node.kind.name()).collect();
        names.reverse();
        f.write_str(&names.join("."))
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Background => "context.Background",
            Self::Todo => "context.TODO",
            Self::Value(_) => "WithValue",
            Self::WithoutCancel => "WithoutCancel",
            Self::Cancel(canceller) if canceller.deadline().is_some() => "WithDeadline",
            Self::Cancel(_) => "WithCancel",
        }
    }
}

/// The root of all contexts: never done, no deadline, no values.
#[must_use]
pub fn background() -> Context {
    Context::new(Kind::Background, None)
}

/// As [`background`], for where it is not yet clear which context to use.
#[must_use]
pub fn todo() -> Context {
    Context::new(Kind::Todo, None)
}

/// A child that the returned function cancels; its parent does so too. Call it when the work is done.
#[must_use]
pub fn with_cancel(ctx: &Context) -> (Context, CancelFunc) {
    let (ctx, canceller) = derive(ctx, None);
    (ctx, CancelFunc(canceller))
}

/// As [`with_cancel`]; the function takes a cause, which [`cause`] returns.
///
/// ```
/// use gort::context::{self, ContextError};
/// let (ctx, cancel) = context::with_cancel_cause(&context::background());
/// cancel.cancel(std::io::Error::other("no more disk"));
/// assert_eq!(ctx.err(), Some(ContextError::Canceled));
/// assert_eq!(context::cause(&ctx).unwrap().to_string(), "no more disk");
/// ```
#[must_use]
pub fn with_cancel_cause(ctx: &Context) -> (Context, CancelCauseFunc) {
    let (ctx, canceller) = derive(ctx, None);
    (ctx, CancelCauseFunc(canceller))
}

/// A child that is done at `deadline` at the latest.
#[must_use]
pub fn with_deadline(ctx: &Context, deadline: Instant) -> (Context, CancelFunc) {
    if ctx.deadline().is_some_and(|earlier| earlier <= deadline) {
        return with_cancel(ctx);
    }
    let (ctx, canceller) = derive(ctx, Some(deadline));
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        canceller.cancel(ContextError::DeadlineExceeded, None);
    } else if canceller.err().is_none() {
        let ends = canceller.clone();
        let end = move || ends.cancel(ContextError::DeadlineExceeded, None);
        canceller.keep_timer(time::after_func(left, end));
    }
    (ctx, CancelFunc(canceller))
}

/// A child that is done after `d` at the latest.
///
/// ```
/// use gort::context::{self, ContextError};
/// use std::time::Duration;
/// gort::run(|| {
///     let (ctx, _cancel) = context::with_timeout(&context::background(), Duration::from_millis(1));
///     assert_eq!(ctx.done().recv(), None);
///     assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
/// });
/// ```
#[must_use]
pub fn with_timeout(ctx: &Context, d: Duration) -> (Context, CancelFunc) {
    match Instant::now().checked_add(d) {
        Some(deadline) => with_deadline(ctx, deadline),
        None => with_cancel(ctx),
    }
}

/// A child with a value, found by its type.
#[must_use]
pub fn with_value(ctx: &Context, v: impl Any + Send + Sync) -> Context {
    Context::new(Kind::Value(Arc::new(v)), Some(ctx))
}

/// A child that keeps the values, but is not done when its parent is, and has no deadline.
#[must_use]
pub fn without_cancel(ctx: &Context) -> Context {
    Context::new(Kind::WithoutCancel, Some(ctx))
}

/// What `ctx` was cancelled with; its [`ContextError`] if nothing else was given; `None` while it is
/// not done.
#[must_use]
pub fn cause(ctx: &Context) -> Option<Arc<dyn Error + Send + Sync>> {
    ctx.canceller()?.cause()
}

/// Calls `f` in a goroutine of its own when `ctx` is done (at once if it is). The returned function
/// calls that off.
pub fn after_func(ctx: &Context, f: impl FnOnce() + Send + 'static) -> StopFunc {
    let function = Function::new(f);
    let Some(canceller) = ctx.canceller() else {
        return StopFunc { function, of: None };
    };
    let key = cancel::key();
    if canceller.adopt(key, Child::Function(function.clone())).is_some() {
        function.start();
    }
    StopFunc { function, of: Some((canceller.clone(), key)) }
}

/// A cancellable child.
fn derive(parent: &Context, deadline: Option<Instant>) -> (Context, Arc<Canceller>) {
    let canceller = Canceller::below(parent.canceller(), deadline);
    (Context::new(Kind::Cancel(canceller.clone()), Some(parent)), canceller)
}

/// Cancels a context. Clones do the same; dropping does not cancel.
#[derive(Clone, Debug)]
pub struct CancelFunc(Arc<Canceller>);

impl CancelFunc {
    /// Cancels it and all that descends from it; nothing if it is done already.
    pub fn cancel(&self) {
        self.0.cancel(ContextError::Canceled, None);
    }
}

/// Cancels a context with a cause. Clones do the same; dropping does not cancel.
#[derive(Clone, Debug)]
pub struct CancelCauseFunc(Arc<Canceller>);

impl CancelCauseFunc {
    /// Cancels it and all that descends from it; nothing if it is done already.
    pub fn cancel(&self, cause: impl Error + Send + Sync + 'static) {
        self.0.cancel(ContextError::Canceled, Some(Arc::new(cause)));
    }
}

/// Calls an [`after_func`] off. Dropping does not.
#[derive(Debug)]
pub struct StopFunc {
    function: Arc<Function>,
    of: Option<(Arc<Canceller>, u64)>,
}

impl StopFunc {
    /// True if this kept the function from being called.
    pub fn stop(&self) -> bool {
        if let Some((canceller, key)) = &self.of {
            canceller.disown(*key);
        }
        self.function.take().is_some()
    }
}
