//! A goroutine that runs out of stack, recovers and goes on living: no destructor is lost.

#![allow(clippy::print_stdout, reason = "what an example says")]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

static OPEN: AtomicUsize = AtomicUsize::new(0);

struct Resource;

impl Resource {
    fn open() -> Self {
        OPEN.fetch_add(1, Relaxed);
        Resource
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Relaxed);
    }
}

/// Follows a chain that has no end.
fn follow(link: u64) -> u64 {
    let _resource = Resource::open();
    let next = std::hint::black_box([link; 8]);
    assert_ne!(link, u64::MAX, "the last link");
    follow(link + 1) ^ next[3]
}

/// `follow`, or what came instead.
fn follow_or_recover() -> Result<u64, String> {
    let mut end = Err(String::new());
    gort::func(|f| {
        let end = &mut end;
        let result = std::cell::Cell::new(0);
        f.defer(move |d| *end = d.recover().map_or(Ok(0), |p| Err(p.message().to_owned())));
        result.set(follow(0));
    });
    end
}

fn main() {
    let rounds = 100;
    let body = move || {
        let start = Instant::now();
        for _ in 0..rounds {
            let message = follow_or_recover().expect_err("the chain has no end");
            assert!(message.contains("stack overflow"), "{message}");
            assert_eq!(OPEN.load(Relaxed), 0);
        }
        start.elapsed() / rounds
    };
    let small = gort::Builder::new().stack_size(256 << 10);
    let each = gort::run(|| small.spawn(body).expect("a stack").join().expect("it lives"));
    println!("{rounds} overflows of 256 KiB recovered, {each:?} each");
}
