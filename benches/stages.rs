//! Where a token's time goes in Rust, stage by stage (criterion). `cargo bench --no-default-features --bench stages`.

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use remote_agent_auth::policy::MAX_TOKEN_BYTES;
use remote_agent_auth::provider::fetch::{Fetch, Fetching, Request, Response};
use remote_agent_auth::revocation::{Claim, Entry, Named, RevocableClaims, Revocations};
use remote_agent_auth::signature_cache::SignatureCache;
use remote_agent_auth::time::{SystemClock, UnixSeconds};
use remote_agent_auth::token::UnverifiedToken;
use remote_agent_auth::token::claims::Claims;
use remote_agent_auth::verifier::{Checked, Memory, Verifier};
use remote_agent_auth::verify;
use support::{ALGORITHMS, Fixture};

/// A provider without a network.
struct Answers(String);

impl Fetch for Answers {
    fn fetch(&self, _: Request<'_>) -> Fetching {
        let response = Response { status: 200, body: self.0.clone().into(), ..Response::default() };
        Box::pin(async move { Ok(response) })
    }
}

fn stages(criterion: &mut Criterion) {
    for alg in ALGORITHMS {
        let fixture = Fixture::generate(alg);
        let mut group = criterion.benchmark_group(alg);
        let mut turn = 0;
        let mut next = move || {
            turn += 1;
            turn
        };
        let parsed = Arc::new(UnverifiedToken::parse(fixture.token(0), MAX_TOKEN_BYTES).unwrap());
        let signed = verify::check_signature(&parsed, &fixture.keys, &fixture.policy).unwrap();

        group.bench_function("bare check", |b| b.iter(|| fixture.check_bare(next())));
        group.bench_function("core: bytes to checked claims", |b| b.iter(|| fixture.check_core(next())));
        group.bench_function("parse the token", |b| {
            b.iter(|| UnverifiedToken::parse(fixture.token(next()), MAX_TOKEN_BYTES))
        });
        group.bench_function("select the key", |b| {
            b.iter(|| drop(black_box(fixture.keys.select(parsed.untrusted_algorithm(), parsed.untrusted_key_id()))));
        });
        group.bench_function("signature", |b| {
            b.iter(|| verify::check_signature(&parsed, &fixture.keys, &fixture.policy))
        });
        group.bench_function("read the claims", |b| {
            let text = parsed.untrusted_payload().unwrap();
            b.iter(|| Claims::parse(text, |_| false));
        });
        group.bench_function("check the claims", |b| {
            b.iter_batched(
                || verify::check_signature(&parsed, &fixture.keys, &fixture.policy).unwrap(),
                |signed| verify::check_claims(signed, &fixture.policy, fixture.now),
                BatchSize::SmallInput,
            );
        });
        if alg == "RS256" {
            let signatures = SignatureCache::default();
            signatures.remember(signed.clone());
            let source = fixture.policy.source();
            group.bench_function("signature recalled", |b| b.iter(|| signatures.recall(fixture.token(0), source)));
        }

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let network = Arc::new(Answers(fixture.jwks.clone()));
        let verifier = Verifier::new(network, Arc::new(SystemClock::default()), runtime.handle().clone());
        runtime.block_on(verifier.prefetch(&fixture.policy)).unwrap();
        for (name, memory) in [("verifier, fresh", Memory::None), ("verifier, signature known", Memory::Signatures)] {
            group.bench_function(name, |b| {
                b.iter(|| match verifier.check(fixture.token(next()), &fixture.policy, fixture.now, memory) {
                    Checked::Now(answer) => drop(black_box(answer.unwrap())),
                    Checked::Later(_) => panic!("keys were at hand"),
                });
            });
        }
        group.finish();
    }
}

/// What the list of revocations costs a token that is on none of its entries.
fn revocation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("revocation");
    let now = UnixSeconds::new(1_000_000_000.0).unwrap();
    let issuer = "https://idp.example.com/realms/main";
    let (jti, sid) = (Some("a-token"), Some("a-session"));
    let facts = RevocableClaims { issuer, jti, sid, subject: "a-subject", issued_at: Some(999_999_999.0) };
    for count in [0, 1_000, 1_000_000] {
        let list = Revocations::default();
        for index in 0..count {
            let named = Named::new(Claim::Jti, issuer, &index.to_string()).unwrap();
            list.add(Entry::new(named, None, 1_000_000_600.0).unwrap(), now);
        }
        group.bench_function(format!("{count} entries"), |b| b.iter(|| list.is_revoked(black_box(&facts), now)));
    }
    group.finish();
}

criterion_group!(benches, stages, revocation);
criterion_main!(benches);
