//! The crossing lib/verifier/native-check.js makes for every token: one text and a few numbers instead of an object with a dozen
//! members, each of which costs a call into the engine.
//!
//! Numbers go both ways through a `Float64Array` that JavaScript brings along; what comes back is in `told.rs`.

#![allow(unsafe_code, reason = "the raw Node-API calls that napi has no lean form of, each with its argument")]

use std::cell::RefCell;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::{Either3, JsValue, PromiseRaw, Unknown};
use napi::{Env, Error, Result, Status, sys};
use napi_derive::napi;

use super::engine::caller;
use super::policy;
use super::settle::promise;
use super::told::{FACTS, Text, Told, exact};
use crate::error::Refusal;
use crate::policy::{Policy, PolicyError};
use crate::process::Process;
use crate::time::UnixSeconds;
use crate::verifier::{Answer, Checked, Later, Memory};

/// Of the numbers that come in: whether verdicts may be used.
const USE_VERDICTS: u32 = 1;
/// Of the numbers that come in: whether it matters for how long the answer is good.
const TELL_FRESHNESS: u32 = 2;
/// Of the numbers that come in: whether a handle on what was verified is wanted as well. It costs three microseconds.
const KEEP_VERDICT: u32 = 4;

thread_local! {
    /// Where a token is read to: at least as long as the longest token met on this thread, at most the 64 KiB a policy may allow and a bit.
    static TOKEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Checks one token against one compiled policy, for lib/verifier/native-check.js. The text comes back at once and the numbers in `facts`;
/// with a verdict, or later, all comes in one list.
#[napi(
    catch_unwind,
    ts_args_type = "token: string, policy: CompiledPolicy, facts: Float64Array",
    ts_return_type = "string | Array<any> | Promise<Array<any>>"
)]
pub fn judge<'env>(
    env: &'env Env,
    token: Unknown<'env>,
    policy: Unknown<'env>,
    facts: Unknown<'env>,
) -> Result<Either3<Text, Told, PromiseRaw<'env, Told>>> {
    let facts = Facts::of(env, &facts)?;
    let keep_verdict = facts.wants(KEEP_VERDICT);
    let tell = facts.wants(TELL_FRESHNESS);
    let told = match Process::shared().and_then(|process| begin(env, process, &token, &policy, &facts)) {
        Ok(Begun { process, policy, epoch, checked: Checked::Now(answer) }) => {
            let mut told = Told::of(&answer, keep_verdict);
            if tell {
                told.tell_freshness(process, &policy, epoch);
            }
            told
        }
        Ok(Begun { process, policy, epoch, checked: Checked::Later(Later { future, away }) }) => {
            let told = async move { Told::of(&future.await, keep_verdict) };
            let convert = move |mut told: Told| {
                if tell {
                    told.tell_freshness(process, &policy, epoch);
                }
                told
            };
            return promise(env, process, away, told, convert, |refusal| Told::refused(&refusal)).map(Either3::C);
        }
        Err(refusal) => Told::refused(&refusal),
    };
    facts.write(&told.facts);
    Ok(if told.verdict.is_some() { Either3::B(told) } else { Either3::A(Text(told.text)) })
}

/// Counts every change of any keys, as the method of the same name does, without the price of a method.
#[napi(catch_unwind)]
pub fn key_changes() -> f64 {
    Process::shared().map_or(f64::NAN, |process| exact(process.verifier().changes()))
}

struct Begun<F> {
    process: &'static Process,
    policy: Arc<Policy>,
    /// The count of key changes before the check.
    epoch: u64,
    checked: Checked<Later<F>>,
}

fn begin<'env>(
    env: &'env Env,
    process: &'static Process,
    token: &Unknown<'env>,
    argument: &Unknown<'env>,
    facts: &Facts,
) -> std::result::Result<Begun<impl Future<Output = Answer> + Send + use<>>, Refusal> {
    let size = units(env, token).ok_or(Refusal::TokenArgument)?;
    // Compiled only. Reading options would run their getters, and those could take the memory of `facts` away.
    let policy = policy::compiled(env, argument)
        .ok_or_else(|| PolicyError::Option { key: "policy".to_owned(), expected: "a compiled policy" })?;
    let now = UnixSeconds::new(facts.now)
        .ok_or_else(|| PolicyError::Option { key: "now".to_owned(), expected: "a finite number of seconds" })?;
    // Measured before it is copied: a text has at least as many bytes as UTF-16 units, and those V8 need not count.
    if size > policy.max_token_bytes() {
        return Err(Refusal::TOO_LARGE);
    }
    // Read before the check: what changes meanwhile makes an outcome that is kept worthless, never wrong.
    let epoch = process.verifier().changes();
    let memory = if facts.wants(USE_VERDICTS) { Memory::Verdicts } else { Memory::None };
    let caller = caller(facts.most_queued);
    let checked = TOKEN.with(|buffer| {
        let mut buffer = buffer.try_borrow_mut().map_err(|_| Refusal::Internal("one check began within another"))?;
        let token = read(env, token, &mut buffer, policy.max_token_bytes())?;
        Ok::<_, Refusal>(process.verifier().check_for(Some(&caller), token, &policy, now, memory))
    })?;
    Ok(Begun { process, policy, epoch, checked })
}

/// How many UTF-16 units a string has; `None` for anything else.
fn units(env: &Env, value: &Unknown) -> Option<usize> {
    let mut units = 0;
    // SAFETY: `env` and `value` are those of the call under way. Without a buffer nothing is written but the length.
    let status =
        unsafe { sys::napi_get_value_string_utf16(env.raw(), value.raw(), ptr::null_mut(), 0, &raw mut units) };
    (status == sys::Status::napi_ok).then_some(units)
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

/// The numbers JavaScript brought along and where to write the answer's.
struct Facts {
    data: *mut f64,
    now: f64,
    wishes: u32,
    /// How many checks of the process may wait for a thread for this one to wait, too.
    most_queued: usize,
}

impl Facts {
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
            && length >= FACTS
            && !data.is_null();
        if !right {
            return Err(Error::new(Status::InvalidArg, format!("facts: a Float64Array of at least {FACTS}")));
        }
        // SAFETY: the array has at least `FACTS` elements, and V8 aligns those of a Float64Array. Nothing between here and
        // `write` runs JavaScript: a text, a wrapped address and this array are read, no member of any object. So the array
        // can neither be collected nor lose its memory meanwhile.
        let (now, wishes, most_queued) = unsafe { (data.read(), data.add(1).read(), data.add(2).read()) };
        // A cast saturates; what is not a number wishes nothing, and waits behind nobody.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (wishes, most_queued) = (wishes as u32, most_queued as usize);
        Ok(Self { data, now, wishes, most_queued })
    }

    const fn wants(&self, wish: u32) -> bool {
        self.wishes & wish != 0
    }

    fn write(&self, facts: &[f64; FACTS]) {
        // SAFETY: as above. The array is JavaScript's and `facts` is ours: they do not overlap.
        unsafe { ptr::copy_nonoverlapping(facts.as_ptr(), self.data, FACTS) };
    }
}
