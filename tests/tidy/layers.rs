//! The layer line: which room may use which. Data goes down by call and comes back by value, so
//! a lower room never names a higher one, and neighbours in one layer do not know each other.

use crate::Fault;
use crate::scan::Source;

/// Lower on the left. A room may name only rooms of lower layers, and itself.
pub(crate) const LINE: &str = "
    base < sys < stack < switch < tls < g
    < runq, timer, poll
    < sched
    < chan, sync, panic
    < io
    < time, net, context
    < api, debug, ffi
";

/// Where the line is crossed on purpose: `from -> to: reason`, one a line. One that is no longer
/// needed is a fault too.
pub(crate) const EXCEPTIONS: &str = "
  context -> time: a deadline is a timer that cancels
  stack -> api: the room's name is also a public module's; it re-exports that module's functions
  sync -> panic: WaitGroup::go starts a goroutine and must know how it ended
";

/// Layer of each room, from [`LINE`].
#[derive(Debug)]
pub(crate) struct Layers(Vec<Vec<&'static str>>);

impl Layers {
    pub(crate) fn parse(line: &'static str) -> Self {
        Self(line.split('<').map(|l| l.split(',').map(str::trim).collect()).collect())
    }

    pub(crate) fn of(&self, room: &str) -> Option<usize> {
        self.0.iter().position(|layer| layer.contains(&room))
    }

    fn is_top(&self, room: &str) -> bool {
        self.of(room) == Some(self.0.len() - 1)
    }
}

/// The room a file belongs to: `src/<room>/…` or `src/<room>.rs`; `None` for `src/lib.rs` and
/// everything outside `src/`.
pub(crate) fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (room != "lib").then_some(room)
}

/// Pairs of [`EXCEPTIONS`] with their reasons.
pub(crate) fn exceptions(text: &str) -> Vec<(&str, &str, &str)> {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    lines
        .map(|l| {
            let parts = l.split_once(" -> ").and_then(|(from, rest)| {
                rest.split_once(": ").map(|(to, reason)| (from, to, reason))
            });
            parts.unwrap_or_else(|| panic!("write the exception as `from -> to: reason`: {l}"))
        })
        .collect()
}

/// What `source` names after `crate::`: (line, first segment, whether a macro call follows).
/// `$crate::` is skipped: it is read in the user's crate.
fn crate_names(source: &Source) -> Vec<(usize, &str, bool)> {
    let mut out = Vec::new();
    for i in source.find(&["crate", ":", ":"]) {
        if i > 0 && source.word(i - 1) == "$" {
            continue;
        }
        if source.word(i + 3) != "{" {
            out.push((source.line_of_token(i), source.word(i + 3), source.word(i + 4) == "!"));
            continue;
        }
        let close = source.closing(i + 3).unwrap_or(source.tokens.len());
        let mut k = i + 4;
        while k < close {
            out.push((source.line_of_token(k), source.word(k), false));
            while k < close && source.word(k) != "," {
                k = if source.word(k) == "{" { source.closing(k).unwrap_or(close) } else { k + 1 };
            }
            k += 1;
        }
    }
    out
}

/// The rule itself; `used` learns which exceptions were needed.
pub(crate) fn check(
    layers: &Layers,
    exceptions: &[(&str, &str, &str)],
    source: &Source,
    used: &mut Vec<(String, String)>,
) -> Vec<Fault> {
    let Some(own) = room(&source.path) else { return Vec::new() };
    let Some(layer) = layers.of(own) else {
        let mend = format!(
            "room `{own}` is not in the layer line: put the file in a room that exists, \
             or the room into tests/tidy/layers.rs and ARCHITECTURE.md"
        );
        return vec![Fault { line: 1, says: mend }];
    };
    let mut faults = Vec::new();
    for (line, name, is_macro) in crate_names(source) {
        let says = match layers.of(name) {
            Some(other) if other < layer || name == own => continue,
            Some(_) if exceptions.iter().any(|(f, t, _)| (*f, *t) == (own, name)) => {
                used.push((own.to_owned(), name.to_owned()));
                continue;
            }
            Some(_) => format!(
                "`{own}` names `{name}`, which is not below it: return a value and let the higher \
                 room act on it, or move the code up"
            ),
            None if is_macro || layers.is_top(own) => continue,
            None => format!(
                "`crate::{name}` is not a room: name the item through the room that owns it \
                 (`crate::<room>::{name}`), so that the layer line can be seen"
            ),
        };
        faults.push(Fault { line, says });
    }
    faults.extend(climbing_paths(layers, own, source));
    faults
}

/// `super::super::other_room::…` would reach around the rule. Inside test modules `super` means
/// something else and is left alone.
fn climbing_paths(layers: &Layers, own: &str, source: &Source) -> Vec<Fault> {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let depth = source.path.matches('/').count() - usize::from(file == "mod.rs");
    let climb = ["super", ":", ":"].repeat(depth);
    let tests = source.test_spans();
    source
        .find(&climb)
        .filter(|i| !tests.iter().any(|span| span.contains(i)))
        .map(|i| (i, source.word(i + 3 * depth)))
        .filter(|(_, name)| layers.of(name).is_some() && *name != own)
        .map(|(i, name)| Fault {
            line: source.line_of_token(i),
            says: format!("write `crate::{name}` instead of climbing to it"),
        })
        .collect()
}
