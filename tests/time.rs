//! Timers, tickers and time limits keep Go's rules (1.23 and later). Times are lower bounds and
//! orders, never upper bounds: the machine may be slow.

mod common;

use common::{at_procs, panic_of};
use gort::sync::WaitGroup;
use gort::time::{Elapsed, Ticker, Timer, after, after_func, sleep, tick, timeout};
use gort::{Chan, RecvTimeoutError, SendTimeoutError, TryRecvError, chan, select};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn nothing_comes_early() {
    at_procs(|| {
        let start = Instant::now();
        let stamp = after(ms(3)).recv().unwrap();
        assert!(start.elapsed() >= ms(3) && stamp >= start + ms(3));
        let start = Instant::now();
        assert_eq!(chan::<()>(0).recv_timeout(ms(3)), Err(RecvTimeoutError::Timeout));
        assert_eq!(chan(0).send_timeout(1, ms(3)), Err(SendTimeoutError::Timeout(1)));
        select! { recv(Chan::<()>::nil()) => {}, default(ms(3)) => {} }
        assert!(start.elapsed() >= ms(9));
    });
}

#[test]
fn value_is_the_time_at_which_it_was_due() {
    at_procs(|| {
        let before = Instant::now();
        let timer = Timer::new(SHORT);
        let after = Instant::now();
        sleep(ms(8));
        let stamp = timer.chan().recv().unwrap();
        let slack = ms(4);
        assert!(stamp >= before + SHORT - Duration::from_micros(100) && stamp <= after + slack);
    });
}

#[test]
fn timer_channel_looks_unbuffered_and_is_receive_only() {
    at_procs(|| {
        let timer = Timer::new(Duration::ZERO);
        let c = timer.chan();
        sleep(SHORT);
        assert_eq!((c.len(), c.cap(), c.is_closed()), (0, 0, false));
        assert!(panic_of(|| c.send(Instant::now())).contains("receive-only"));
        assert!(panic_of(|| c.try_send(Instant::now())).contains("receive-only"));
        assert!(panic_of(|| c.close()).contains("receive-only"));
        assert!(panic_of(|| select! { send(c, Instant::now()) => {} }).contains("receive-only"));
        assert!(c.try_recv().is_ok());
        assert_eq!(c.try_recv(), Err(TryRecvError::Empty));
    });
}

/// Go's tick_test TestChan: after stop or reset nothing of the earlier setting can be received, and
/// both say true until the value has been.
#[test]
fn stop_and_reset_leave_nothing_stale() {
    at_procs(|| {
        let timer = Timer::new(Duration::ZERO);
        for _ in 0..1000 {
            assert!(timer.reset(Duration::ZERO), "not received");
            assert!(timer.reset(LONG), "due, but not received");
            assert!(timer.chan().try_recv().is_err(), "stale");
            assert!(timer.stop());
            assert!(!timer.stop());
            assert!(!timer.reset(Duration::ZERO), "was stopped");
            assert!(select! { recv(timer.chan()) -> v => v.is_some() });
            assert!(!timer.reset(Duration::ZERO), "was received");
        }
        let ticker = Ticker::new(SHORT);
        assert!(ticker.chan().recv().is_some());
        ticker.reset(LONG);
        assert!(ticker.chan().try_recv().is_err());
        ticker.stop();
        assert_eq!(ticker.chan().recv_timeout(ms(2)), Err(RecvTimeoutError::Timeout));
        ticker.reset(SHORT);
        assert!(ticker.chan().recv().is_some());
    });
}

/// Go's TestStopResult: stop says true, or the value can be received, and never both.
#[test]
fn racing_stop_agrees_with_the_receiver() {
    at_procs(|| {
        for i in 0..300u64 {
            let timer = Timer::new(Duration::from_micros(i % 40));
            let got = gort::spawn({
                let c = timer.chan().clone();
                move || c.recv_timeout(ms(20)).is_ok()
            });
            sleep(Duration::from_micros(i % 37));
            let stopped = timer.stop();
            if stopped {
                timer.reset(LONG);
            }
            assert_ne!(stopped, got.join().unwrap(), "round {i}");
        }
    });
}

