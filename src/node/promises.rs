//! Promises that other threads settle: one queue of results for each environment.
//!
//! A thread-safe function for every promise costs the JavaScript thread several microseconds. Here one serves all of them:
//! results are put into a list, and one call settles all that are there by then. It holds no JavaScript function. It keeps
//! the process alive only while promises are pending.
#![allow(unsafe_code, reason = "Node-API is a C interface; each use says why it is sound")]

use std::cell::RefCell;
use std::ffi::c_void;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{PromiseRaw, ToNapiValue, retain_current_module_for_unload_safety};
use napi::{Env, Error, Result, Status, sys};

use crate::error::Refusal;
use crate::process::{Outbox, Process};
use crate::verifier::Offloaded;

/// A promise for `future`'s output, which `convert` turns into a JavaScript value on the JavaScript thread. The future runs
/// on the process's own threads; if it is `offloaded`, on a worker in its turn. When the environment
/// ends first, the result is dropped. After a panic in the future or in `convert` the promise resolves to what `lost` makes.
pub fn promise<'env, T, J>(
    env: &'env Env,
    process: &Process,
    offloaded: Option<Offloaded>,
    future: impl Future<Output = T> + Send + 'static,
    convert: impl FnOnce(T) -> J + Send + 'static,
    lost: impl FnOnce(Refusal) -> J + Send + 'static,
) -> Result<PromiseRaw<'env, J>>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    promise_of(env, process, Weight::Awaited, offloaded, future, convert, lost)
}

/// Whether a promise keeps the process alive while it is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Somebody waits for it.
    Awaited,
    /// It settles only if something happens: a process that has nothing else to do may end.
    Idle,
}

/// [`promise`] of this weight.
pub fn promise_of<'env, T, J>(
    env: &'env Env,
    process: &Process,
    weight: Weight,
    offloaded: Option<Offloaded>,
    future: impl Future<Output = T> + Send + 'static,
    convert: impl FnOnce(T) -> J + Send + 'static,
    lost: impl FnOnce(Refusal) -> J + Send + 'static,
) -> Result<PromiseRaw<'env, J>>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    let queue = PromiseQueue::of(env)?;
    let (deferred, promise) = queue.promise(env, weight)?;
    let results = Arc::clone(&queue);
    let estimate = offloaded.as_ref().map(Offloaded::estimate);
    let settle = move |output: Option<T>| {
        results.put(
            deferred,
            Box::new(move |env| {
                // The caller has its answer now.
                drop(offloaded);
                // This runs in a callback of Node, where nothing else would stop a panic.
                let converted = output.and_then(|output| catch_unwind(AssertUnwindSafe(|| convert(output))).ok());
                let value = converted.unwrap_or_else(|| lost(Refusal::Internal("the check did not come to an end")));
                // SAFETY: the queue calls this on the thread of `env`, while `env` is alive.
                unsafe { ToNapiValue::to_napi_value(env, value) }
            }),
        );
    };
    match estimate {
        Some(estimate) => process.offload(estimate, queue, future, settle),
        None => process.spawn(future, move |output| {
            settle(output);
            queue.flush();
        }),
    }
    Ok(PromiseRaw::new(env.raw(), promise))
}

/// Makes a value on the JavaScript thread.
type Value = Box<dyn FnOnce(sys::napi_env) -> Result<sys::napi_value> + Send>;

/// What settles a promise, once.
struct Deferred(sys::napi_deferred, Weight);

// SAFETY: the pointer is only used on the thread of its environment, by `settle`; other threads pass it on.
unsafe impl Send for Deferred {}

#[derive(Default)]
struct State {
    /// The thread-safe function; none after the environment's end.
    function: Option<Function>,
    finished: Vec<(Deferred, Value)>,
    /// Whether the function was called since the list was last emptied.
    called: bool,
}

#[derive(Clone, Copy)]
struct Function(sys::napi_threadsafe_function);

// SAFETY: Node-API lets every thread call a thread-safe function. `PromiseQueue::end` takes it out under the lock that every
// call is made under, before Node frees it.
unsafe impl Send for Function {}

#[derive(Default)]
struct PromiseQueue {
    state: Mutex<State>,
    /// Promises that somebody waits for and that are not settled yet; only changed on the JavaScript thread.
    pending: AtomicUsize,
}

thread_local! {
    /// The queues of this thread's environments: one, and one more for each realm of Jest.
    static QUEUES: RefCell<Vec<(sys::napi_env, Arc<PromiseQueue>)>> = const { RefCell::new(Vec::new()) };
}

impl PromiseQueue {
    /// The environment's queue.
    fn of(env: &Env) -> Result<Arc<Self>> {
        let raw = env.raw();
        let known =
            QUEUES.with_borrow(|all| all.iter().rev().find(|(of, _)| *of == raw).map(|(_, queue)| Arc::clone(queue)));
        known.map_or_else(|| Self::create(env), Ok)
    }

