//! Runs a program on the runtime.

use crate::program::{End, Id, Kind, Logs, Op, Patience, Program, Seen, value};
use crate::support::{exclusive, watched};
use gort::runtime::{goexit, gomaxprocs, gosched};
use gort::sync::WaitGroup;
use gort::{
    Chan, Goexit, RecvTimeoutError, Select, SendTimeoutError, TryRecvError, TrySendError, chan,
    scope, spawn,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The words of scripts that end by panic.
pub(crate) const ON_PURPOSE: &str = "the script ends so";

enum Handle {
    Goroutine(gort::JoinHandle<()>),
    Thread(std::thread::JoinHandle<()>),
}

struct World {
    program: Program,
    chans: Vec<Chan<u32>>,
    logs: Vec<Mutex<Vec<Seen>>>,
    handles: Vec<Mutex<Option<Handle>>>,
    /// Counts every script until it has ended.
    all: WaitGroup,
    /// Rises with every operation that is complete.
    progress: AtomicUsize,
}

/// What each script saw, and at last the closer.
pub(crate) fn run(program: &Program, procs: usize) -> Logs {
    let _one = exclusive();
    let scripts = program.scripts.len();
    let world = Arc::new(World {
        program: program.clone(),
        chans: program.caps.iter().map(|&cap| chan(cap)).collect(),
        logs: (0..scripts).map(|_| Mutex::default()).collect(),
        handles: (0..scripts).map(|_| Mutex::default()).collect(),
        all: WaitGroup::new(),
        progress: AtomicUsize::new(0),
    });
    let before = gomaxprocs(procs);
    let closer = watched(|| gort::run(|| conduct(&world)));
    gomaxprocs(before);
    let log = |log: &Mutex<Vec<Seen>>| log.lock().unwrap().clone();
    world.logs.iter().map(log).chain([closer]).collect()
}

/// Starts the root, closes the channels when nothing moves any more, waits for all.
fn conduct(world: &Arc<World>) -> Vec<Seen> {
    world.all.add(world.program.scripts.len() as isize);
    let root = world.clone();
    drop(spawn(move || play(&root, 0)));
    let mut last = usize::MAX;
    loop {
        let now = world.progress.load(Ordering::Acquire);
        if std::mem::replace(&mut last, now) == now {
            break;
        }
        (0..10).for_each(|_| gosched());
        gort::time::sleep(Duration::from_micros(300));
    }
    let log = world.chans.iter().map(close).collect();
    world.all.wait();
    log
}

fn close(c: &Chan<u32>) -> Seen {
    match catch_unwind(|| c.close()) {
        Ok(()) => Seen::Done,
        Err(_) => Seen::Panicked,
    }
}

/// Runs script `id` to its end.
fn play(world: &Arc<World>, id: Id) {
    struct Ended<'a>(&'a WaitGroup);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.done();
        }
    }
    let _ended = Ended(&world.all);
    let script = &world.program.scripts[id];
    for (at, op) in script.ops.iter().enumerate() {
        let seen = perform(world, op, value(id, at));
        world.logs[id].lock().unwrap().push(seen);
        world.progress.fetch_add(1, Ordering::AcqRel);
    }
    match script.end {
        End::Return => {}
        End::Panic => panic!("{ON_PURPOSE}"),
        End::Goexit => goexit(),
    }
}

