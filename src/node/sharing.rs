//! Keys that replicas share: JavaScript, which alone reaches their store, takes what has to be done here and brings what it found.
//!
//! Nothing here calls JavaScript: it waits for a promise. That one keeps no process alive.

use std::sync::Arc;

use napi::bindgen_prelude::PromiseRaw;
use napi::{Env, Error, Result};
use napi_derive::napi;

use super::promises::{Weight, promise, promise_of};
use crate::process::Process;
use crate::verifier::{KeyExchange as Exchange, SharedOffer, StoreTask};

/// What has to be done with the store of the replicas.
#[napi(object, object_from_js = false)]
pub struct KeyStoreTask {
    /// `look`: a refresh waits for newer keys. `publish`: here are some. `failed`: a refresh has ended without any.
    #[napi(ts_type = "'look' | 'publish' | 'failed'")]
    pub kind: String,
    /// The name of the source: a digest.
    pub source: String,
    /// The entry to publish.
    pub text: Option<String>,
    /// Whether the others must know at once.
    pub is_news: bool,
}

impl From<StoreTask> for KeyStoreTask {
    fn from(task: StoreTask) -> Self {
        let (kind, source, text, is_news) = match task {
            StoreTask::Look(source) => ("look", source, None, false),
            StoreTask::Publish { source, text, is_news } => ("publish", source, Some(text), is_news),
            StoreTask::Failed(source) => ("failed", source, None, false),
        };
        Self { kind: kind.to_owned(), source: source.to_string(), text, is_news }
    }
}

/// What became of an entry.
#[napi(object, object_from_js = false)]
pub struct OfferedKeys {
    /// Why its keys are not taken.
    pub problem: Option<String>,
    /// Whether that is because they are not newer than those at hand, which is no fault.
    pub is_known: bool,
    /// Whether a refresh of the source still waits.
    pub is_awaited: bool,
}

impl From<SharedOffer> for OfferedKeys {
    fn from(SharedOffer { problem, is_awaited }: SharedOffer) -> Self {
        Self {
            problem: problem.map(|problem| problem.to_string()),
            is_known: problem.is_some_and(|problem| problem.is_harmless()),
            is_awaited,
        }
    }
}

/// The refreshes of the process look in the store of the replicas first, until this is closed or its environment ends.
#[napi]
pub struct KeyExchange {
    process: &'static Process,
    exchange: Arc<Exchange>,
}

/// Opens an exchange of keys, for lib/stores/shared-keys.js.
#[napi(catch_unwind)]
pub fn exchange_keys(env: &Env) -> Result<KeyExchange> {
    let process = Process::shared().map_err(|refusal| Error::from_reason(refusal.to_string()))?;
    let exchange = process.verifier().share_keys();
    // A worker that ends must not keep refreshes waiting.
    env.add_env_cleanup_hook(Arc::clone(&exchange), |exchange| exchange.close())?;
    Ok(KeyExchange { process, exchange })
}

#[napi]
impl KeyExchange {
    /// What has to be done, as soon as there is something; null once it is closed.
    #[napi(catch_unwind, ts_return_type = "Promise<Array<KeyStoreTask> | null>")]
    pub fn next<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Option<Vec<KeyStoreTask>>>> {
        let exchange = Arc::clone(&self.exchange);
        let tasks = async move { exchange.next().await };
        let convert =
            |tasks: Option<Vec<StoreTask>>| tasks.map(|all| all.into_iter().map(KeyStoreTask::from).collect());
        promise_of(env, self.process, Weight::Idle, None, tasks, convert, |_| None)
    }

    /// Brings an entry that another replica has made for this source.
    #[napi(catch_unwind, ts_return_type = "Promise<OfferedKeys>")]
    pub fn offer<'env>(&self, env: &'env Env, source: String, text: String) -> Result<PromiseRaw<'env, OfferedKeys>> {
        let (exchange, process) = (Arc::clone(&self.exchange), self.process);
        // Many keys take a while to read: not on the JavaScript thread.
        let offered = async move { process.verifier().offer_keys(&exchange, &source, &text) };
        let lost =
            |_| OfferedKeys { problem: Some("it could not be read".to_owned()), is_known: false, is_awaited: true };
        promise(env, self.process, None, offered, OfferedKeys::from, lost)
    }

    /// Nobody has newer keys: refreshes of this source that wait ask the provider.
    #[napi(catch_unwind)]
    pub fn ask_provider(&self, source: String) {
        self.exchange.ask_provider(&source);
    }

    /// Ends it. Refreshes ask the provider alone.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.exchange.close();
    }
}
