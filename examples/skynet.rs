//! Skynet: a tree of goroutines, ten children to each, down to a million leaves. Every leaf sends
//! its number to its parent, every parent the sum of its children's.
//!
//! `cargo run --release --example skynet`
#![allow(clippy::print_stdout, reason = "an example talks")]

use gort::{Chan, go};
use std::time::Instant;

const LEAVES: u64 = 1_000_000;
const CHILDREN: u64 = 10;

fn skynet(parent: Chan<u64>, first: u64, leaves: u64) {
    if leaves == 1 {
        parent.send(first);
        return;
    }
    let sums = gort::chan(0);
    let share = leaves / CHILDREN;
    for child in 0..CHILDREN {
        go!(skynet(sums.clone(), first + child * share, share));
    }
    let total = (0..CHILDREN).map(|_| sums.recv().expect("nobody closes")).sum();
    parent.send(total);
}

fn main() {
    let start = Instant::now();
    let total = gort::run(|| {
        let root = gort::chan(0);
        go!(skynet(root.clone(), 0, LEAVES));
        root.recv().expect("nobody closes")
    });
    println!("{LEAVES} leaves add up to {total}, in {:.2?}", start.elapsed());
    assert_eq!(total, LEAVES * (LEAVES - 1) / 2);
}