fn perform(world: &Arc<World>, op: &Op, value: u32) -> Seen {
    match op {
        Op::Send(c) => match catch_unwind(|| world.chans[*c].send(value)) {
            Ok(()) => Seen::Done,
            Err(_) => Seen::Panicked,
        },
        Op::Recv(c) => world.chans[*c].recv().map_or(Seen::Closed, Seen::Value),
        Op::TrySend(c) => match catch_unwind(|| world.chans[*c].try_send(value)) {
            Ok(Ok(())) => Seen::Done,
            Ok(Err(TrySendError::Full(v))) if v == value => Seen::Full,
            Ok(other) => panic!("{other:?}"),
            Err(_) => Seen::Panicked,
        },
        Op::TryRecv(c) => match world.chans[*c].try_recv() {
            Ok(v) => Seen::Value(v),
            Err(TryRecvError::Empty) => Seen::Empty,
            Err(TryRecvError::Closed) => Seen::Closed,
        },
        Op::SendTimeout(c, us) => match world.chans[*c].send_timeout(value, micros(*us)) {
            Ok(()) => Seen::Done,
            Err(SendTimeoutError::Timeout(v)) if v == value => Seen::Full,
            Err(SendTimeoutError::Closed(v)) if v == value => Seen::Closed,
            Err(other) => panic!("{other:?}"),
        },
        Op::RecvTimeout(c, us) => match world.chans[*c].recv_timeout(micros(*us)) {
            Ok(v) => Seen::Value(v),
            Err(RecvTimeoutError::Timeout) => Seen::Empty,
            Err(RecvTimeoutError::Closed) => Seen::Closed,
        },
        Op::Select(arms, patience) => {
            let select = AssertUnwindSafe(|| select(&world.chans, arms, *patience, value));
            catch_unwind(select).unwrap_or(Seen::Panicked)
        }
        Op::Close(c) => close(&world.chans[*c]),
        Op::Len(c) => Seen::Number(world.chans[*c].len()),
        Op::IsClosed(c) => Seen::Number(usize::from(world.chans[*c].is_closed())),
        Op::Yield => {
            gosched();
            Seen::Done
        }
        Op::Sleep(us) => {
            gort::time::sleep(micros(*us));
            Seen::Done
        }
        Op::Start(..) | Op::Join(_) | Op::Group(_) | Op::Scope(_) => kin(world, op),
    }
}

fn micros(n: u8) -> Duration {
    Duration::from_micros(n.into())
}

fn select(chans: &[Chan<u32>], arms: &[(usize, bool)], patience: Patience, value: u32) -> Seen {
    let mut list = Select::new();
    for &(c, send) in arms {
        if send {
            list.send(&chans[c], value);
        } else {
            list.recv(&chans[c]);
        }
    }
    let chosen = match patience {
        Patience::None => list.try_select().ok(),
        Patience::Micros(us) => list.select_timeout(micros(us)).ok(),
        Patience::Endless => Some(list.select()),
    };
    let Some(op) = chosen else { return Seen::Nothing };
    let arm = op.index() as u8;
    match arms[op.index()] {
        (_, true) => Seen::Sent(arm),
        (c, false) => op.recv(&chans[c]).map_or(Seen::GotNone(arm), |v| Seen::Got(arm, v)),
    }
}

/// What has to do with other scripts.
fn kin(world: &Arc<World>, op: &Op) -> Seen {
    match op {
        Op::Start(id, kind) => {
            let (child, id) = (world.clone(), *id);
            let handle = match kind {
                Kind::Goroutine => Handle::Goroutine(spawn(move || play(&child, id))),
                Kind::Thread => Handle::Thread(std::thread::spawn(move || play(&child, id))),
            };
            *world.handles[id].lock().unwrap() = Some(handle);
            Seen::Done
        }
        Op::Join(id) => {
            let handle = world.handles[*id].lock().unwrap().take();
            let end = match handle.expect("started before it is joined") {
                Handle::Goroutine(h) => h.join(),
                Handle::Thread(h) => h.join(),
            };
            Seen::Joined(match end {
                Ok(()) => End::Return,
                Err(payload) if payload.is::<Goexit>() => End::Goexit,
                Err(_) => End::Panic,
            })
        }
        Op::Group(ids) => {
            let wg = WaitGroup::new();
            for &id in ids {
                let child = world.clone();
                wg.go(move || play(&child, id));
            }
            wg.wait();
            Seen::Done
        }
        Op::Scope(ids) => {
            let all =
                || scope(|s| ids.iter().for_each(|&id| drop(s.spawn(move || play(world, id)))));
            catch_unwind(AssertUnwindSafe(all)).map_or(Seen::Panicked, |()| Seen::Done)
        }
        other => unreachable!("{other:?} concerns nobody else"),
    }
}
