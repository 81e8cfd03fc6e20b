//! A real memcached (Debian: `apt-get install memcached`) through the unmodified crate `memcached-rs`, whose
//! protocol takes any stream that reads and writes: 20 goroutines, each with a connection of its own.
//!
//! `cargo run --release --bin memcached`

use bufstream::BufStream;
use gort::net::TcpStream;
use memcached::proto::{BinaryProto, MultiOperation, Operation, ServerOperation};
use std::process::{Child, Command};
use std::time::Duration;

const CLIENTS: usize = 20;
const ROUNDS: usize = 200;

/// Ends the server when the program ends, however it does.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A server on a port that nobody uses.
fn start() -> std::io::Result<(Server, u16)> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new("memcached");
    command.args(["-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-p", &port.to_string()]);
    Ok((Server(command.spawn()?), port))
}

fn connect(port: u16) -> BinaryProto<BufStream<TcpStream>> {
    let stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(_) => gort::time::sleep(Duration::from_millis(5)), // it is about to listen
        }
    };
    stream.set_nodelay(true).unwrap();
    BinaryProto::new(BufStream::new(stream))
}

fn main() {
    let (_server, port) = match start() {
        Ok(started) => started,
        Err(e) => return println!("skipped: memcached cannot be started: {e}"),
    };
    let total: usize = gort::run(|| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|id| {
                gort::spawn(move || {
                    let mut cache = connect(port);
                    for round in 0..ROUNDS {
                        let (key, value) = (format!("{id}/{round}"), vec![id as u8; round + 1]);
                        cache.set(key.as_bytes(), &value, 7, 0).unwrap();
                        assert_eq!(cache.get(key.as_bytes()).unwrap(), (value, 7));
                    }
                    let keys: Vec<_> = (0..ROUNDS).map(|round| format!("{id}/{round}")).collect();
                    let keys: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
                    cache.get_multi(&keys).unwrap().len()
                })
            })
            .collect();
        let found = clients.into_iter().map(|c| c.join().unwrap()).sum();
        println!("memcached {}", connect(port).version().unwrap());
        found
    });
    println!("{total} values found again");
    assert_eq!(total, CLIENTS * ROUNDS);
}
