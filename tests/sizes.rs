//! What a token may cost before it is refused: bytes allocated, counted by an allocator of this test binary's own.
//! Row S26 of the scorecard.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use remote_agent_auth::base64url::encode;
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::MAX_TOKEN_BYTES;
use remote_agent_auth::verifier::{Checked, Memory};
use serde_json::json;
use support::{ISSUER, JWKS, NOW, Signer, World, jwks, listed, now, score};

struct Counting;

thread_local! {
    /// Bytes this thread has asked for.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // A thread that is ending has nowhere to count.
    let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get() + bytes));
}

#[allow(unsafe_code, reason = "an allocator is unsafe by its trait; this one counts and hands on")]
// SAFETY: every call goes unchanged to the system's allocator, which upholds the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's own promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[tokio::test(start_paused = true)]
async fn what_is_too_large_costs_nothing_and_what_is_not_costs_a_bounded_amount() {
    let signer = Signer::new("k");
    let world = World::with_jwks_uri();
    world.network.answer(JWKS, jwks(&[&signer]));
    assert_eq!(world.code(&signer.token()).await, None);
    let fetches = world.network.fetches();
    let cost = |token: &str| {
        let before = ALLOCATED.get();
        let code = match world.verifier.check(token, &world.policy, now(), Memory::Signatures) {
            Checked::Now(answer) => answer.err().map(|refusal| refusal.code()),
            Checked::Later(_) => panic!("no fetch is worth it"),
        };
        (code, ALLOCATED.get() - before)
    };
    let head = encode(br#"{"alg":"ES256","kid":"k"}"#);
    let claims = json!({ "iss": ISSUER, "aud": "api", "sub": "user", "exp": NOW + 300.0 }).to_string();
    let fill = |json: String| encode(json.as_bytes());

    // Past the limit: only the length is looked at, whatever the text would cost.
    let mut large: Vec<(String, String)> = vec![
        ("16 KiB + 1 of a good form".into(), format!("{head}.{}.AA", "A".repeat(MAX_TOKEN_BYTES - head.len() - 3))),
        ("16 KiB + 1 of dots".into(), ".".repeat(MAX_TOKEN_BYTES + 1)),
        ("1 MB of dots".into(), ".".repeat(1_000_000)),
        ("1 MB of A".into(), "A".repeat(1_000_000)),
        ("1 MB of blanks".into(), " ".repeat(1_000_000)),
        ("1 MB of é".into(), "é".repeat(500_000)),
        ("16 MB of a header".into(), format!("{}.e30.AA", "A".repeat(16_000_000))),
    ];
    large[0].1.push('A');
    let (mut worst_large, mut wrong) = (0, Vec::new());
    for (name, token) in &large {
        assert!(token.len() > MAX_TOKEN_BYTES);
        let (code, bytes) = cost(token);
        worst_large = worst_large.max(bytes);
        if code != Some(Code::TokenTooLarge) {
            wrong.push(format!("{name}: {code:?}"));
        }
    }

    // Within the limit: at most some copies of what came.
    let room = MAX_TOKEN_BYTES - head.len() - 100;
    let json_room = room / 4 * 3;
    let nested = |open: &str, at: usize| format!("{{\"x\":{}", open.repeat(at / open.len()));
    let many =
        |item: &str, at: usize| format!("{{\"x\":[{item}{}]}}", format!(",{item}").repeat(at / (item.len() + 1) - 1));
    let members: String = (0..json_room / 9).map(|n| format!(",\"{n:04}\":1")).collect();
    let within = [
        ("16 KiB of dots", ".".repeat(MAX_TOKEN_BYTES), Code::TokenMalformed),
        ("16 KiB of A", "A".repeat(MAX_TOKEN_BYTES), Code::TokenOpaque),
        ("a header of 12 KiB of brackets", format!("{}.e30.AA", fill(nested("[", json_room))), Code::TokenMalformed),
        (
            "a header of 12 KiB of braces",
            format!("{}.e30.AA", fill(nested("{\"a\":", json_room))),
            Code::TokenMalformed,
        ),
        (
            "a header of 12 KiB of members",
            format!("{}.e30.AA", fill(format!("{{\"alg\":\"ES256\"{members}}}"))),
            Code::SignatureInvalid,
        ),
        ("a header of 12 KiB of numbers", format!("{}.e30.AA", fill(many("1", json_room - 20))), Code::TokenAlgorithm),
        ("a header of 12 KiB of objects", format!("{}.e30.AA", fill(many("{}", json_room - 20))), Code::TokenAlgorithm),
        (
            "a `kid` of 12 KiB",
            format!("{}.e30.AA", fill(format!("{{\"alg\":\"ES256\",\"kid\":\"{}\"}}", "k".repeat(json_room - 30)))),
            Code::TokenKid,
        ),
        ("a signature of 12 KiB", format!("{head}.e30.{}", "A".repeat(room / 4 * 4)), Code::SignatureInvalid),
    ];
    // Signed, so that the claims are read as well.
    let header = r#"{"alg":"ES256","kid":"k"}"#;
    let open = claims.trim_end_matches('}');
    let claim_room = json_room - claims.len() - 100;
    let signed = [
        (
            "signed claims of 12 KiB of members",
            format!("{open}{}}}", &members[..members.len().min(claim_room) / 9 * 9]),
        ),
        (
            "signed claims of 12 KiB of numbers",
            format!("{open},\"y\":{}", many("1", claim_room - 20).split_once(':').unwrap().1),
        ),
        (
            "signed claims of 12 KiB of objects",
            format!("{open},\"y\":{}", many("{}", claim_room - 20).split_once(':').unwrap().1),
        ),
    ];
    let (mut worst, mut costliest) = (0, "");
    let mut compare = |name: &'static str, token: &str, expected: Option<Code>| {
        assert!(token.len() <= MAX_TOKEN_BYTES, "{name} has {} bytes", token.len());
        let (code, bytes) = cost(token);
        if bytes > worst {
            (worst, costliest) = (bytes, name);
        }
        if code != expected {
            wrong.push(format!("{name}: {code:?} instead of {expected:?}"));
        }
    };
    for (name, token, code) in &within {
        compare(name, token, Some(*code));
    }
    for (name, claims) in &signed {
        compare(name, &signer.sign_text(header, claims), None);
    }
    assert_eq!(world.network.fetches(), fetches, "no fetch for any of them");
    let figure = format!(
        "{} too large: at most {worst_large} bytes allocated; {} within 16 KiB: at most {worst} ({costliest}){}",
        large.len(),
        within.len() + signed.len(),
        listed(&wrong),
    );
    let ok = wrong.is_empty() && worst_large <= 1024 && worst <= 16 * MAX_TOKEN_BYTES;
    score("S26", &figure, "refused; at most 1 KiB past the limit, 256 KiB within it", ok);
}
