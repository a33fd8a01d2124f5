//! S15: bodies that want our memory. Alone in its process, so that what is allocated can be counted.

#[path = "support/sockets.rs"]
mod sockets;
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use remote_agent_auth::error::Code;
use remote_agent_auth::policy::Policy;
use remote_agent_auth::time::SystemClock;
use remote_agent_auth::verifier::Verifier;
use serde_json::json;
use sockets::{Seen, Stream, network, reply, serve};
use support::{Signer, options, score};

/// Counts what is allocated at once.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIB: usize = 1024 * 1024;
/// The cap on a body, and what sockets hold on the way.
const MOST_SENT: u64 = 16 * MIB as u64;
const MOST_ALLOCATED: usize = 48 * MIB;

type Answer = Box<dyn Fn(&mut dyn Stream, &Seen) -> io::Result<()> + Send + Sync>;

fn stream_of(length: Option<usize>, head: &'static str) -> Answer {
    Box::new(move |stream, seen| {
        let chunk = [b' '; 64 * 1024];
        write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n")?;
        let mut left = length.unwrap_or(usize::MAX);
        while left > 0 {
            let now = left.min(chunk.len());
            stream.write_all(&chunk[..now])?;
            seen.sent.fetch_add(now as u64, Ordering::SeqCst);
            left -= now;
        }
        stream.flush()
    })
}

fn body(head: &'static str, body: Vec<u8>) -> Answer {
    Box::new(move |stream, seen| {
        seen.sent.fetch_add(body.len() as u64, Ordering::SeqCst);
        reply(stream, head, &body)
    })
}

#[tokio::test]
async fn s15_hostile_bodies_are_refused_within_bounds() {
    let signer = Signer::new("k");
    let many: Vec<_> = (0..10_000)
        .map(|n| {
            let mut jwk = signer.jwk();
            jwk["kid"] = json!(format!("k{n}"));
            jwk
        })
        .collect();
    let answers: Vec<(&str, Answer)> = vec![
        ("100 MB", stream_of(Some(100 * MIB), "content-length: 104857600")),
        ("endless", stream_of(None, "connection: close")),
        (
            "endless chunks",
            Box::new(|stream, seen| {
                write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                let chunk = [b' '; 0x8000];
                loop {
                    stream.write_all(b"8000\r\n")?;
                    stream.write_all(&chunk)?;
                    stream.write_all(b"\r\n")?;
                    seen.sent.fetch_add(0x8000, Ordering::SeqCst);
                }
            }),
        ),
        (
            "endless headers",
            Box::new(|stream, seen| {
                write!(stream, "HTTP/1.1 200 OK\r\n")?;
                loop {
                    stream.write_all(b"x-header: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")?;
                    seen.sent.fetch_add(64, Ordering::SeqCst);
                }
            }),
        ),
        ("labelled gzip", body("200 OK\r\ncontent-encoding: gzip", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])),
        ("10,000 keys", body("200 OK", json!({ "keys": many }).to_string().into())),
        ("10,000 empty entries", body("200 OK", json!({ "keys": vec![json!({}); 10_000] }).to_string().into())),
        ("depth 100,000", body("200 OK", b"[".repeat(100_000))),
        ("depth in a key", body("200 OK", [b"{\"keys\":[", &b"{\"a\":".repeat(100_000)[..]].concat())),
        ("a million values", body("200 OK", format!("{{\"keys\":[{}0]}}", "0,".repeat(MIB / 2 - 100)).into())),
    ];
    let count = answers.len();
    let (mut refused, mut most_sent, mut most_allocated) = (0, 0, 0);
    let begun = Instant::now();
    for (name, answer) in answers {
        let server = serve(None, answer);
        let policy =
            Arc::new(Policy::parse(options(Some(&format!("http://localhost:{}/", server.port)), "api")).unwrap());
        let clock = Arc::new(SystemClock::default());
        let verifier = Verifier::new(network().0, clock, tokio::runtime::Handle::current());
        let before = LIVE.load(Ordering::SeqCst);
        PEAK.store(before, Ordering::SeqCst);
        let code = verifier.prefetch(&policy).await.unwrap_err().code();
        refused += usize::from(matches!(code, Code::JwksFetch | Code::JwksDocument));
        let allocated = PEAK.load(Ordering::SeqCst).saturating_sub(before);
        let sent = server.seen.sent.load(Ordering::SeqCst);
        println!("{name}: {code:?}, {sent} bytes sent, {allocated} bytes allocated");
        most_sent = most_sent.max(sent);
        most_allocated = most_allocated.max(allocated);
    }
    let figure = format!(
        "{refused} of {count} refused in {:.1} s; at most {:.1} MiB sent, {:.1} MiB allocated",
        begun.elapsed().as_secs_f64(),
        most_sent as f64 / MIB as f64,
        most_allocated as f64 / MIB as f64
    );
    let ok = refused == count && most_sent <= MOST_SENT && most_allocated <= MOST_ALLOCATED;
    score("S15", &figure, "all refused; at most 16 MiB sent, 48 MiB allocated", ok);
}