#[test]
fn after_func_runs_once_per_setting_unless_stopped() {
    at_procs(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let (c, count) = (chan(1), calls.clone());
        let d = c.clone();
        let timer =
            after_func(Duration::ZERO, move || d.send(count.fetch_add(1, Ordering::Relaxed)));
        assert!(timer.chan().is_nil());
        assert_eq!(c.recv(), Some(0));
        assert!(!timer.reset(SHORT));
        assert_eq!(c.recv(), Some(1));
        assert!(!timer.reset(LONG));
        assert!(timer.stop());
        assert!(!timer.stop());
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        for _ in 0..200 {
            let before = calls.load(Ordering::Relaxed);
            timer.reset(Duration::ZERO);
            gort::runtime::gosched();
            if !timer.stop() {
                assert_eq!(c.recv(), Some(before));
            }
            assert!(c.try_recv().is_err());
        }
    });
}

#[test]
fn after_func_drops_its_function_when_nobody_holds_it() {
    at_procs(|| {
        let alive = Arc::new(());
        for i in 0..50 {
            let held = alive.clone();
            let timer = after_func(Duration::from_micros(i), move || drop(held.clone()));
            gort::runtime::gosched();
            if i % 2 == 0 {
                timer.stop();
            }
        }
        while Arc::strong_count(&alive) > 1 {
            sleep(Duration::from_micros(100));
        }
    });
}

#[test]
fn ticker_keeps_its_phase_and_drops_what_nobody_takes() {
    at_procs(|| {
        let period = ms(2);
        let ticker = Ticker::new(period);
        let first = ticker.chan().recv().unwrap();
        sleep(period * 5);
        let late = ticker.chan().recv().unwrap();
        let next = ticker.chan().recv().unwrap();
        // The stamps are computed from two clocks read one after the other.
        let off = |t: Instant| (t - first).as_nanos() % period.as_nanos();
        let near = |x: u128| x < 1_000_000 || period.as_nanos() - x < 1_000_000;
        assert!(near(off(late)) && near(off(next)));
        assert!(next - late >= period * 3, "the ticks between were dropped");
        ticker.stop();
    });
}

#[test]
fn many_receivers_share_a_ticker() {
    at_procs(|| {
        let ticker = Ticker::new(Duration::from_micros(200));
        let wg = WaitGroup::new();
        for _ in 0..4 {
            let c = ticker.chan().clone();
            wg.go(move || assert_eq!(c.iter().take(5).count(), 5));
        }
        wg.wait();
        ticker.stop();
    });
}

#[test]
fn tick_and_ticker_refuse_zero_as_go_does() {
    assert!(tick(Duration::ZERO).is_nil());
    let text = panic_of(|| Ticker::new(Duration::ZERO));
    assert_eq!(text, "non-positive interval for NewTicker");
    let ticker = Ticker::new(LONG);
    let text = panic_of(|| ticker.reset(Duration::ZERO));
    assert_eq!(text, "non-positive interval for Ticker.Reset");
}

#[test]
fn timeout_returns_what_comes_in_time() {
    at_procs(|| {
        assert_eq!(timeout(LONG, || 5), Ok(5));
        assert_eq!(timeout(SHORT, || sleep(ms(50))), Err(Elapsed));
        assert_eq!(timeout(LONG, || -> () { gort::runtime::goexit() }), Err(Elapsed));
    });
}

