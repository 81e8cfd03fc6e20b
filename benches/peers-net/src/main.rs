//! The servers of `cargo bench --bench net` in other libraries: `tokio`, `may`, `hyper`, then the number
//! of threads. They say where they listen and run until they are killed.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [side, procs] = &args[..] else { return Err(io::ErrorKind::InvalidInput.into()) };
    let procs = procs.parse().map_err(io::Error::other)?;
    match side.as_str() {
        "tokio" => runtime(procs)?.block_on(echo()),
        "hyper" => runtime(procs)?.block_on(http()),
        "may" => coroutines(procs),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// For one thread the runtime made for that: it is the faster one.
fn runtime(procs: usize) -> io::Result<Runtime> {
    if procs == 1 {
        return Builder::new_current_thread().enable_all().build();
    }
    Builder::new_multi_thread().worker_threads(procs).enable_all().build()
}

async fn echo() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut buf = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut buf).await {
                if stream.write_all(&buf[..n]).await.is_err() {
                    break;
                }
            }
        });
    }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
    let text = hyper::header::HeaderValue::from_static("text/plain");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, text);
    Ok(response)
}

async fn http() -> io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let served =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(hello));
            drop(served.await);
        });
    }
}

fn coroutines(procs: usize) -> io::Result<()> {
    may::config().set_workers(procs).set_stack_size(0x2000);
    let listener = may::net::TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let server = may::go!(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            drop(stream.set_nodelay(true));
            may::go!(move || {
                let mut buf = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buf) {
                    if stream.write_all(&buf[..n]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    server.join().map_err(|_| io::Error::other("the server ended"))
}
