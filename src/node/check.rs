//! One check: the token's text in, the result out, at once or as a promise.
//!
//! lib/verifier/native-check.js calls [`check_token`] for every token. Numbers go both ways through a `Float64Array` of its own; what
//! they mean is declared in `wire.rs`.

#![allow(unsafe_code, reason = "the raw Node-API calls that napi has no lean form of, each with its argument")]

use std::cell::RefCell;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::{Either, Either3, JsValue, PromiseRaw, Unknown};
use napi::{Env, Error, Result, Status, sys};
use napi_derive::napi;

use super::policy;
use super::promises::promise;
use super::wire::{EncodedResult, Input, MOST_SLOTS, Text, USE_SIGNATURE_CACHE, WITH_FRESHNESS, WITH_HANDLE, number};
use crate::error::Refusal;
use crate::policy::{Policy, PolicyError};
use crate::process::Process;
use crate::time::UnixSeconds;
use crate::verifier::{Answer, Caller, Checked, EventLoop, Later, Memory};

thread_local! {
    /// Tokens are read into this buffer. It grows to the longest that a policy checked on this thread allows, at most 64 KiB and
    /// a few bytes.
    static TOKEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// This thread's budget, whichever verifier spends it.
    static EVENT_LOOP: Arc<EventLoop> = Arc::default();
}

/// A check under way.
pub type Pending<F> = Checked<Later<F>>;

/// The result of a check: encoded, or a promise of that.
pub type Settled<'env> = Either<EncodedResult, PromiseRaw<'env, EncodedResult>>;

/// Who asks on this thread, and how many checks of the process may wait for this one to wait as well.
pub fn caller(most_queued: usize) -> Caller {
    Caller { event_loop: EVENT_LOOP.with(Arc::clone), most_queued }
}

/// Checks one token against one compiled policy, for lib/verifier/native-check.js. The result is its text, at once, and its numbers
/// in `slots`; with a handle, or later, it is one list.
#[napi(
    catch_unwind,
    ts_args_type = "token: string, policy: CompiledPolicy, slots: Float64Array",
    ts_return_type = "string | EncodedResult | Promise<EncodedResult>"
)]
pub fn check_token<'env>(
    env: &'env Env,
    token: Unknown<'env>,
    policy: Unknown<'env>,
    slots: Unknown<'env>,
) -> Result<Either3<Text, EncodedResult, PromiseRaw<'env, EncodedResult>>> {
    let slots = Slots::of(env, &slots)?;
    let begun = Process::shared().and_then(|process| begin(env, process, &token, &policy, &slots));
    let settled = match begun {
        Ok(Begun { process, freshness, checked }) => {
            settle(env, process, checked, slots.has(WITH_HANDLE), slots.has(WITH_FRESHNESS).then_some(freshness))?
        }
        Err(refusal) => Either::A(EncodedResult::refused(&refusal)),
    };
    Ok(match settled {
        Either::A(result) if result.has_handle() => Either3::B(result),
        Either::A(result) => Either3::A(result.into_text(|numbers| slots.write(numbers))),
        Either::B(promise) => Either3::C(promise),
    })
}

/// Counts every change of any keys. A result from before the last change must not be used again.
#[napi(catch_unwind)]
pub fn key_changes() -> f64 {
    Process::shared().map_or(f64::NAN, |process| number(process.verifier().changes()))
}

struct Begun<F> {
    process: &'static Process,
    freshness: Freshness,
    checked: Pending<F>,
}

/// What is needed to say for how long a result is good.
pub struct Freshness {
    policy: Arc<Policy>,
    /// The count of key changes before the check.
    epoch: u64,
}

fn begin<'env>(
    env: &'env Env,
    process: &'static Process,
    token: &Unknown<'env>,
    policy: &Unknown<'env>,
    slots: &Slots,
) -> std::result::Result<Begun<impl Future<Output = Answer> + Send + use<>>, Refusal> {
    let units = units(env, token)?;
    // Compiled only. Reading options would run their getters, and those could take the memory of `slots` away.
    let policy = policy::compiled(env, policy)?;
    let now = moment(slots.now)?;
    // Read before the check: if keys change during it, the result is not used again.
    let epoch = process.verifier().changes();
    let memory = if slots.has(USE_SIGNATURE_CACHE) { Memory::Signatures } else { Memory::None };
    let caller = caller(slots.most_queued);
    let checked = with_text(env, token, units, policy.max_token_bytes(), |token| {
        process.verifier().check_for(Some(&caller), token, &policy, now, memory)
    })?;
    Ok(Begun { process, freshness: Freshness { policy, epoch }, checked })
}

/// A finite time in seconds since the epoch.
pub fn moment(now: f64) -> std::result::Result<UnixSeconds, PolicyError> {
    UnixSeconds::new(now).ok_or_else(|| PolicyError::option("now", "a finite number of seconds"))
}