#[test]
fn far_future_is_no_overflow() {
    at_procs(|| {
        let timer = Timer::new(Duration::MAX);
        assert_eq!(timer.chan().recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        assert!(timer.stop());
        let c = chan(1);
        c.send(1);
        assert_eq!(c.recv_timeout(Duration::MAX), Ok(1));
        let d = c.clone();
        gort::go(move || d.send(2));
        assert_eq!(c.recv_timeout(Duration::MAX), Ok(2));
        let ticker = Ticker::new(Duration::MAX);
        assert!(ticker.chan().try_recv().is_err());
    });
}

#[test]
fn threads_use_timers_too() {
    assert!(Timer::new(SHORT).chan().recv().is_some());
    let c = chan(0);
    let d = c.clone();
    after_func(SHORT, move || d.send(1));
    assert_eq!(c.recv(), Some(1));
    assert_eq!(c.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    assert_eq!(c.send_timeout(1, SHORT), Err(SendTimeoutError::Timeout(1)));
    let ticker = Ticker::new(SHORT);
    assert_eq!(ticker.chan().iter().take(3).count(), 3);
    let t = after(LONG);
    assert!(!select! { recv(t) => true, recv(after(SHORT)) => false });
}

/// Timers set on one P, called off on others while they fire.
#[test]
fn timers_are_called_off_from_everywhere() {
    at_procs(|| {
        let fired = Arc::new(AtomicUsize::new(0));
        let (wg, stopped) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        for worker in 0..4u64 {
            let (fired, stopped) = (fired.clone(), stopped.clone());
            wg.go(move || {
                let timers: Vec<_> = (0..500u64)
                    .map(|i| {
                        let fired = fired.clone();
                        let d = Duration::from_micros((i * 7 + worker) % 900);
                        after_func(d, move || {
                            fired.fetch_add(1, Ordering::Relaxed);
                        })
                    })
                    .collect();
                let other = gort::spawn(move || timers.iter().filter(|t| t.stop()).count());
                stopped.fetch_add(other.join().unwrap(), Ordering::Relaxed);
            });
        }
        wg.wait();
        while fired.load(Ordering::Relaxed) + stopped.load(Ordering::Relaxed) < 2000 {
            sleep(SHORT);
        }
        sleep(SHORT);
        assert_eq!(fired.load(Ordering::Relaxed) + stopped.load(Ordering::Relaxed), 2000);
    });
}

#[test]
fn changing_the_number_of_processors_loses_no_timer() {
    gort::run(|| {
        let wg = WaitGroup::new();
        for i in 0..400u64 {
            wg.go(move || {
                let c = chan::<()>(0);
                let limit = Duration::from_micros(i * 13 % 5000);
                assert_eq!(c.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
                assert!(after(limit / 2).recv().is_some());
            });
        }
        for n in [4, 1, 3, 2, 4, 1] {
            gort::runtime::gomaxprocs(n);
            sleep(SHORT);
        }
        wg.wait();
    });
}

/// Live at once, set in no order; half called off, some brought forward, and all that is left fires
/// once. (Debug builds check the mechanism with fewer.)
#[test]
fn a_million_timers_live_at_once() {
    const COUNT: usize = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
    gort::run(|| {
        let fired = Arc::new(AtomicUsize::new(0));
        let timers: Vec<_> = (0..COUNT as u64)
            .map(|i| {
                let fired = fired.clone();
                let d = LONG + Duration::from_micros(i.wrapping_mul(0x9e37_79b9) % 1_000_000);
                after_func(d, move || {
                    fired.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        assert!(timers.iter().step_by(2).all(Timer::stop));
        assert!(!timers.iter().step_by(2).any(Timer::stop), "stopped already");
        let odd = || timers.iter().skip(1).step_by(2);
        assert!(odd().all(|timer| timer.reset(LONG)));
        let soon = odd().take(1000).filter(|timer| timer.reset(SHORT)).count();
        while fired.load(Ordering::Relaxed) < soon {
            sleep(SHORT);
        }
        let left = odd().filter(|timer| timer.stop()).count();
        assert_eq!((soon, left), (1000, COUNT / 2 - 1000));
        sleep(SHORT);
        assert_eq!(fired.load(Ordering::Relaxed), soon);
    });
}

/// Go's TestZeroTimer: timers that are due at once, made anew, as calls, and used again.
#[test]
fn timers_of_no_duration_fire() {
    const COUNT: usize = if cfg!(debug_assertions) { 2_000 } else { 50_000 };
    at_procs(|| {
        let zero = Duration::ZERO;
        assert!((0..COUNT).all(|_| Timer::new(zero).chan().recv().is_some()));
        let again = Timer::new(zero);
        for _ in 0..COUNT {
            again.reset(zero);
            assert!(again.chan().recv().is_some());
        }
        let called = chan(0);
        for _ in 0..COUNT / 10 {
            let call = called.clone();
            drop(after_func(zero, move || call.send(())));
            assert_eq!(called.recv(), Some(()));
        }
    });
}

/// Go's TestAfterStop.
#[test]
fn nothing_comes_after_a_stop() {
    at_procs(|| {
        let late = Timer::new(ms(20));
        let called = Arc::new(AtomicUsize::new(0));
        let count = called.clone();
        let call = after_func(ms(20), move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let stopped = [call.stop(), late.stop()];
        sleep(ms(30));
        assert_eq!(late.chan().try_recv(), Err(TryRecvError::Empty));
        assert!(stopped[1], "it had not been received");
        assert!(!stopped[0] || called.load(Ordering::Relaxed) == 0);
    });
}
