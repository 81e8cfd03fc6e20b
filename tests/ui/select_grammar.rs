//! What `select!` says about arms that are none.

use gort::{chan, select};

fn main() {
    let c = chan(1);
    select! { receive(c) -> v => {} }
    select! { default => {}, default => {} }
    select! { send(c) => {} }
    select! { recv(c, 1) => {} }
    select! { recv(c) -> v => println!("{v:?}") send(c, 1) => {} }
}
