//! `go` and `go!`.

/// Starts a goroutine that runs `f`; its result is dropped (Go's `go` statement).
///
/// The new goroutine runs next when the caller blocks, or on another processor before that. A panic
/// that leaves `f` is unrecovered: see [`OnPanic`](crate::OnPanic). Callable from goroutines and
/// from plain threads; the first call starts the runtime with its defaults if [`run`](crate::run)
/// has not. See also the macro [`go!`](crate::go!), which takes a call and evaluates its arguments
/// now.
///
/// # Panics
/// When no stack can be had for it, with the operating system's reason.
///
/// ```
/// gort::run(|| {
///     let done = gort::chan(0);
///     let d = done.clone();
///     gort::go(move || d.send(6 * 7));
///     assert_eq!(done.recv(), Some(42));
/// });
/// ```
#[inline(always)]
#[track_caller]
pub fn go<F, R>(f: F)
where
    F: FnOnce() -> R + Send + 'static,
{
    crate::panic::go(crate::sched::Options::here(), f);
}

/// Starts a goroutine (Go's `go` statement): `go!(f(a, b))` evaluates `f`, `a` and `b` now, in the
/// caller, and calls in the new goroutine; `go!(move || ...)` starts a closure.
///
/// ```
/// fn add(c: gort::Chan<i32>, a: i32, b: i32) {
///     c.send(a + b);
/// }
/// gort::run(|| {
///     let c = gort::chan(1);
///     let mut n = 1;
///     gort::go!(add(c.clone(), n, 2));
///     n = 10; // too late: the argument has been evaluated
///     gort::go!({
///         let c = c.clone();
///         move || c.send(n)
///     });
///     let (a, b) = (c.recv().unwrap(), c.recv().unwrap());
///     assert_eq!(a + b, 13);
/// });
/// ```
#[macro_export]
macro_rules! go {
    ($($path:ident)::+ ($($arg:expr),* $(,)?)) => {
        $crate::__go_call!([$($path)::+] [$($arg),*])
    };
    ($closure:expr) => {
        $crate::go($closure)
    };
}

/// Binds each argument to a name of its own (macro hygiene keeps the names apart), then starts the
/// call.
#[doc(hidden)]
#[macro_export]
macro_rules! __go_call {
    ([$f:expr] [$($arg:expr),*]) => {
        $crate::__go_call!(@bind [$f] [] [$($arg),*])
    };
    (@bind [$f:expr] [$($bound:ident)*] []) => {{
        let f = $f;
        $crate::go(move || f($($bound),*))
    }};
    (@bind [$f:expr] [$($bound:ident)*] [$first:expr $(, $rest:expr)*]) => {{
        let arg = $first;
        $crate::__go_call!(@bind [$f] [$($bound)* arg] [$($rest),*])
    }};
}