/// The result of a check, encoded. Where the answer is found on another thread, it is encoded there.
pub fn settle<'env>(
    env: &'env Env,
    process: &'static Process,
    checked: Pending<impl Future<Output = Answer> + Send + 'static>,
    with_handle: bool,
    freshness: Option<Freshness>,
) -> Result<Settled<'env>> {
    let complete = move |result: EncodedResult| match &freshness {
        Some(Freshness { policy, epoch }) => result.with_freshness(process, policy, *epoch),
        None => result,
    };
    match checked {
        Checked::Now(answer) => Ok(Either::A(complete(EncodedResult::of(&answer, with_handle)))),
        Checked::Later(Later { future, offloaded }) => {
            let encoded = async move { EncodedResult::of(&future.await, with_handle) };
            let lost = |refusal| EncodedResult::refused(&refusal);
            promise(env, process, offloaded, encoded, complete, lost).map(Either::B)
        }
    }
}

/// How many UTF-16 units a token has.
///
/// # Errors
/// [`Refusal::TokenArgument`] for what is no string.
pub fn units(env: &Env, token: &Unknown) -> std::result::Result<usize, Refusal> {
    let mut units = 0;
    // SAFETY: `env` and `token` are those of the call under way. Without a buffer nothing is written but the length.
    let status =
        unsafe { sys::napi_get_value_string_utf16(env.raw(), token.raw(), ptr::null_mut(), 0, &raw mut units) };
    if status == sys::Status::napi_ok { Ok(units) } else { Err(Refusal::TokenArgument) }
}

/// Calls `check` with the text of a token, if that has at most `max` bytes. `units`: its length in UTF-16 units.
pub fn with_text<T>(
    env: &Env,
    token: &Unknown,
    units: usize,
    max: usize,
    check: impl FnOnce(&str) -> T,
) -> std::result::Result<T, Refusal> {
    // Measured before it is copied: a text has at least as many bytes as UTF-16 units, whose number V8 knows.
    if units > max {
        return Err(Refusal::TOO_LARGE);
    }
    TOKEN.with(|buffer| {
        let mut buffer = buffer.try_borrow_mut().map_err(|_| Refusal::Internal("one check began within another"))?;
        Ok(check(read(env, token, &mut buffer, max)?))
    })
}

/// Reads a token of at most `max` bytes. As UTF-8, never as Latin-1: that would let U+0141 pass for `A`. A lone surrogate
/// becomes U+FFFD, which no token has.
fn read<'b>(env: &Env, token: &Unknown, buffer: &'b mut Vec<u8>, max: usize) -> std::result::Result<&'b str, Refusal> {
    // Room for one byte too many, for the character it belongs to and for the NUL: a token cut off here has more than `max`
    // bytes before the cut.
    let room = max.saturating_add(5);
    if buffer.len() < room {
        buffer.resize(room, 0);
    }
    let mut written = 0;
    // SAFETY: `env` and `token` are those of the call under way; at most `buffer.len()` bytes are written to `buffer`, which
    // nobody else holds.
    let status = unsafe {
        sys::napi_get_value_string_utf8(
            env.raw(),
            token.raw(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &raw mut written,
        )
    };
    if status != sys::Status::napi_ok {
        return Err(Refusal::TokenArgument);
    }
    if written > max {
        return Err(Refusal::TOO_LARGE);
    }
    let bytes = buffer.get(..written).unwrap_or_default();
    std::str::from_utf8(bytes).map_err(|_| Refusal::Internal("the engine gave text that is not UTF-8"))
}

/// The numbers JavaScript passes, and where those of the result are written.
struct Slots {
    data: *mut f64,
    now: f64,
    flags: u32,
    most_queued: usize,
}

impl Slots {
    fn of(env: &Env, value: &Unknown) -> Result<Self> {
        let (mut kind, mut length, mut data) = (-1, 0, ptr::null_mut());
        // SAFETY: `env` and `value` are those of the call under way; what is not a typed array is refused with a status.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                env.raw(),
                value.raw(),
                &raw mut kind,
                &raw mut length,
                &raw mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let data = data.cast::<f64>();
        let right = status == sys::Status::napi_ok
            && kind == sys::TypedarrayType::float64_array
            && length >= MOST_SLOTS
            && !data.is_null();
        if !right {
            return Err(Error::new(Status::InvalidArg, format!("slots: a Float64Array of at least {MOST_SLOTS}")));
        }
        // SAFETY: the array has at least `MOST_SLOTS` elements, and V8 aligns those of a Float64Array. Nothing between here and
        // `write` runs JavaScript: a text, a wrapped address and this array are read, no member of any object. So the array
        // can neither be collected nor lose its memory meanwhile.
        let Input { now, flags, max_queued } = unsafe { data.cast::<[f64; Input::COUNT]>().read() }.into();
        // A cast saturates, and makes 0 of NaN: no flag is set, and the check does not wait for a thread.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (flags, most_queued) = (flags as u32, max_queued as usize);
        Ok(Self { data, now, flags, most_queued })
    }

    const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn write(&self, numbers: &[f64]) {
        let length = numbers.len().min(MOST_SLOTS);
        // SAFETY: as above. The array is JavaScript's and `numbers` are ours: they do not overlap.
        unsafe { ptr::copy_nonoverlapping(numbers.as_ptr(), self.data, length) };
    }
}
