//! A process of its own for a test that needs another configuration, or the memory of nobody else.

use std::process::Command;

/// Says to a child which test it is.
const CHILD: &str = "GORT_TEST_ALONE";

/// Runs `body` in a child process that runs only the test `name`; fails if the child does. Returns
/// what the child wrote to its standard output.
pub(crate) fn alone(name: &str, body: impl FnOnce()) -> String {
    alone_with(name, &[], body)
}

/// As [`alone`], with variables in the child's environment.
pub(crate) fn alone_with(name: &str, env: &[(&str, &str)], body: impl FnOnce()) -> String {
    if std::env::var(CHILD).is_ok_and(|v| v == name) {
        body();
        return String::new();
    }
    let me = std::env::current_exe().expect("a test binary has a path");
    let mut child = Command::new(me);
    child.args(["--exact", name, "--nocapture"]).env(CHILD, name).envs(env.iter().copied());
    let out = child.output().expect("the test binary runs");
    let (said, wrong) =
        (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{:?}\n{said}\n{wrong}", out.status);
    assert!(said.contains("1 passed"), "no test of this name: {name}");
    said.into_owned()
}
