//! How far the core is from the limit: microseconds for a token's whole way from bytes to checked claims, beside the crypto
//! library's bare check of the same signature, taken by turns in one run.
//!
//! `cargo bench --bench limit` makes keys of its own and prints a table. With `--fixture FILE --millis N` it measures the
//! tokens of that file once and prints `{"bare":us,"core":us}`: so `npm run bench` has both beside its own figures.

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{ALGORITHMS, Fixture};

const ROUNDS: usize = 15;
/// How long one of the two runs before it is the other's turn: short, so that noise meets both alike.
const TURN: Duration = Duration::from_millis(5);

/// Microseconds per call within one turn.
fn timed(mut work: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < TURN {
        for _ in 0..8 {
            work(calls);
            calls += 1;
        }
    }
    start.elapsed().as_secs_f64() * 1e6 / calls as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians of both, and of their ratio turn by turn.
fn measure(fixture: &Fixture, rounds: usize) -> (f64, f64, f64) {
    let bare = |turn| fixture.check_bare(turn);
    let core = |turn| drop(black_box(fixture.check_core(turn)));
    timed(bare);
    timed(core);
    let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| (timed(bare), timed(core))).collect();
    let mut bares: Vec<f64> = pairs.iter().map(|(bare, _)| *bare).collect();
    let mut cores: Vec<f64> = pairs.iter().map(|(_, core)| *core).collect();
    let mut ratios: Vec<f64> = pairs.iter().map(|(bare, core)| core / bare).collect();
    (median(&mut bares), median(&mut cores), median(&mut ratios))
}

fn from_file(path: &str, millis: u64) {
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |name: &str| file[name].as_str().unwrap();
    let tokens = file["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap().to_owned()).collect();
    let fixture = Fixture::new(text("alg"), text("issuer"), text("audience"), &file["jwks"], tokens);
    let rounds = (millis / (2 * TURN.as_millis() as u64)).max(3) as usize;
    let (bare, core, ratio) = measure(&fixture, rounds);
    println!("{}", json!({ "bare": bare, "core": core, "ratio": ratio }));
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|it| it == name).and_then(|place| arguments.get(place + 1));
    if let Some(path) = after("--fixture") {
        return from_file(path, after("--millis").and_then(|text| text.parse().ok()).unwrap_or(100));
    }
    println!("{:<10} {:>10} {:>10} {:>12}", "", "bare us", "core us", "core / bare");
    for alg in ALGORITHMS {
        let (bare, core, ratio) = measure(&Fixture::generate(alg), ROUNDS);
        println!("{alg:<10} {bare:>10.2} {core:>10.2} {ratio:>12.3}");
    }
}
