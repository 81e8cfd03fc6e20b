//! Who runs what where: goroutines (G) on processors (P) carried by OS threads (M), as in Go.
//!
//! | file | owns |
//! |---|---|
//! | `current.rs` | the thread-local: which M is this thread |
//! | `m.rs` `p.rs` | the two structs |
//! | `lease.rs` | how a P is used without atomics and still called back |
//! | `spin.rs` `idle.rs` | submit versus sleep; idle lists; starting threads |
//! | `find.rs` `order.rs` | what to run next; stealing |
//! | `run.rs` | the loop, the one `match` on `Stop` |
//! | `own.rs` `pinned.rs` | the loop where goroutines have thread-locals of their own; stay on their M |
//! | `park.rs` `ready.rs` `task.rs` | the two verbs, and who waits |
//! | `runnable.rs` `birth.rs` `reserve.rs` | what queues hold; crowds that have not started |
//! | `spawn.rs` `join.rs` `goexit.rs` | birth, death, results |
//! | `cap.rs` `grow.rs` | how large stacks may become, and which rung a new one gets; further segments |
//! | `alarm.rs` `clock.rs` | what timers do; who sleeps until the next one |
//! | `netpoll.rs` | who asks the poller, and when |
//! | `world.rs` | stop-the-world, GOMAXPROCS |
//! | `threads.rs` `locked.rs` | who clones threads, their limit; LockOSThread |
//! | `blocking.rs` | declared blocking calls |
//! | `sysmon.rs` `pace.rs` `retake.rs` `chores.rs` `scavenge.rs` `deadlock.rs` | the monitor thread |
//! | `detect.rs` | debug builds: thread-locals' addresses on stacks that leave their thread |
//! | `trace.rs` | `GORT_DEBUG=schedtrace` |
//! | `boot.rs` | start, and `run` |
//!
//! Lock order: `world` < `inner` < a P's timer heap; a channel's < `inner`; `revoke` < `inner`. No lock is held across a
//! switch except a channel's, by the park protocol.
//!
//! Rejected: Go's `P.status` word (who owns a P follows from where it is: in an M, on the idle list,
//! or with the stopper); CAS on every goroutine state change (`g/status.rs`); a stealable `runnext`
//! with a CAS per put and get (`ready.rs`, `find.rs`); preemption by signal (DESIGN: unsound in
//! native code), instead of which a P is called back from the goroutine that hogs it.

#[cfg(not(any(loom, shuttle)))]
mod alarm;
#[cfg(not(any(loom, shuttle)))]
mod birth;
#[cfg(not(any(loom, shuttle)))]
mod blocking;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod boot;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod cap;
#[cfg(not(any(loom, shuttle)))]
mod chores;
#[cfg(not(any(loom, shuttle)))]
mod clock;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod current;
#[cfg(not(any(loom, shuttle)))]
mod deadlock;
#[cfg(all(debug_assertions, not(any(loom, shuttle))))]
mod detect;
#[cfg(not(any(loom, shuttle)))]
mod find;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod goexit;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod grow;
#[cfg(not(any(loom, shuttle)))]
mod idle;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod join;
mod lease;
#[cfg(not(any(loom, shuttle)))]
mod locked;
#[cfg(not(any(loom, shuttle)))]
mod m;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod netpoll;
mod order;
#[cfg(not(any(loom, shuttle)))]
mod own;
#[cfg(not(any(loom, shuttle)))]
mod p;
#[cfg(not(any(loom, shuttle)))]
mod pace;
#[cfg(not(any(loom, shuttle)))]
mod park;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod pinned;
#[cfg(not(any(loom, shuttle)))]
mod ready;
#[cfg(not(any(loom, shuttle)))]
mod reserve;
#[cfg(not(any(loom, shuttle)))]
mod retake;
#[cfg(not(any(loom, shuttle)))]
mod run;
#[cfg(not(any(loom, shuttle)))]
mod runnable;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod scavenge;
#[cfg(not(any(loom, shuttle)))]
mod sleep;
#[cfg(not(any(loom, shuttle)))]
mod spawn;
mod spin;
#[cfg(not(any(loom, shuttle)))]
mod sysmon;
#[cfg(not(any(loom, shuttle)))]
mod task;
#[cfg(not(any(loom, shuttle)))]
mod threads;
#[cfg(not(any(loom, shuttle)))]
mod trace;
mod waitq;
#[cfg(not(any(loom, shuttle)))]
mod world;

#[cfg(all(test, any(loom, shuttle)))]
mod model;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use self::{
    alarm::{Alarm, Ringer},
    birth::{Unborn, all_unborn},
    blocking::{Kind, blocking},
    lease::FORKED_CHILD,
    locked::{lock as lock_os_thread, unlock as unlock_os_thread},
    own::{farewell, with_the_threads},
    p::{goroutines, goroutines_created, p_index, random},
    park::{park, park_forever, park_until, yield_now},
    ready::ready,
    sleep::sleep_until,
    spawn::all_goroutines,
    spawn::{Choice, Options, spawn},
    state::*,
    sysmon::{on_quit, waited_seconds},
    task::{Me, Task},
    threads::count as threads,
    world::{MAX_PROCS, freeze, set_procs, while_stopped},
};

#[cfg(any(loom, shuttle))]
pub(crate) use crate::base::stage::{
    Me, Task, goexit, park, park_forever, park_until, random, ready, sleep_until, yield_now,
};
pub(crate) use waitq::{WaitQueue, Waiter};

#[cfg(not(any(loom, shuttle)))]
mod state;
