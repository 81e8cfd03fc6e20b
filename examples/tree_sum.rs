//! The sum of a binary tree, the left half of each upper node in a goroutine of its own. The
//! goroutines borrow the tree: a scope ends only when all of its goroutines have.
//!
//! `cargo run --release --example tree_sum`
#![allow(clippy::print_stdout, reason = "an example talks")]

const DEPTH: u32 = 20;

/// Below this many levels a goroutine costs more than it saves.
const SEQUENTIAL: u32 = 10;

enum Tree {
    Leaf(u64),
    Node(Box<Tree>, Box<Tree>),
}

/// A tree whose leaves, from left to right, count from `first`.
fn grow(depth: u32, first: u64) -> Tree {
    if depth == 0 {
        return Tree::Leaf(first);
    }
    let half = 1 << (depth - 1);
    Tree::Node(Box::new(grow(depth - 1, first)), Box::new(grow(depth - 1, first + half)))
}

fn sum(tree: &Tree, depth: u32) -> u64 {
    match tree {
        Tree::Leaf(value) => *value,
        Tree::Node(left, right) if depth <= SEQUENTIAL => {
            sum(left, depth - 1) + sum(right, depth - 1)
        }
        Tree::Node(left, right) => gort::scope(|s| {
            let left = s.spawn(|| sum(left, depth - 1));
            let right = sum(right, depth - 1);
            left.join().expect("sum does not panic") + right
        }),
    }
}

fn main() {
    let tree = grow(DEPTH, 1);
    let total = gort::run(|| sum(&tree, DEPTH));
    let leaves = 1u64 << DEPTH;
    println!("the {leaves} leaves add up to {total}");
    assert_eq!(total, leaves * (leaves + 1) / 2);
}
