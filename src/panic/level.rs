//! `GORT_TRACEBACK`: how much a crash tells, and how the process ends after it (Go's GOTRACEBACK).

use std::sync::OnceLock;

/// What is printed; each level includes the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// The message alone.
    None,
    /// The goroutine that crashed; all of them if none did. The default.
    Single,
    /// Every goroutine.
    All,
    /// The runtime's frames, too.
    System,
    /// And the end is SIGABRT, for a core dump.
    Crash,
}

impl Level {
    pub(super) fn shows_all(self) -> bool {
        self >= Self::All
    }

    pub(super) fn shows_runtime(self) -> bool {
        self >= Self::System
    }
}

/// The level in force, read once.
pub(super) fn get() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| parse(std::env::var("GORT_TRACEBACK").ok().as_deref()))
}

fn parse(word: Option<&str>) -> Level {
    match word {
        None | Some("" | "single") => Level::Single,
        Some("none" | "0") => Level::None,
        Some("all") => Level::All,
        Some("system") => Level::System,
        Some("crash") => Level::Crash,
        Some(number) => match number.parse::<u32>() {
            Ok(1) => Level::All,
            Ok(_) => Level::System,
            Err(_) => Level::Single,
        },
    }
}

/// Ends the process after a report.
pub(super) fn end() -> ! {
    if get() == Level::Crash {
        std::process::abort();
    }
    std::process::exit(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_understood_as_in_go() {
        assert_eq!(parse(None), Level::Single);
        assert_eq!(parse(Some("none")), Level::None);
        assert_eq!(parse(Some("1")), Level::All);
        assert_eq!(parse(Some("2")), Level::System);
        assert_eq!(parse(Some("crash")), Level::Crash);
        assert_eq!(parse(Some("nonsense")), Level::Single);
        assert!(!Level::Single.shows_all() && Level::All.shows_all());
        assert!(!Level::All.shows_runtime() && Level::Crash.shows_runtime());
    }
}
