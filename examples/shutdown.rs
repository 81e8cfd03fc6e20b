//! A graceful end: the listener is closed, connections finish what they do, and a context's deadline cuts
//! off who does not.
//!
//! `cargo run --release --example shutdown`
#![allow(clippy::print_stdout, reason = "an example talks")]

use gort::context::{self, Context};
use gort::net::{TcpListener, TcpStream};
use gort::sync::WaitGroup;
use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

/// Answers line by line. Once `quit` is done it begins no further line; once `cut` is, it is cut off.
fn serve(stream: TcpStream, quit: &Context, cut: &Context) {
    let (asleep, awake) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    // Who waits for a line when the end comes has nothing to finish.
    let idle =
        context::after_func(quit, move || asleep.shutdown(std::net::Shutdown::Read).unwrap());
    let late = context::after_func(cut, move || drop(awake.close()));
    let mut writer = stream.try_clone().unwrap();
    writeln!(writer, "hello").unwrap();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let work = Duration::from_millis(line.len() as u64);
        if context_sleep(cut, work) || writeln!(writer, "done: {line}").is_err() {
            break;
        }
    }
    idle.stop();
    late.stop();
}

/// Works for `d`; true if it was cut off.
fn context_sleep(cut: &Context, d: Duration) -> bool {
    gort::select! {
        recv(cut.done()) -> _ => { true },
        default(d) => { false }
    }
}

fn main() {
    let answers = gort::run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (quit, quit_now) = context::with_cancel(&context::background());
        let (cut, cut_now) = context::with_cancel(&context::background());
        let connections = WaitGroup::new();
        let accepting = gort::spawn({
            let (listener, connections) = (listener.try_clone().unwrap(), connections.clone());
            move || {
                for stream in listener.incoming().flatten() {
                    let (quit, cut) = (quit.clone(), cut.clone());
                    connections.go(move || serve(stream, &quit, &cut));
                }
            }
        });
        let ask = |text: String| {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            stream.read_exact(&mut [0; 6]).unwrap(); // it is being served
            stream
        };
        let clients =
            [ask(String::new()), ask("short\n".into()), ask(format!("{:9999}\n", "endless"))];

        listener.close().unwrap(); // nobody new
        accepting.join().unwrap();
        quit_now.cancel(); // no further line
        let (patience, enough) =
            context::with_timeout(&context::background(), Duration::from_millis(200));
        let late = context::after_func(&patience, move || cut_now.cancel());
        connections.wait();
        println!("drained in time: {}", late.stop());
        enough.cancel();
        TcpStream::connect(addr).expect_err("nobody listens");
        clients.map(|mut client| {
            let mut text = String::new();
            client.read_to_string(&mut text).map(|_| text).unwrap_or_default()
        })
    });
    println!("{answers:?}");
    assert_eq!(answers, ["", "done: short\n", ""]);
}
