//! What the behaviour tests share.

/// Runs `f` as a main goroutine with 1, 2 and 4 processors.
pub(crate) fn at_procs(f: impl Fn() + Send + Sync) {
    for procs in [1, 2, 4] {
        gort::run(|| {
            gort::runtime::gomaxprocs(procs);
            f();
        });
    }
}

/// The message of the panic that `f` ends with.
#[allow(dead_code)]
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err();
    let payload = payload.expect("a panic");
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).expect("a message")
}
