//! Wait groups, mutexes, read-write locks, condition variables, once, semaphores.
//!
//! Each but the last two is a [`Monitor`] over a few numbers. (The functions are written out, since
//! what makes the header does not look into macros.)

use super::entry::Call;
use super::monitor::Monitor;
use super::{Handle, Until, gort_function, status};
use crate::switch::Caught;
use crate::sync::{Condvar, Mutex, Once};
use crate::sys::errno::{EINVAL, EPERM};
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};

/// A counter to wait for: zero when all it counts have ended.
pub struct gort_waitgroup {
    count: Monitor<i64>,
}

impl Handle for gort_waitgroup {
    const MARK: usize = 0x7761_6974;
}

/// A wait group whose counter is 0.
#[unsafe(no_mangle)]
pub extern "C" fn gort_waitgroup_new() -> *mut gort_waitgroup {
    gort_waitgroup { count: Monitor::new(0) }.hand_out()
}

/// Frees it; nobody uses it any more. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_waitgroup_free(object: *mut gort_waitgroup) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_waitgroup::free(object) }
}

/// Adds `delta`, which may be negative, to the counter. At 0 everyone who waits goes on. Call it before
/// the goroutine it stands for is started.
///
/// 0; -EINVAL if the counter would be negative, and then it stays.
#[unsafe(no_mangle)]
pub extern "C" fn gort_waitgroup_add(group: *const gort_waitgroup, delta: i64) -> c_int {
    // SAFETY: the header's contract.
    let added = unsafe { gort_waitgroup::borrow(group) }.and_then(|group| {
        group.count.change(|count| {
            *count = count.checked_add(delta).filter(|sum| *sum >= 0).ok_or(EINVAL)?;
            Ok(())
        })
    });
    status(added)
}

/// Takes one from the counter.
#[unsafe(no_mangle)]
pub extern "C" fn gort_waitgroup_done(group: *const gort_waitgroup) -> c_int {
    gort_waitgroup_add(group, -1)
}

/// Waits until the counter is 0.
///
/// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_waitgroup_wait(group: *const gort_waitgroup, deadline: i64) -> c_int {
    let wait = |group: &gort_waitgroup| group.count.wait(deadline, |n| (*n == 0).then_some(()));
    // SAFETY: the header's contract.
    status(unsafe { gort_waitgroup::borrow(group) }.and_then(wait))
}

/// A mutex. It belongs to no goroutine: another one may unlock it.
pub struct gort_mutex {
    locked: Monitor<bool>,
}

impl Handle for gort_mutex {
    const MARK: usize = 0x6d75_7465;
}

/// A mutex that nobody holds.
#[unsafe(no_mangle)]
pub extern "C" fn gort_mutex_new() -> *mut gort_mutex {
    gort_mutex { locked: Monitor::new(false) }.hand_out()
}

/// Frees it; nobody uses it any more. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_mutex_free(object: *mut gort_mutex) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_mutex::free(object) }
}

impl gort_mutex {
    fn lock(&self, deadline: i64) -> Result<(), c_int> {
        self.locked.wait(deadline, |locked| (!std::mem::replace(locked, true)).then_some(()))
    }

    fn unlock(&self) -> Result<(), c_int> {
        let held = self.locked.change_for_one(std::mem::take);
        held.then_some(()).ok_or(EPERM)
    }
}

/// Locks the mutex; waits until it is free.
///
/// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_mutex_lock(mutex: *const gort_mutex, deadline: i64) -> c_int {
    // SAFETY: the header's contract.
    status(unsafe { gort_mutex::borrow(mutex) }.and_then(|mutex| mutex.lock(deadline)))
}

/// Locks the mutex if it is free: `gort_mutex_lock` with the deadline 0.
#[unsafe(no_mangle)]
pub extern "C" fn gort_mutex_try_lock(mutex: *const gort_mutex) -> c_int {
    gort_mutex_lock(mutex, 0)
}

/// Unlocks the mutex. -EPERM if nobody holds it.
#[unsafe(no_mangle)]
pub extern "C" fn gort_mutex_unlock(mutex: *const gort_mutex) -> c_int {
    // SAFETY: the header's contract.
    status(unsafe { gort_mutex::borrow(mutex) }.and_then(gort_mutex::unlock))
}

/// Who holds a read-write lock, and how many want to write.
#[derive(Debug, Default)]
struct Holders {
    readers: usize,
    writer: bool,
    writers_wait: usize,
}

/// A lock for many readers or one writer; a writer that waits holds off new readers.
pub struct gort_rwlock {
    holders: Monitor<Holders>,
}

impl Handle for gort_rwlock {
    const MARK: usize = 0x7277_6c6f;
}

