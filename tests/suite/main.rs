//! The tests of the core through its public interface, in one program: linking one takes seconds, linking twenty takes minutes. A test that
//! counts allocations has a program of its own beside this one.

#[path = "../../fuzz/invariants/mod.rs"]
mod invariants;
#[path = "../support/sockets.rs"]
mod sockets;
#[path = "../support/mod.rs"]
mod support;

mod calls;
mod claim_matrix;
mod connection_faults;
mod discovery;
mod freshness_properties;
mod fuzz_corpus;
mod hostile_endpoints;
mod hostile_input;
mod idle_connections;
#[cfg(unix)]
mod key_files;
mod key_rotation;
mod outage;
mod refresh_simulation;
mod revalidation;
mod shared_keys;
mod signature_cache;
mod sleeping_machine;
mod spec_vectors;
mod threads;
mod token_rules;
mod transport;
mod url_rule;
mod vectors;
