//! What the network costs: gort next to a hand-written epoll loop, Go, tokio and may.
//!
//!     cargo bench --bench net                    # echo on one P and on two, and 10,000 idle connections
//!     cargo bench --bench net -- --peers         # with tokio and may; builds benches/peers-net (needs crates.io)
//!     cargo bench --bench net -- --http          # wrk against the HTTP example, Go's net/http and hyper
//!     cargo bench --bench net -- --rounds 15     # more of them; a round of one server takes --ms (400)
//!     cargo bench --bench net -- --quick         # a few seconds, gort and the loop alone
//!
//! *Echo*: 64 connections, each of which asks with 64 bytes as soon as it is answered, from one thread
//! with epoll, which shares the machine's cores with the server. Each server runs in a process of its own,
//! started once; the servers are asked in turn, then the next round, so that a disturbance of the machine
//! meets all alike. The table shows the best rate and the lowest percentiles of the rounds, since what
//! makes a round worse comes from outside; the median of the CPU time that the server took for a request;
//! and the medians of the quotients of each round.
//!
//! *Idle*: what a server's process grows by (resident memory, and page tables) when so many connections
//! have been served once and stay open, and its CPU time in a second, three seconds after that. "dense" is gort with
//! stacks that reserve 256 KiB (`Config::stack_ladder`), which saves page tables.

#![allow(clippy::print_stdout)]

mod client;
mod epoll;
mod servers;
mod sides;

use client::Run;
use sides::{Server, Side};
use std::io;
use std::process::{Command, ExitCode};
use std::time::Duration;