/// A read-write lock that nobody holds.
#[unsafe(no_mangle)]
pub extern "C" fn gort_rwlock_new() -> *mut gort_rwlock {
    gort_rwlock { holders: Monitor::new(Holders::default()) }.hand_out()
}

/// Frees it; nobody uses it any more. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_rwlock_free(object: *mut gort_rwlock) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_rwlock::free(object) }
}

/// Locks for reading.
///
/// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_rwlock_read(lock: *const gort_rwlock, deadline: i64) -> c_int {
    let read = |lock: &gort_rwlock| {
        lock.holders.wait(deadline, |h| {
            let free = !h.writer && h.writers_wait == 0;
            h.readers += usize::from(free);
            free.then_some(())
        })
    };
    // SAFETY: the header's contract.
    status(unsafe { gort_rwlock::borrow(lock) }.and_then(read))
}

/// Locks for writing.
///
/// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_rwlock_write(lock: *const gort_rwlock, deadline: i64) -> c_int {
    let write = |lock: &gort_rwlock| {
        let mut waits = false;
        let locked = lock.holders.wait(deadline, |h| {
            h.writers_wait += usize::from(!std::mem::replace(&mut waits, true));
            let free = !h.writer && h.readers == 0;
            h.writer |= free;
            h.writers_wait -= usize::from(free);
            free.then_some(())
        });
        if locked.is_err() {
            lock.holders.change(|h| h.writers_wait -= 1);
        }
        locked
    };
    // SAFETY: the header's contract.
    status(unsafe { gort_rwlock::borrow(lock) }.and_then(write))
}

/// Unlocks what the caller has locked, for reading or for writing. -EPERM if nobody holds it.
#[unsafe(no_mangle)]
pub extern "C" fn gort_rwlock_unlock(lock: *const gort_rwlock) -> c_int {
    let unlock = |lock: &gort_rwlock| {
        lock.holders.change(|h| match (std::mem::take(&mut h.writer), h.readers) {
            (true, _) => Ok(()),
            (false, 0) => Err(EPERM),
            (false, readers) => {
                h.readers = readers - 1;
                Ok(())
            }
        })
    };
    // SAFETY: the header's contract.
    status(unsafe { gort_rwlock::borrow(lock) }.and_then(unlock))
}

/// A condition variable: waits for what another one changes under a mutex.
pub struct gort_cond {
    /// Held from before the waiter gives its mutex up until it stands in the queue: who changes
    /// something under that mutex and then wakes finds it there.
    gate: Mutex<()>,
    waiters: Condvar,
}

impl Handle for gort_cond {
    const MARK: usize = 0x636f_6e64;
}

/// A condition variable on which nobody waits.
#[unsafe(no_mangle)]
pub extern "C" fn gort_cond_new() -> *mut gort_cond {
    gort_cond { gate: Mutex::new(()), waiters: Condvar::new() }.hand_out()
}

/// Frees it; nobody uses it any more. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_cond_free(object: *mut gort_cond) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_cond::free(object) }
}

/// Unlocks the mutex, waits to be woken, and locks the mutex again, however long that takes. Nobody is
/// woken but by a signal or the deadline.
///
/// 0; -ETIMEDOUT when the deadline has come (-EAGAIN for 0); -EPERM if nobody holds the mutex; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_cond_wait(
    cond: *const gort_cond,
    mutex: *const gort_mutex,
    deadline: i64,
) -> c_int {
    // SAFETY: the header's contract.
    let both = unsafe { gort_cond::borrow(cond) }
        // SAFETY: the header's contract.
        .and_then(|cond| unsafe { gort_mutex::borrow(mutex) }.map(|mutex| (cond, mutex)));
    status(both.and_then(|(cond, mutex)| wait(cond, mutex, Until::of(deadline))))
}

fn wait(cond: &gort_cond, mutex: &gort_mutex, until: Until) -> Result<(), c_int> {
    let _caught = Caught::take();
    let mut gate = cond.gate.lock();
    mutex.unlock()?;
    let woken = match until.left() {
        None => {
            cond.waiters.wait(&mut gate);
            true
        }
        Some(left) => !cond.waiters.wait_timeout(&mut gate, left).timed_out(),
    };
    drop(gate);
    mutex.lock(super::GORT_FOREVER)?;
    woken.then_some(()).ok_or(until.error())
}

/// Wakes the one that has waited longest.
#[unsafe(no_mangle)]
pub extern "C" fn gort_cond_signal(cond: *const gort_cond) -> c_int {
    wake(cond, Condvar::notify_one)
}

