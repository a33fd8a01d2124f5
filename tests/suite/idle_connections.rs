//! A connection kept for the next request is closed when no request has come in time. The clock is the test's own.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::sockets::{get, network, read_head};
use remote_agent_auth::policy::transport::Transport;
use remote_agent_auth::provider::fetch::HttpFetch;
use tokio::time::{advance, pause, resume};

/// `IDLE_TIMEOUT` of `client.rs`, in seconds.
const IDLE: u64 = 90;

/// What a server sees of its connections.
#[derive(Debug, PartialEq)]
enum Seen {
    Opened,
    Request,
    Closed,
}

/// A server that keeps its connections for as long as the client does.
fn server() -> (String, Receiver<Seen>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let (report, seen) = channel();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let report = report.clone();
            thread::spawn(move || converse(socket, &report));
        }
    });
    (url, seen)
}

fn converse(mut socket: TcpStream, report: &Sender<Seen>) {
    let _ = report.send(Seen::Opened);
    while read_head(&mut socket).is_ok() {
        let _ = report.send(Seen::Request);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    }
    let _ = report.send(Seen::Closed);
}

/// What the server sees next.
fn next(seen: &Receiver<Seen>) -> Seen {
    seen.recv_timeout(Duration::from_secs(10)).expect("something within 10 s")
}

async fn fetch_keys(fetch: &HttpFetch, url: &str) {
    assert_eq!(get(fetch, url, Transport::default()).await.unwrap().body, b"{}");
}

/// Lets the clock jump, and whatever is due then run. No request is under way, so that no deadline passes by it.
async fn pass(seconds: u64) {
    // The task that closes connections begins to count.
    run_what_is_due().await;
    pause();
    advance(Duration::from_secs(seconds)).await;
    run_what_is_due().await;
    resume();
}

async fn run_what_is_due() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_nobody_asks_for_is_closed_after_its_time_and_so_is_the_next_one() {
    let ((fetch, _), (url, seen)) = (network(), server());
    for _ in 0..2 {
        fetch_keys(&fetch, &url).await;
        assert_eq!([next(&seen), next(&seen)], [Seen::Opened, Seen::Request]);
        pass(IDLE + 1).await;
        assert_eq!(next(&seen), Seen::Closed);
    }
}

#[tokio::test]
async fn a_connection_that_is_used_meanwhile_is_kept_from_its_last_use_on() {
    let ((fetch, _), (url, seen)) = (network(), server());
    fetch_keys(&fetch, &url).await;
    assert_eq!([next(&seen), next(&seen)], [Seen::Opened, Seen::Request]);
    for _ in 0..3 {
        pass(IDLE - 30).await;
        fetch_keys(&fetch, &url).await;
        assert_eq!(next(&seen), Seen::Request, "the same connection");
    }
    // Past the time of the first use, and short of that of the last one.
    pass(IDLE - 2).await;
    fetch_keys(&fetch, &url).await;
    assert_eq!(next(&seen), Seen::Request, "the same connection");
    pass(IDLE + 1).await;
    assert_eq!(next(&seen), Seen::Closed);
}

#[tokio::test]
async fn each_connection_ends_in_its_own_time() {
    let ((fetch, _), (url, seen), (later, seen_later)) = (network(), server(), server());
    fetch_keys(&fetch, &url).await;
    pass(60).await;
    fetch_keys(&fetch, &later).await;
    assert_eq!([next(&seen), next(&seen)], [Seen::Opened, Seen::Request]);
    assert_eq!([next(&seen_later), next(&seen_later)], [Seen::Opened, Seen::Request]);
    pass(31).await;
    assert_eq!(next(&seen), Seen::Closed);
    fetch_keys(&fetch, &later).await;
    assert_eq!(next(&seen_later), Seen::Request, "the same connection");
}

#[tokio::test]
async fn connections_end_with_their_client() {
    let ((fetch, names), (url, seen)) = (network(), server());
    fetch_keys(&fetch, &url).await;
    assert_eq!([next(&seen), next(&seen)], [Seen::Opened, Seen::Request]);
    drop((fetch, names));
    run_what_is_due().await;
    assert_eq!(next(&seen), Seen::Closed);
}
