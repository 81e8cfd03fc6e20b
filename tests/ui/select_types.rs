//! Ends that go the other way, and values of another type.

use gort::{channel, select};

fn main() {
    let (tx, rx) = channel::<i32>(1);
    select! { recv(tx) -> v => drop(v) }
    select! { send(rx, 1) => {} }
    select! { send(tx, "text") => {} }
}
