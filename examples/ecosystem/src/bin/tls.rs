//! TLS 1.3 by `rustls`, whose `Stream` takes any socket that reads and writes.
//!
//! `cargo run --release --bin tls`

use gort::net::{TcpListener, TcpStream};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use std::io::{Read, Write};
use std::sync::Arc;

const CLIENTS: usize = 50;

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a name");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("it is well-formed");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate], key).expect("they belong together");
    (Arc::new(client), Arc::new(server))
}

fn main() {
    let total: usize = gort::run(|| {
        let (client, server) = configs();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        gort::go(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(server.clone()).unwrap();
                gort::go(move || {
                    let mut tls = StreamOwned::new(connection, stream);
                    let mut text = [0; 1000];
                    tls.read_exact(&mut text).unwrap();
                    text.reverse();
                    tls.write_all(&text).unwrap();
                    tls.conn.send_close_notify();
                    tls.flush().unwrap();
                });
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|i| {
                let client = client.clone();
                gort::spawn(move || {
                    let name = ServerName::try_from("localhost").unwrap();
                    let connection = ClientConnection::new(client, name).unwrap();
                    let mut tls = StreamOwned::new(connection, TcpStream::connect(addr).unwrap());
                    let text: Vec<u8> = (0..1000).map(|b| (b * i) as u8).collect();
                    tls.write_all(&text).unwrap();
                    let mut back = Vec::new();
                    tls.read_to_end(&mut back).unwrap();
                    assert!(back.iter().rev().eq(&text));
                    back.len()
                })
            })
            .collect();
        clients.into_iter().map(|c| c.join().unwrap()).sum()
    });
    println!("{total} bytes went there and back, encrypted");
    assert_eq!(total, 1000 * CLIENTS);
}
