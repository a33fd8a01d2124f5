//! What must hold of any input, one module per target. libFuzzer's targets in `fuzz_targets/` and the replay of the corpora in
//! `tests/suite/fuzz_corpus.rs` run these very functions. Each panics where a rule is broken and else says whether the input was
//! accepted.
#![allow(dead_code, reason = "each target uses its own part")]

pub mod claims;
pub mod header;
pub mod jwk_set;
pub mod metadata;
pub mod token;

mod bits;
mod provider;
mod reading;
mod slow_header;
