//! Which thread checks a signature: the caller's own, within a budget, or one of a bounded pool of workers.
//!
//! A Node process runs all its JavaScript on one thread per environment. `budget` decides what may run there, `queue` bounds
//! what waits for a worker, `pool` runs it.

pub mod budget;
pub mod pool;
pub mod queue;
