//! How a result is passed to JavaScript: one text, and a list of numbers that says where its parts end.
//!
//! Every member of an object made through Node-API is a call into the engine; a text is one, and numbers can be written to
//! memory. JavaScript cuts a part off the text when somebody asks for it. The places of the numbers are declared here and
//! nowhere else: `npm run layout` writes them to lib/verifier/wire-layout.js, and a native file of another layout is refused at load.

#![allow(unsafe_code, reason = "the raw Node-API calls that napi has no lean form of, each with its argument")]

use std::ptr;

use napi::bindgen_prelude::ToNapiValue;
use napi::{Error, Result, Status, sys};
use napi_derive::napi;
use serde_json::{Map, Value, json};

use super::recheck_handle::NewRecheckHandle;
use crate::details::Details;
use crate::error::Refusal;
use crate::policy::Policy;
use crate::process::Process;
use crate::verifier::{Answer, EmailSource, MOST_QUEUED, SignedToken, Verified};

/// Declares numbers that are passed together, in their order, and their names in JavaScript.
macro_rules! slots {
    ($(#[$about:meta])* $name:ident [$count:literal] { $($(#[$doc:meta])* $slot:ident $javascript:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy)]
        pub struct $name { $($(#[$doc])* pub $slot: f64),+ }

        impl $name {
            /// How many there are.
            pub const COUNT: usize = $count;
            const NAMES: [&str; $count] = [$($javascript),+];
        }

        impl From<$name> for [f64; $count] {
            fn from(slots: $name) -> Self {
                [$(slots.$slot),+]
            }
        }

        impl From<[f64; $count]> for $name {
            fn from([$($slot),+]: [f64; $count]) -> Self {
                Self { $($slot),+ }
            }
        }
    };
}

slots! {
    /// What JavaScript asks for.
    Input [3] {
        /// Seconds since the epoch.
        now "now",
        /// A sum of `FLAGS`.
        flags "flags",
        /// How many checks of the process may wait for a thread for this one to wait as well.
        max_queued "maxQueued",
    }
}

slots! {
    /// What is said of an accepted token. The first eight are the ends of the parts of the text, in UTF-16 units; a part that
    /// is empty is absent, except the subject.
    Accepted [18] {
        claims "claims",
        subject "subject",
        oid "oid",
        email "email",
        email_claim_problem "emailClaimProblem",
        /// Each scope has one blank behind it, and no other.
        scopes "scopes",
        header "header",
        /// The RFC 7638 thumbprint (SHA-256) of the key that signed; empty where the provider was asked instead.
        key_thumbprint "keyThumbprint",
        /// The place in `EMAIL_SOURCES`, or `ABSENT`.
        email_source "emailSource",
        /// 0, 1 or `ABSENT`.
        email_verified "emailVerified",
        /// 0 or 1.
        looks_like_id_token "looksLikeIdToken",
        /// 0 or 1.
        is_bound "isBound",
        issuer_index "issuerIndex",
        /// NaN where there is none.
        expires_at "expiresAt",
        /// The seconds of wall time from which, and before which, the claims satisfy the policy.
        from "from",
        until "until",
        /// For how many milliseconds the keys can be used before they must be refreshed; NaN unless asked for.
        fresh_for "freshFor",
        /// The count of key changes before the check; NaN unless asked for.
        epoch "epoch",
    }
}

slots! {
    /// What is said of a refusal. After the mark come the ends of the parts of the text; a detail that is empty is absent.
    Refused [9] {
        /// `REFUSED`, where an accepted token has the end of its claims.
        mark "mark",
        code "code",
        fault "fault",
        message "message",
        reason "reason",
        host "host",
        expected "expected",
        got "got",
        /// In seconds; NaN where there is none.
        retry_after "retryAfter",
    }
}

/// How many numbers a buffer must have room for.
pub const MOST_SLOTS: usize = Accepted::COUNT;
const _: () = assert!(Input::COUNT <= MOST_SLOTS && Refused::COUNT <= MOST_SLOTS);

/// The mark of a refusal: no text ends there.
const REFUSED: f64 = -1.0;
/// Stands for a value that is not there, where 0 is one.
const ABSENT: f64 = -1.0;

/// Of `Input::flags`: the signature cache may be used.
pub const USE_SIGNATURE_CACHE: u32 = 1;
/// Of `Input::flags`: fill in `Accepted::fresh_for` and `Accepted::epoch`.
pub const WITH_FRESHNESS: u32 = 2;
/// Of `Input::flags`: add a handle for `recheck`. It costs three microseconds.
pub const WITH_HANDLE: u32 = 4;
const FLAGS: [(&str, u32); 3] =
    [("USE_SIGNATURE_CACHE", USE_SIGNATURE_CACHE), ("WITH_FRESHNESS", WITH_FRESHNESS), ("WITH_HANDLE", WITH_HANDLE)];

/// The claims an address may have been taken from, by the number that is passed.
const EMAIL_SOURCES: [EmailSource; 4] =
    [EmailSource::Configured, EmailSource::Email, EmailSource::PreferredUsername, EmailSource::Upn];

/// The layout of what is passed, as JSON text: the place of each number by its name, what the numbers mean, and their bounds.
#[napi(catch_unwind)]
pub fn wire_layout() -> String {
    let places = |names: &[&str]| -> Map<String, Value> {
        names.iter().enumerate().map(|(place, name)| ((*name).to_owned(), json!(place))).collect()
    };
    json!({
        "INPUT": places(&Input::NAMES),
        "ACCEPTED": places(&Accepted::NAMES),
        "REFUSED": places(&Refused::NAMES),
        "FLAGS": FLAGS.iter().map(|(name, flag)| ((*name).to_owned(), json!(flag))).collect::<Map<_, _>>(),
        "EMAIL_SOURCES": EMAIL_SOURCES.map(EmailSource::name),
        "LIMITS": { "MAX_QUEUED": MOST_QUEUED },
    })
    .to_string()
}

/// A result on its way to JavaScript.
pub struct EncodedResult {
    text: Text,
    numbers: Numbers,
    handle: Option<SignedToken>,
}

enum Numbers {
    Accepted(Accepted),
    Refused(Refused),
}

impl EncodedResult {
    /// With a handle for `recheck`, if the token is accepted and `with_handle`.
    pub fn of(answer: &Answer, with_handle: bool) -> Self {
        match answer {
            Ok(verified) => {
                let handle = verified.signed().filter(|_| with_handle).cloned();
                Self { handle, ..Self::accepted(verified) }
            }
            Err(refusal) => Self::refused(refusal),
        }
    }

    /// A refusal.
    pub fn refused(refusal: &Refusal) -> Self {
        let mut parts = Parts::default();
        let retry_after = refusal.retry_after().map_or(f64::NAN, |again| again.as_secs_f64());
        let (code, fault) = (refusal.code().name(), refusal.code().fault().name());
        let [code, fault, message] = [code, fault, &refusal.to_string()].map(|part| parts.append(part));
        let details = refusal.details().map_or([None; 4], Details::all);
        let [reason, host, expected, got] = details.map(|detail| parts.append(detail.unwrap_or_default()));
        let refused = Refused { mark: REFUSED, code, fault, message, reason, host, expected, got, retry_after };
        let numbers = Numbers::Refused(refused);
        Self { text: parts.into_text(), numbers, handle: None }
    }

    fn accepted(verified: &Verified) -> Self {
        let mut parts = Parts::default();
        let length = verified.claims().len().saturating_add(verified.header().len());
        parts.text.reserve(length.saturating_add(256));
        let (from, until) = verified.holds();
        // The order of the fields is that of the parts in the text.
        let accepted = Accepted {
            claims: parts.append(verified.claims()),
            subject: parts.append(verified.subject()),
            oid: parts.append(verified.oid().unwrap_or_default()),
            email: parts.append(verified.email().unwrap_or_default()),
            email_claim_problem: parts.append(verified.email_problem().unwrap_or_default()),
            // Claims are split into scopes at blanks, so that no scope has one in it.
            scopes: parts.append_words(verified.scopes()),
            header: parts.append(verified.header()),
            key_thumbprint: parts.append(verified.signed().map(SignedToken::thumbprint).unwrap_or_default()),
            email_source: verified.email_source().map_or(ABSENT, place_of),
            email_verified: verified.email_verified().map_or(ABSENT, f64::from),
            looks_like_id_token: f64::from(verified.looks_like_id_token()),
            is_bound: f64::from(verified.is_bound()),
            issuer_index: u32::try_from(verified.issuer_place()).map_or(f64::NAN, f64::from),
            expires_at: verified.expires_at().unwrap_or(f64::NAN),
            from,
            until,
            // What the provider has said of a token is kept natively, for its own time.
            fresh_for: if verified.signed().is_some() { f64::NAN } else { 0.0 },
            epoch: f64::NAN,
        };
        Self { text: parts.into_text(), numbers: Numbers::Accepted(accepted), handle: None }
    }

    /// Says of an accepted token for how long the answer is good as far as keys go. `epoch`: the count of key changes before
    /// the check.
    pub fn with_freshness(mut self, process: &Process, policy: &Policy, epoch: u64) -> Self {
        if let Numbers::Accepted(accepted) = &mut self.numbers {
            let is_asked_about = policy.introspection().is_some_and(|asked| asked.also_jwts);
            let fresh_for = || process.verifier().fresh_for(policy).as_secs_f64() * 1000.0;
            accepted.fresh_for = if is_asked_about || accepted.fresh_for == 0.0 { 0.0 } else { fresh_for() };
            accepted.epoch = number(epoch);
        }
        self
    }

    /// Whether it has a handle, which only the whole result can carry across.
    pub const fn has_handle(&self) -> bool {
        self.handle.is_some()
    }

    /// The text alone, its numbers handed to `write`.
    pub fn into_text(self, write: impl FnOnce(&[f64])) -> Text {
        self.numbers.with(write);
        self.text
    }
}

impl Numbers {
    fn with<T>(&self, read: impl FnOnce(&[f64]) -> T) -> T {
        match *self {
            Self::Accepted(accepted) => read(&<[f64; Accepted::COUNT]>::from(accepted)),
            Self::Refused(refused) => read(&<[f64; Refused::COUNT]>::from(refused)),
        }
    }
}

/// The place in [`EMAIL_SOURCES`].
fn place_of(source: EmailSource) -> f64 {
    let place = EMAIL_SOURCES.iter().position(|other| *other == source);
    place.and_then(|place| u32::try_from(place).ok()).map_or(ABSENT, f64::from)
}

/// A text made of parts, and where the last one ends.
#[derive(Default)]
struct Parts {
    text: String,
    /// In UTF-16 units, as JavaScript counts.
    units: u32,
    has_more_than_ascii: bool,
}

impl Parts {
    /// Gives the end of the part.
    fn append(&mut self, part: &str) -> f64 {
        self.text.push_str(part);
        let is_ascii = part.is_ascii();
        self.has_more_than_ascii |= !is_ascii;
        let units = if is_ascii { part.len() } else { part.encode_utf16().count() };
        // Far from saturating: a part is no longer than a token.
        self.units = self.units.saturating_add(u32::try_from(units).unwrap_or(u32::MAX));
        f64::from(self.units)
    }

    /// The words as one part, with one blank after each.
    fn append_words<'w>(&mut self, words: impl Iterator<Item = &'w str>) -> f64 {
        for word in words {
            self.append(word);
            self.append(" ");
        }
        f64::from(self.units)
    }

    fn into_text(self) -> Text {
        Text { is_ascii: !self.has_more_than_ascii, text: self.text }
    }
}

/// A count as JavaScript has numbers.
pub fn number(count: u64) -> f64 {
    // Exact up to 2^53.
    #[allow(clippy::cast_precision_loss)]
    let count = count as f64;
    count
}

/// A text on its way to JavaScript.
pub struct Text {
    text: String,
    is_ascii: bool,
}

impl ToNapiValue for Text {
    unsafe fn to_napi_value(env: sys::napi_env, Self { text, is_ascii }: Self) -> Result<sys::napi_value> {
        let length =
            isize::try_from(text.len()).map_err(|_| Error::new(Status::GenericFailure, "a text is too long"))?;
        let mut value = ptr::null_mut();
        // ASCII is Latin-1: one copy for the engine instead of decoding. Anything else is passed as UTF-8.
        let create = if is_ascii { sys::napi_create_string_latin1 } else { sys::napi_create_string_utf8 };
        // SAFETY: `env` is that of the call under way; the engine copies `length` bytes from `text`.
        let status = unsafe { create(env, text.as_ptr().cast(), length, &raw mut value) };
        succeeded(status).map(|()| value)
    }
}

/// As a list: the text, the handle if there is one, and the numbers. Those at the end that say nothing are left out: each is
/// two calls into the engine.
impl ToNapiValue for EncodedResult {
    unsafe fn to_napi_value(env: sys::napi_env, result: Self) -> Result<sys::napi_value> {
        let Self { text, numbers, handle } = result;
        // SAFETY: `env` is that of the call under way, and every value was made in it just now.
        unsafe {
            let text = Text::to_napi_value(env, text)?;
            numbers.with(|numbers| {
                let said = numbers.iter().rposition(|number| !number.is_nan()).map_or(0, |last| last.saturating_add(1));
                let mut list = ptr::null_mut();
                succeeded(sys::napi_create_array_with_length(env, said.saturating_add(2), &raw mut list))?;
                succeeded(sys::napi_set_element(env, list, 0, text))?;
                if let Some(signed) = handle {
                    let handle = NewRecheckHandle::to_napi_value(env, NewRecheckHandle(signed))?;
                    succeeded(sys::napi_set_element(env, list, 1, handle))?;
                }
                for (index, number) in (2..).zip(numbers.iter().take(said)) {
                    let mut value = ptr::null_mut();
                    succeeded(sys::napi_create_double(env, *number, &raw mut value))?;
                    succeeded(sys::napi_set_element(env, list, index, value))?;
                }
                Ok(list)
            })
        }
    }
}

fn succeeded(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Error::new(Status::from(status), "Node-API refused")) }
}
