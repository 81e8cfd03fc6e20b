//! Deep recursion: a list of a million nodes is summed and dropped by recursion, one frame or two
//! for each node. An OS thread's stack of a few MiB would overflow; a goroutine's grows, page by
//! page, up to `Config::max_stack`.
//!
//! `cargo run --example deep`
#![allow(clippy::print_stdout, reason = "an example talks")]

const NODES: u64 = 1_000_000;

struct Node {
    value: u64,
    next: Option<Box<Node>>,
}

fn list(length: u64) -> Option<Box<Node>> {
    (1..=length).fold(None, |next, value| Some(Box::new(Node { value, next })))
}

/// The sum from `node` on, and the address of the deepest frame.
fn sum(node: &Node) -> (u64, usize) {
    let here = (&raw const node).addr();
    let (rest, deepest) = node.next.as_deref().map_or((0, here), sum);
    (node.value + rest, deepest)
}

fn main() {
    let (total, used) = gort::run(|| {
        // A started goroutine, not the main one: each has this much room.
        let deep = gort::spawn(|| {
            let list = list(NODES).expect("the list is not empty");
            let top = (&raw const list).addr();
            let (total, deepest) = sum(&list);
            (total, top - deepest)
        });
        deep.join().expect("the stack is large enough")
    });
    println!("{NODES} nodes add up to {total}, on {} MiB of stack", used >> 20);
    assert_eq!(total, NODES * (NODES + 1) / 2);
}
