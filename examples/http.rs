//! An HTTP/1.1 server with keep-alive: a goroutine for each connection, blocking reads, and `httparse`, a
//! parser that has never heard of gort.
//!
//! `cargo run --release --example http`: asks itself; `… -- serve 2`: serves on 2 processors
#![allow(clippy::print_stdout, reason = "an example talks")]

use gort::net::{TcpListener, TcpStream};
use std::io::{self, Read, Write};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
const WRONG: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Answers one request after the other until the other end has no more.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buf, mut filled) = ([0; 8192], 0);
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&buf[..filled]) {
            Ok(httparse::Status::Complete(length)) => {
                stream.write_all(ANSWER)?;
                buf.copy_within(length..filled, 0);
                filled -= length;
            }
            Ok(httparse::Status::Partial) if filled < buf.len() => {
                match stream.read(&mut buf[filled..])? {
                    0 => return Ok(()),
                    n => filled += n,
                }
            }
            _ => return stream.write_all(WRONG),
        }
    }
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let procs = args.get(1).and_then(|n| n.parse().ok()).unwrap_or(2);
    gort::Config::new()
        .procs(procs)
        .run(|| {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let addr = listener.local_addr()?;
            println!("{addr}");
            let server = move || {
                listener.incoming().flatten().for_each(|stream| gort::go(move || serve(stream)));
            };
            if !args.is_empty() {
                server();
                return Ok(());
            }
            gort::go(server);
            let mut stream = TcpStream::connect(addr)?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\nGET /again HTTP/1.1\r\n\r\n")?;
            stream.write_all(b"nonsense\r\n\r\n")?;
            let mut answers = String::new();
            stream.read_to_string(&mut answers)?;
            println!("{answers}");
            assert_eq!(answers.matches("Hello, World!").count(), 2);
            assert!(answers.ends_with("Connection: close\r\n\r\n"));
            Ok(())
        })
        .expect("nothing else runs")
}
