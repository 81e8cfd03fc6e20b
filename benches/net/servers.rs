//! The servers of this program: gort, and the yardstick.

use crate::epoll::Epoll;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

/// Tells the parent where the server listens.
fn ready(addr: SocketAddr) {
    println!("{addr}");
}

/// A goroutine for each connection, in the most obvious way. Dense: stacks reserve less.
pub(crate) fn gort(procs: usize, dense: bool) -> io::Result<()> {
    let mut config = gort::Config::new().procs(procs);
    if dense {
        config = config.stack_ladder(&[(usize::MAX, 256 << 10)]);
    }
    config
        .run(|| {
            let listener = gort::net::TcpListener::bind("127.0.0.1:0")?;
            ready(listener.local_addr()?);
            for stream in listener.incoming() {
                let mut stream = stream?;
                stream.set_nodelay(true)?;
                gort::go(move || {
                    let mut buf = [0; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut buf) {
                        if stream.write_all(&buf[..n]).is_err() {
                            break;
                        }
                    }
                });
            }
            Ok(())
        })
        .unwrap_or_else(|e| Err(io::Error::other(e.to_string())))
}

/// One thread, one loop: wait, read, write.
pub(crate) fn by_hand() -> io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    ready(listener.local_addr()?);
    let mut epoll = Epoll::new()?;
    epoll.add(&listener, usize::MAX)?;
    let mut streams: Vec<Option<std::net::TcpStream>> = Vec::new();
    let mut buf = [0; 4096];
    loop {
        let ids: Vec<usize> = epoll.wait(-1).collect();
        for id in ids {
            if id == usize::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    epoll.add(&stream, streams.len())?;
                    streams.push(Some(stream));
                }
                continue;
            }
            let Some(stream) = &mut streams[id] else { continue };
            let done = match stream.read(&mut buf) {
                Ok(n @ 1..) => stream.write_all(&buf[..n]).is_err(),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
                _ => true,
            };
            if done {
                streams[id] = None;
            }
        }
    }
}
