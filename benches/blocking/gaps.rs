//! The gaps of a ticker while others keep its processor from it.

use crate::{Times, block_thread, compute, monitor, ms};
use gort::runtime::{gomaxprocs, num_threads};
use gort::sync::WaitGroup;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the others do: its name, on how many Ps, how many of them, each what.
struct Load {
    name: &'static str,
    procs: usize,
    crowd: usize,
    /// They enter the runtime between blocks, and so come back without a P each time.
    each: fn(),
}

const NAP: Duration = Duration::from_millis(50);

const LOADS: &[Load] = &[
    Load {
        name: "8 block 10 x 50 ms, undeclared",
        procs: 1,
        crowd: 8,
        each: || (0..10).for_each(|_| block_thread(NAP)),
    },
    Load {
        name: "the same, yielding in between",
        procs: 1,
        crowd: 8,
        each: || {
            (0..10).for_each(|_| {
                block_thread(NAP);
                gort::runtime::gosched();
            });
        },
    },
    Load {
        name: "the same, declared by blocking",
        procs: 1,
        crowd: 8,
        each: || (0..10).for_each(|_| gort::blocking(|| block_thread(NAP))),
    },
    Load {
        name: "the same, by blocking_long",
        procs: 1,
        crowd: 8,
        each: || (0..10).for_each(|_| gort::blocking_long(|| block_thread(NAP))),
    },
    Load {
        name: "1 computes 200 ms",
        procs: 1,
        crowd: 1,
        each: || compute(Duration::from_millis(200)),
    },
    Load {
        name: "100 compute 50 ms each",
        procs: 2,
        crowd: 100,
        each: || compute(Duration::from_millis(50)),
    },
];

pub(crate) fn report(rounds: usize) {
    println!(
        "a ticker that sleeps 1 ms beside goroutines that           gap, ms: median    p99   most"
    );
    println!(
        "                                                     of rounds' largest: median   most"
    );
    println!(
        "                                               total ms   monitor   threads   at a time"
    );
    for load in LOADS {
        gomaxprocs(load.procs);
        let mut all = Outcome::default();
        (0..rounds).for_each(|_| round(load, &mut all));
        all.print(load, rounds);
    }
}

#[derive(Default)]
struct Outcome {
    gaps: Times,
    largest: Times,
    totals: Times,
    monitor: Duration,
    threads: usize,
    at_a_time: usize,
}

fn round(load: &Load, all: &mut Outcome) {
    let (start, watched) = (Instant::now(), monitor());
    let over = Arc::new(AtomicBool::new(false));
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (crowd, end) = (WaitGroup::new(), over.clone());
    let ticker = gort::spawn(move || {
        let (mut gaps, mut threads, mut last) = (Times::default(), 0, Instant::now());
        while !end.load(Ordering::Relaxed) {
            gort::time::sleep(Duration::from_millis(1));
            let now = Instant::now();
            gaps.0.push(now - last);
            last = now;
            threads = threads.max(num_threads());
        }
        (gaps, threads)
    });
    for _ in 0..load.crowd {
        let (inside, most, each) = (inside.clone(), most.clone(), load.each);
        crowd.go(move || {
            most.fetch_max(inside.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            each();
            inside.fetch_sub(1, Ordering::Relaxed);
        });
    }
    crowd.wait();
    all.totals.0.push(start.elapsed());
    over.store(true, Ordering::Relaxed);
    let (mut gaps, threads) = ticker.join().expect("the ticker only ticks");
    all.largest.0.push(gaps.at(1000));
    all.gaps.0.append(&mut gaps.0);
    all.threads = all.threads.max(threads);
    all.at_a_time = all.at_a_time.max(most.load(Ordering::Relaxed));
    all.monitor += monitor() - watched;
}

impl Outcome {
    fn print(mut self, load: &Load, rounds: usize) {
        let [median, p99, most] = [500, 990, 1000].map(|at| ms(self.gaps.at(at)));
        let [large, largest] = [500, 1000].map(|at| ms(self.largest.at(at)));
        println!("{:40} P={} {median:25.2} {p99:6.2} {most:6.2}", load.name, load.procs);
        println!("{large:80.2} {largest:6.2}");
        let total = self.totals.at(500);
        let share = self.monitor.as_secs_f64() / rounds as f64 / total.as_secs_f64() * 100.0;
        println!("{:55.0} {share:7.2} % {:9} {:11}", ms(total), self.threads, self.at_a_time);
    }
}
