//! What `/proc` says of this process: how many threads it has, and what one of them is doing.
//!
//! sysmon asks several times a second, and the deadlock check when memory may be exhausted, so
//! nothing here allocates. Both answers are out of date when they arrive; whoever acts on one
//! must be right in either case.

use std::fs::File;
use std::io::{Read, Write};

/// Long enough for the fields up to `num_threads` with every number at its longest. What comes
/// after them may be cut off.
const STAT: usize = 1024;

/// Number of threads of this process; `None` where `/proc` is not mounted.
pub(crate) fn threads() -> Option<usize> {
    parse_threads(read("/proc/self/stat", &mut [0; STAT])?)
}

/// Bytes of address space this process has mapped, as `RLIMIT_AS` counts them; `None` where `/proc` is
/// not mounted.
pub(crate) fn mapped() -> Option<u64> {
    let mut buf = [0; STAT];
    let pages = read("/proc/self/statm", &mut buf)?.split(|b| *b == b' ').next()?;
    Some(std::str::from_utf8(pages).ok()?.parse::<u64>().ok()? * super::mem::PAGE as u64)
}

/// State letter of thread `tid` of this process, as ps(1) shows it: `R` runs or could run, `S` and
/// `D` sleep in the kernel. `None` once the thread is gone.
pub(crate) fn thread_state(tid: u32) -> Option<u8> {
    let mut path = [0; 48];
    let mut rest = path.as_mut_slice();
    write!(rest, "/proc/self/task/{tid}/stat").ok()?;
    let unused = rest.len();
    let path = std::str::from_utf8(&path[..path.len() - unused]).ok()?;
    parse_state(read(path, &mut [0; STAT])?)
}

/// The first bytes of a file of `/proc`, in one read: two could see two moments.
fn read<'a>(path: &str, buf: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut file = File::open(path).ok()?;
    loop {
        match file.read(buf) {
            Ok(n) => return Some(&buf[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// The fields from `state` (the third) on. The second is the thread's name in parentheses, which
/// may hold spaces and parentheses itself; no later field holds any.
fn fields(stat: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let name_end = stat.iter().rposition(|&b| b == b')')?;
    Some(stat[name_end + 1..].split(u8::is_ascii_whitespace).filter(|f| !f.is_empty()))
}

fn parse_state(stat: &[u8]) -> Option<u8> {
    match fields(stat)?.next()? {
        [letter] if letter.is_ascii_alphabetic() => Some(*letter),
        _ => None,
    }
}

/// `num_threads` is field 20 of proc(5)'s list, which counts from 1.
fn parse_threads(stat: &[u8]) -> Option<usize> {
    let field = fields(stat)?.nth(20 - 3)?;
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SAMPLE: &str = "4711 (worker) S 1 4711 4711 0 -1 4194560 201 0 0 0 12 7 0 0 20 0 9 0 \
                          123456 2703360 880 18446744073709551615 0 0 0 0 0 0 0 4096 0\n";

    fn own_id() -> u32 {
        // SAFETY: gettid has no preconditions.
        unsafe { libc::syscall(libc::SYS_gettid) }.try_into().expect("a thread id is positive")
    }

    #[test]
    fn reads_state_and_thread_count() {
        assert_eq!(parse_state(SAMPLE.as_bytes()), Some(b'S'));
        assert_eq!(parse_threads(SAMPLE.as_bytes()), Some(9));
    }

    #[test]
    fn a_thread_name_may_hold_anything() {
        for name in ["", "a b", ") R 1 2 3", "((", "x) S (y", "\u{e9}\n"] {
            let stat = SAMPLE.replace("(worker) S", &format!("({name}) D"));
            assert_eq!(parse_state(stat.as_bytes()), Some(b'D'), "{name:?}");
            assert_eq!(parse_threads(stat.as_bytes()), Some(9), "{name:?}");
        }
        assert_eq!(parse_state(b"1 (\xff\xfe) Z 1"), Some(b'Z'));
    }

    #[test]
    fn text_that_is_cut_off_or_strange_is_no_answer() {
        for stat in ["", "1", "1 (a", "1 (a)", "1 (a) ", "1 (a) ?? 1", "1 (a) S 1 2 3"] {
            assert_eq!(parse_threads(stat.as_bytes()), None, "{stat:?}");
        }
        for stat in ["", "1 (a", "1 (a)", "1 (a) SS 1", "1 (a) ? 1"] {
            assert_eq!(parse_state(stat.as_bytes()), None, "{stat:?}");
        }
        let negative = SAMPLE.replace(" 9 0 123456", " -1 0 123456");
        assert_eq!(parse_threads(negative.as_bytes()), None);
    }

    #[test]
    fn the_fields_fit_the_buffer_at_their_longest() {
        let numbers = format!(" {}", i64::MIN).repeat(20 - 3);
        let longest = format!("{} ({}) S{numbers} ", i32::MIN, "n".repeat(64));
        assert!(longest.len() <= STAT);
    }

    #[test]
    fn sees_the_threads_of_this_process() {
        let (say, hear) = mpsc::channel();
        let (stop, stopped) = mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            say.send(own_id()).expect("the test listens");
            let _ = stopped.recv();
        });
        let id = hear.recv().expect("the thread tells its id");
        // Other tests start and end threads meanwhile, so the count has no upper bound here.
        assert!(threads().is_some_and(|n| n >= 2));
        while thread_state(id) != Some(b'S') {
            std::thread::yield_now();
        }
        assert_eq!(thread_state(own_id()), Some(b'R'));
        drop(stop);
        other.join().expect("it only waits");
        while thread_state(id).is_some() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_mapping_counts() {
        const MUCH: usize = 1 << 29;
        let map = memmap2::MmapOptions::new().len(MUCH).no_reserve_swap().map_anon().expect("room");
        assert!(mapped().expect("/proc is mounted") > MUCH as u64);
        drop(map);
    }

    #[test]
    fn a_thread_that_never_was_has_no_state() {
        assert_eq!(thread_state(u32::MAX), None);
    }
}