/// Wakes everyone who waits now.
#[unsafe(no_mangle)]
pub extern "C" fn gort_cond_broadcast(cond: *const gort_cond) -> c_int {
    wake(cond, Condvar::notify_all)
}

fn wake(cond: *const gort_cond, notify: fn(&Condvar)) -> c_int {
    let wake = |cond: &gort_cond| {
        let _caught = Caught::take();
        let _gate = cond.gate.lock();
        notify(&cond.waiters);
    };
    // SAFETY: the header's contract.
    status(unsafe { gort_cond::borrow(cond) }.map(wake))
}

/// Something to be done once.
pub struct gort_once {
    once: Once,
}

impl Handle for gort_once {
    const MARK: usize = 0x6f6e_6365;
}

/// Not done yet.
#[unsafe(no_mangle)]
pub extern "C" fn gort_once_new() -> *mut gort_once {
    gort_once { once: Once::new() }.hand_out()
}

/// Frees it; nobody uses it any more. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_once_free(object: *mut gort_once) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_once::free(object) }
}

/// Calls `f(arg)`, unless that has been done. When this returns it has been; whoever comes meanwhile
/// waits. If it panics or exits that counts as done.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn gort_once_do(
    once: *const gort_once,
    f: gort_function,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the header's contract.
    let both = unsafe { gort_once::borrow(once) }
        .and_then(|once| Call::new(f, arg).map(|call| (once, call)));
    let _caught = Caught::take();
    status(both.map(|(once, call)| once.once.call_once(|| call.run())))
}

/// Permits to be had, and who waits for some, by number.
#[derive(Debug)]
struct Permits {
    left: usize,
    line: VecDeque<u64>,
    next: u64,
}

/// Counted permits, first come first served whatever each one asks for.
pub struct gort_semaphore {
    permits: Monitor<Permits>,
}

impl Handle for gort_semaphore {
    const MARK: usize = 0x7365_6d61;
}

/// A semaphore with so many permits to give.
#[unsafe(no_mangle)]
pub extern "C" fn gort_semaphore_new(permits: usize) -> *mut gort_semaphore {
    gort_semaphore {
        permits: Monitor::new(Permits { left: permits, line: VecDeque::new(), next: 0 }),
    }
    .hand_out()
}

/// Frees it; nobody uses it any more. Null is no error.
#[unsafe(no_mangle)]
pub extern "C" fn gort_semaphore_free(object: *mut gort_semaphore) -> c_int {
    // SAFETY: the header's contract.
    unsafe { gort_semaphore::free(object) }
}

/// Takes `k` permits; waits until everyone who came before is served and so many are there.
///
/// 0; -EAGAIN or -ETIMEDOUT when the deadline has come; -EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn gort_semaphore_acquire(
    semaphore: *const gort_semaphore,
    k: usize,
    deadline: i64,
) -> c_int {
    // SAFETY: the header's contract.
    status(unsafe { gort_semaphore::borrow(semaphore) }.and_then(|s| s.acquire(k, deadline)))
}

impl gort_semaphore {
    fn acquire(&self, k: usize, deadline: i64) -> Result<(), c_int> {
        let mut mine = None;
        let taken = self.permits.wait(deadline, |p| {
            let number = *mine.get_or_insert_with(|| {
                p.line.push_back(p.next);
                p.next += 1;
                p.next - 1
            });
            let served = p.line.front() == Some(&number) && p.left >= k;
            served.then(|| {
                p.line.pop_front();
                p.left -= k;
                !p.line.is_empty()
            })
        });
        match taken {
            Ok(false) => Ok(()),
            // The next in line may be served, too.
            Ok(true) => {
                self.permits.change(|_| ());
                Ok(())
            }
            Err(error) => {
                self.permits.change(|p| p.line.retain(|number| Some(*number) != mine));
                Err(error)
            }
        }
    }
}

/// Takes `k` permits if so many are there and nobody waits: `gort_semaphore_acquire` with the deadline 0.
#[unsafe(no_mangle)]
pub extern "C" fn gort_semaphore_try_acquire(semaphore: *const gort_semaphore, k: usize) -> c_int {
    gort_semaphore_acquire(semaphore, k, 0)
}

/// Gives `k` permits back, or new ones. -EINVAL if there would be more than a size_t counts.
#[unsafe(no_mangle)]
pub extern "C" fn gort_semaphore_release(semaphore: *const gort_semaphore, k: usize) -> c_int {
    let release = |semaphore: &gort_semaphore| {
        semaphore.permits.change(|p| {
            p.left = p.left.checked_add(k).ok_or(EINVAL)?;
            Ok(())
        })
    };
    // SAFETY: the header's contract.
    status(unsafe { gort_semaphore::borrow(semaphore) }.and_then(release))
}