    fn create(env: &Env) -> Result<Arc<Self>> {
        // Other threads will call into this library for as long as the process lives.
        retain_current_module_for_unload_safety();
        let (queue, raw) = (Arc::new(Self::default()), env.raw());
        let name = env.create_string("remote-agent-auth")?;
        let context = Arc::into_raw(Arc::clone(&queue)).cast_mut().cast::<c_void>();
        let mut function = ptr::null_mut();
        // SAFETY: `env` and `name` are alive. `context` is an `Arc` of its own, which `release` takes back when Node is
        // done with the function; until then `drain` may borrow it.
        let status = unsafe {
            let (none, drain, release) = (ptr::null_mut(), Some(drain as _), Some(release as _));
            let name = napi::JsValue::raw(&name);
            sys::napi_create_threadsafe_function(
                raw,
                none,
                none,
                name,
                0,
                1,
                context,
                release,
                context,
                drain,
                &mut function,
            )
        };
        if let Err(error) = succeeded(status) {
            // SAFETY: Node-API takes the context over only when it succeeds.
            drop(unsafe { Arc::from_raw(context.cast::<Self>()) });
            return Err(error);
        }
        queue.state().function = Some(Function(function));
        // SAFETY: the function was made a moment ago, in this environment.
        unsafe { sys::napi_unref_threadsafe_function(raw, function) };
        QUEUES.with_borrow_mut(|all| all.push((raw, Arc::clone(&queue))));
        // Hooks run last in, first out: this one before the function's own, which frees it.
        env.add_env_cleanup_hook(Arc::clone(&queue), move |queue| {
            // A thread that ends may have dropped the list before its environment.
            let _ = QUEUES.try_with(|all| all.borrow_mut().retain(|(of, _)| *of != raw));
            queue.end();
        })?;
        Ok(queue)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The environment ends: nothing reaches JavaScript any more.
    fn end(&self) {
        let mut state = self.state();
        if let Some(Function(function)) = state.function.take() {
            // SAFETY: taken out above, so nobody uses it again; under the lock, so nobody is using it now.
            unsafe { sys::napi_release_threadsafe_function(function, sys::ThreadsafeFunctionReleaseMode::abort) };
        }
        let dropped = std::mem::take(&mut state.finished);
        drop(state);
        drop(dropped);
    }

    /// A promise, and what [`Self::put`] settles it with. On the JavaScript thread.
    fn promise(&self, env: &Env, weight: Weight) -> Result<(Deferred, sys::napi_value)> {
        let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `env` is alive, and both places are ours.
        succeeded(unsafe { sys::napi_create_promise(env.raw(), &mut deferred, &mut promise) })?;
        if weight == Weight::Awaited
            && self.pending.fetch_add(1, Ordering::Relaxed) == 0
            && let Some(Function(function)) = self.state().function
        {
            // SAFETY: this is the function's own thread, and the function was there a moment ago: only this thread ends it.
            unsafe { sys::napi_ref_threadsafe_function(env.raw(), function) };
        }
        Ok((Deferred(deferred, weight), promise))
    }

    /// Settles a promise with what `value` makes on the JavaScript thread, after the next [`Outbox::flush`]. From any
    /// thread; without effect after the environment's end.
    fn put(&self, deferred: Deferred, value: Value) {
        let mut state = self.state();
        if state.function.is_some() {
            state.finished.push((deferred, value));
        }
    }

    fn settle_all(&self, env: sys::napi_env) {
        let mut state = self.state();
        let (finished, function) = (std::mem::take(&mut state.finished), state.function);
        state.called = false;
        drop(state);
        let awaited = |(Deferred(_, weight), _): &&(Deferred, Value)| *weight == Weight::Awaited;
        let settled = finished.iter().filter(awaited).count();
        for (deferred, value) in finished {
            settle(env, deferred, value);
        }
        if settled > 0
            && self.pending.fetch_sub(settled, Ordering::Relaxed) == settled
            && let Some(Function(function)) = function
        {
            // SAFETY: as in `promise`.
            unsafe { sys::napi_unref_threadsafe_function(env, function) };
        }
    }
}

impl Outbox for PromiseQueue {
    fn flush(&self) {
        let mut state = self.state();
        let Some(Function(function)) = state.function else { return };
        if !state.called && !state.finished.is_empty() {
            state.called = true;
            // SAFETY: the function is not ended before the lock is free. It takes no data.
            let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
            let status = unsafe { sys::napi_call_threadsafe_function(function, ptr::null_mut(), mode) };
            if status != sys::Status::napi_ok {
                // Node is closing it, and with that has given up our claim to it.
                state.function = None;
            }
        }
    }
}

fn settle(env: sys::napi_env, Deferred(deferred, _): Deferred, value: Value) {
    // A panic here would leave the promises behind this one unsettled.
    let made = catch_unwind(AssertUnwindSafe(|| value(env)));
    let made = made.unwrap_or_else(|_| Err(Error::from_reason("the answer could not be made")));
    // SAFETY: this is the thread of `env`, which is alive, and every deferred comes here once.
    unsafe {
        match made {
            Ok(value) => sys::napi_resolve_deferred(env, deferred, value),
            // Only a bug of ours ends here.
            Err(error) => match ToNapiValue::to_napi_value(env, error) {
                Ok(error) => sys::napi_reject_deferred(env, deferred, error),
                Err(_) => sys::Status::napi_generic_failure,
            },
        };
    }
}

fn succeeded(status: sys::napi_status) -> Result<()> {
    let wrong = || Error::new(Status::from(status), "Node-API refused a promise".to_owned());
    if status == sys::Status::napi_ok { Ok(()) } else { Err(wrong()) }
}

/// Called by Node on the JavaScript thread, in a scope of its own for values and callbacks.
unsafe extern "C" fn drain(env: sys::napi_env, _: sys::napi_value, context: *mut c_void, _: *mut c_void) {
    // Without an environment Node only clears its queue.
    if env.is_null() || context.is_null() {
        return;
    }
    // SAFETY: the `Arc` that `create` gave away, and `release` has not taken back.
    let queue = unsafe { &*context.cast::<PromiseQueue>() };
    // Nothing else would stop a panic here.
    let _ = catch_unwind(AssertUnwindSafe(|| queue.settle_all(env)));
}

/// Called by Node when it is done with the function.
unsafe extern "C" fn release(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the `Arc` that `create` gave away; Node calls this once.
    drop(unsafe { Arc::from_raw(data.cast::<PromiseQueue>()) });
}
