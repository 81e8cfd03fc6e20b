//! Verdicts of deadlock on random programs: never before everything that could still wake somebody
//! has ended, and always after. The program writes a mark at the end of each thing it does; when
//! the verdict comes all marks must be there.
//!
//! `GORT_VERDICTS` sets how many programs; `GORT_SEED` chooses one, which a failure tells.

use gort::{chan, go, run, runtime};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SEED: &str = "GORT_SEED";
/// Things a program does before it waits for ever.
const MOST: u64 = 12;

/// A sequence of numbers that looks random (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

fn mark() {
    // Past the line buffer: the process ends without notice.
    std::io::stdout().write_all(b".\n").expect("the parent reads");
}

fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}

fn spin(d: Duration) {
    let start = Instant::now();
    while start.elapsed() < d {
        std::hint::spin_loop();
    }
}

/// One thing that a program does, which ends by itself, and whose end only it can bring about.
fn act(kind: u64, us: u64) {
    if kind < 6 { act_alone(kind, us) } else { act_together(kind, us) }
}

/// What one goroutine or timer does.
fn act_alone(kind: u64, us: u64) {
    match kind {
        0 => go(move || (gort::time::sleep(micros(us)), mark())),
        1 => go(move || (std::thread::sleep(micros(us)), mark())),
        2 => go(move || (spin(micros(us)), mark())),
        3 => go(move || {
            runtime::gomaxprocs(1 + us as usize % 5);
            gort::time::sleep(micros(us / 2));
            runtime::gomaxprocs(1 + us as usize % 3);
            mark();
        }),
        4 => drop(gort::time::after_func(micros(us), mark)),
        _ => go(move || {
            let c = chan::<()>(0);
            assert!(c.recv_timeout(micros(us)).is_err());
            mark();
        }),
    }
}

/// What takes several goroutines or threads.
fn act_together(kind: u64, us: u64) {
    match kind {
        6 => {
            // A burst of blocked threads: Ms are born and find little to do.
            let group = gort::sync::WaitGroup::new();
            (0..6).for_each(|i| group.go(move || std::thread::sleep(micros(us / 2 + i * 50))));
            go(move || (group.wait(), mark()));
        }
        7 => {
            // A thread of the program's own is the only one that can wake this goroutine.
            let c = chan(0);
            let tx = c.clone();
            std::thread::spawn(move || {
                std::thread::sleep(micros(us));
                tx.send(());
            });
            go(move || (c.recv(), mark()));
        }
        8 => go(move || {
            let caught = gort::func(|f| {
                f.defer(move |d| {
                    gort::time::sleep(micros(us));
                    *d.result() = d.recover().is_some();
                });
                panic!("recovered")
            });
            assert!(caught);
            mark();
        }),
        9 => {
            // Another thread inside `run`, with a main goroutine of its own.
            std::thread::spawn(move || run(move || (gort::time::sleep(micros(us)), mark())));
        }
        10 => go(move || {
            // Hand to hand, over a thread that blocks.
            let (there, back) = (chan(0), chan(0));
            let (a, b) = (there.clone(), back.clone());
            go(move || (0..20).for_each(|_| b.send(a.recv())));
            (0..20).for_each(|i| {
                there.send(i);
                assert_eq!(back.recv(), Some(Some(i)));
            });
            std::thread::sleep(micros(us / 4));
            mark();
        }),
        _ => go(move || {
            let mutex = gort::sync::Mutex::new(());
            gort::scope(|s| {
                (0..3).for_each(|_| {
                    s.go(|| {
                        let _held = mutex.lock();
                        gort::time::sleep(micros(us / 3));
                    });
                });
            });
            mark();
        }),
    }
}

fn plan(seed: u64) -> Vec<(u64, u64)> {
    let mut dice = Dice(seed);
    (0..dice.next(MOST)).map(|_| (dice.next(12), 1 + dice.next(20_000))).collect()
}

/// The child.
pub(crate) fn program() {
    let seed = std::env::var(SEED).ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    run(move || {
        let mut dice = Dice(!seed);
        runtime::gomaxprocs([1, 2, 4][dice.next(3) as usize]);
        for (kind, us) in plan(seed) {
            act(kind, us);
            match dice.next(4) {
                0 => runtime::gosched(),
                1 => gort::time::sleep(micros(dice.next(2000))),
                2 => std::thread::sleep(micros(dice.next(2000))),
                _ => {}
            }
        }
        if dice.next(4) == 0 {
            runtime::goexit();
        }
        assert!(chan::<()>(0).recv().is_none(), "nobody sends");
    });
}

/// The parent: runs programs until one gets a wrong verdict, or none.
pub(crate) fn check(prepare: impl Fn(&mut Command)) -> Result<(), String> {
    let number = |name| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = match number(SEED) {
        Some(seed) => seed..seed + 1,
        None => 0..number("GORT_VERDICTS").unwrap_or(40),
    };
    for seed in seeds {
        let exe = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = Command::new(exe);
        prepare(&mut command);
        command.env(SEED, seed.to_string());
        judge(&mut command, plan(seed).len()).map_err(|fault| format!("{SEED}={seed}: {fault}"))?;
    }
    Ok(())
}

fn judge(command: &mut Command, marks: usize) -> Result<(), String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output =
        child.and_then(std::process::Child::wait_with_output).map_err(|e| e.to_string())?;
    let (said, report) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() != Some(2) || !report.contains(" - deadlock!\n") {
        return Err(format!("{}, not a verdict:\n{report}", output.status));
    }
    let seen = said.matches('.').count();
    if seen != marks {
        return Err(format!("a verdict after {seen} of {marks} ends:\n{report}"));
    }
    Ok(())
}
