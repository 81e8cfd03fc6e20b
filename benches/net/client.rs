//! The other end: connections that ask again as soon as they are answered, on one thread with epoll;
//! and connections that do nothing.

use crate::epoll::Epoll;
use crate::sides::Server;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of a message.
pub(crate) const SIZE: usize = 64;

/// What one run of the client saw.
pub(crate) struct Run {
    /// Answers in a second.
    pub(crate) rate: f64,
    /// From question to answer, in µs.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// CPU time of the server for each answer, in µs.
    pub(crate) cpu: f64,
}

struct Connection {
    stream: TcpStream,
    asked: Instant,
    /// Bytes of the answer that have come.
    got: usize,
}

/// Asks over `count` connections, for `length`, after a tenth of that to warm up.
pub(crate) fn echo(server: &Server, count: usize, length: Duration) -> io::Result<Run> {
    let mut epoll = Epoll::new()?;
    let mut connections = Vec::new();
    for id in 0..count {
        let stream = TcpStream::connect(server.addr)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll.add(&stream, id)?;
        connections.push(Connection { stream, asked: Instant::now(), got: 0 });
    }
    for (id, c) in connections.iter_mut().enumerate() {
        c.stream.write_all(&message(id))?;
    }
    let (cpu, mut all) = (server.cpu()?, 0.0);
    let begin = Instant::now() + length / 10;
    let end = begin + length;
    let mut times = Vec::with_capacity(1 << 20);
    let mut now = Instant::now();
    while now < end {
        for id in epoll.wait(1000) {
            let Some(asked) = connections[id].answer(id)? else { continue };
            all += 1.0;
            if asked >= begin {
                times.push(connections[id].asked.duration_since(asked).as_nanos() as u32);
            }
        }
        now = Instant::now();
    }
    let cpu = (server.cpu()? - cpu).as_secs_f64() * 1e6 / all;
    times.sort_unstable();
    let at = |percent: usize| f64::from(times[times.len() * percent / 100]) / 1e3;
    Ok(Run { rate: times.len() as f64 / length.as_secs_f64(), p50: at(50), p99: at(99), cpu })
}

fn message(id: usize) -> [u8; SIZE] {
    [id as u8; SIZE]
}

impl Connection {
    /// Takes what has come. If the answer is whole, asks again; returns when it was asked for.
    fn answer(&mut self, id: usize) -> io::Result<Option<Instant>> {
        let mut buf = [0; SIZE];
        match self.stream.read(&mut buf[self.got..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => self.got += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        }
        if self.got < SIZE {
            return Ok(None);
        }
        assert_eq!(buf[SIZE - 1], id as u8, "not our own words");
        self.got = 0;
        let asked = std::mem::replace(&mut self.asked, Instant::now());
        self.stream.write_all(&message(id))?;
        Ok(Some(asked))
    }
}

/// Connections that have each exchanged one message and then stay open.
pub(crate) fn idle(addr: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    let mut all = Vec::with_capacity(count);
    for id in 0..count {
        let mut stream = TcpStream::connect(addr)?;
        stream.write_all(&message(id))?;
        stream.read_exact(&mut [0; SIZE])?;
        all.push(stream);
    }
    Ok(all)
}