const CONNECTIONS: usize = 64;
const IDLE: usize = 10_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|a| *a != "--bench").collect();
    let done = match words[..] {
        ["serve", "gort", procs] => servers::gort(procs.parse().unwrap_or(1), false),
        ["serve", "dense", procs] => servers::gort(procs.parse().unwrap_or(1), true),
        ["serve", "epoll", _] => servers::by_hand(),
        _ => compare(&words),
    };
    if let Err(e) = done {
        eprintln!("{e}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn compare(words: &[&str]) -> io::Result<()> {
    let after = |flag| words.iter().position(|w| *w == flag).and_then(|i| words.get(i + 1));
    let number = |flag, default| after(flag).and_then(|w| w.parse().ok()).unwrap_or(default);
    let (quick, peers) = (words.contains(&"--quick"), words.contains(&"--peers"));
    let rounds = number("--rounds", if quick { 1 } else { 7 });
    let length = Duration::from_millis(number("--ms", if quick { 200 } else { 400 }) as u64);
    raise_limit();
    if words.contains(&"--http") {
        return http(&sides::http(peers), rounds, length);
    }
    let mut sides = sides::echo(peers);
    if quick {
        sides.truncate(2);
    }
    for procs in [1, 2] {
        echo(&sides, procs, rounds, length)?;
    }
    if quick || words.contains(&"--no-idle") { Ok(()) } else { idle(&sides) }
}

/// Both ends of many connections take many descriptors; the servers inherit the limit.
fn raise_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: (both) a valid place.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

fn start(sides: &[Side], procs: usize) -> io::Result<Vec<Server>> {
    sides.iter().map(|side| side.start(procs)).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn echo(sides: &[Side], procs: usize, rounds: usize, length: Duration) -> io::Result<()> {
    let servers = start(sides, procs)?;
    let mut runs: Vec<Vec<Run>> = sides.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (server, runs) in servers.iter().zip(&mut runs) {
            runs.push(client::echo(server, CONNECTIONS, length)?);
        }
    }
    println!(
        "\n| echo, {procs} P | requests/s | p50 | p99 | server's CPU | gort/it | p99 it/gort |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (side, its) in sides.iter().zip(&runs) {
        let least = |f: fn(&Run) -> f64| its.iter().map(f).fold(f64::MAX, f64::min);
        let quotient = |f: fn(&Run, &Run) -> f64| {
            median(runs[0].iter().zip(its).map(|(own, its)| f(own, its)).collect())
        };
        println!(
            "| {} | {:.0} | {:.0} µs | {:.0} µs | {:.2} µs | {:.3} | {:.2} |",
            side.name,
            -least(|r| -r.rate),
            least(|r| r.p50),
            least(|r| r.p99),
            median(its.iter().map(|r| r.cpu).collect()),
            quotient(|own, its| own.rate / its.rate),
            quotient(|own, its| its.p99 / own.p99),
        );
    }
    Ok(())
}

fn idle(sides: &[Side]) -> io::Result<()> {
    println!("\n| {IDLE} idle connections | resident, each | page tables | CPU in a second |");
    println!("|---|---:|---:|---:|");
    let dense = sides[0].told("gort, dense", &["serve", "dense"]);
    for side in [&sides[0], &dense].into_iter().chain(&sides[1..]) {
        let server = side.start(2)?;
        // What a first connection makes is no part of the others.
        drop(client::idle(server.addr, 10)?);
        let before = server.memory()?;
        let connections = client::idle(server.addr, IDLE)?;
        let after = server.memory()?;
        let [rss, tables] = [0, 1].map(|i| after[i].saturating_sub(before[i]) as usize / IDLE);
        // gort looks once for memory that parked goroutines do not use any more.
        std::thread::sleep(Duration::from_secs(3));
        let cpu = server.cpu()?;
        std::thread::sleep(Duration::from_secs(1));
        let busy = (server.cpu()? - cpu).as_micros();
        println!("| {} | {rss} B | {tables} B | {busy} µs |", side.name);
        drop(connections);
    }
    Ok(())
}

/// wrk's words, for each server in turn.
fn http(sides: &[Side], rounds: usize, length: Duration) -> io::Result<()> {
    for procs in [1, 2] {
        let servers = start(sides, procs)?;
        let mut runs: Vec<Vec<(f64, f64)>> = sides.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (server, runs) in servers.iter().zip(&mut runs) {
                runs.push(wrk(server, length)?);
            }
        }
        println!("\n| wrk, {CONNECTIONS} connections, {procs} P | requests/s | median | p99 |");
        println!("|---|---:|---:|---:|");
        for (side, runs) in sides.iter().zip(runs) {
            let (rates, p99s): (Vec<f64>, Vec<f64>) = runs.into_iter().unzip();
            let most = rates.iter().copied().fold(0.0, f64::max);
            let least = p99s.into_iter().fold(f64::MAX, f64::min);
            println!("| {} | {most:.0} | {:.0} | {least:.0} µs |", side.name, median(rates));
        }
    }
    Ok(())
}

/// Requests in a second, and the 99th percentile in µs.
fn wrk(server: &Server, length: Duration) -> io::Result<(f64, f64)> {
    let (seconds, connections) = (length.as_secs().max(1), CONNECTIONS);
    let mut wrk = Command::new("wrk");
    wrk.args(["--latency", "-t1"]).arg(format!("-c{connections}")).arg(format!("-d{seconds}s"));
    let out = wrk.arg(format!("http://{}/", server.addr)).output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let word = |start: &str| {
        let line = text.lines().find(|l| l.trim_start().starts_with(start));
        line.and_then(|l| l.split_whitespace().nth(1)).map(str::to_owned)
    };
    let rate = word("Requests/sec:").and_then(|w| w.parse().ok());
    let found = rate.zip(word("99%").and_then(|w| micros(&w)));
    found.ok_or_else(|| io::Error::other(format!("wrk says: {text}")))
}

/// `1.25ms` as µs.
fn micros(time: &str) -> Option<f64> {
    let digits = time.trim_end_matches(char::is_alphabetic);
    let unit = match &time[digits.len()..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    digits.parse::<f64>().ok().map(|n| n * unit)
}
