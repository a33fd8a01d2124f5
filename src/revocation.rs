//! Tokens that are refused before their end: by their own id, by session, by subject. Asked after signature and claims.
//!
//! What is revoked is kept as a digest, so that neither subjects nor sessions are at hand in memory or in a shared store. The list is
//! bounded by a count; of a full one those leave first that would expire first, and they are counted.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::base64url::{decode, encode};
use crate::keys::signature::sha256;
use crate::policy::MAX_CLOCK_TOLERANCE;
use crate::policy::issuer::normalise;
use crate::time::UnixSeconds;

/// Entries kept. A million take less than 128 MiB, which a test measures.
pub const MOST_ENTRIES: usize = 1_000_000;
/// Bytes of a name that is revoked: the most that `maxTokenBytes` allows a token, so that a longer one is in none that is accepted.
const MOST_NAME_BYTES: usize = 64 * 1024;
/// Stands for "whenever the token was issued".
const WHENEVER: u32 = u32::MAX;

/// By which claim a token is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The token itself (RFC 7519 4.1.7).
    Jti,
    /// A session at the provider (OpenID Connect Front-Channel Logout 1.0, 3).
    Sid,
    /// Everything of a subject (RFC 7519 4.1.2).
    Sub,
}

impl Claim {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jti => "jti",
            Self::Sid => "sid",
            Self::Sub => "sub",
        }
    }
}

/// A digest of issuer, claim and value: the first 128 bits of SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named([u8; 16]);

impl Named {
    /// `None` for an issuer that is none, and for a value that is empty or too long.
    pub fn new(claim: Claim, issuer: &str, value: &str) -> Option<Self> {
        let issuer = normalise(issuer)?;
        if value.is_empty() || value.len() > MOST_NAME_BYTES || issuer.len() > MOST_NAME_BYTES {
            return None;
        }
        // The length tells where the issuer ends, so that no two names have one text.
        let text = format!("{} {} {issuer}{value}", claim.name(), issuer.len());
        let mut name = [0; 16];
        name.iter_mut().zip(sha256(text.as_bytes())).for_each(|(to, from)| *to = from);
        Some(Self(name))
    }

    /// As text; it tells nothing of the value, and not when it was made.
    pub fn to_text(self) -> String {
        encode(&self.0)
    }
}

/// One revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    named: Named,
    before: u32,
    until: u32,
}

impl Entry {
    /// Tokens of that name that were issued before `before`, or all of them, are refused until `until`, and for as long after it as a policy's
    /// clock tolerance may keep a token that ends then. Fractions are rounded up: one more token is refused rather than one too few. `None`
    /// for times that are none.
    pub fn new(named: Named, before: Option<f64>, until: f64) -> Option<Self> {
        let before = match before {
            None => WHENEVER,
            Some(before) => whole(before)?,
        };
        Some(Self { named, before, until: whole(until)? })
    }

    /// When it ends, in seconds since 1970.
    pub const fn until(&self) -> u32 {
        self.until
    }

    /// As text, for a shared store.
    pub fn to_text(self) -> String {
        format!("{}.{}.{}", self.named.to_text(), self.before, self.until)
    }

    /// What [`Self::to_text`] wrote, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, times) = text.split_once('.')?;
        let (before, until) = times.split_once('.')?;
        let named = Named(decode(name.as_bytes()).ok()?.try_into().ok()?);
        let entry = Self { named, before: before.parse().ok()?, until: until.parse().ok()? };
        (entry.to_text() == text).then_some(entry)
    }
}

/// Seconds rounded up, where they are from 1970 to 2106.
fn whole(seconds: f64) -> Option<u32> {
    let seconds = seconds.ceil();
    // In range, so that nothing is lost. The largest number stands for `WHENEVER`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (0.0..f64::from(WHENEVER)).contains(&seconds).then_some(seconds as u32)
}

/// Whether a revocation until `until` counts no more: a token that ended then may be accepted up to the largest clock tolerance later.
fn has_ended(until: u32, now: UnixSeconds) -> bool {
    f64::from(until) + MAX_CLOCK_TOLERANCE <= now.get()
}

/// What a revocation may name; read only after its signature and claims are found good.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub struct RevocableClaims<'t> {
    pub issuer: &'t str,
    pub jti: Option<&'t str>,
    pub sid: Option<&'t str>,
    pub subject: &'t str,
    pub issued_at: Option<f64>,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It counts from now on.
    New,
    /// What is known already says as much.
    Known,
    /// It has ended.
    Ended,
    /// It counts, and another one, or itself, has left a full list.
    Displaced,
}

/// The list.
#[derive(Debug)]
pub struct Revocations {
    most: usize,
    /// How many there are, so that an empty list costs one read of a number.
    count: AtomicUsize,
    changes: AtomicU64,
    displaced: AtomicU64,
    list: RwLock<List>,
}

#[derive(Debug, Default)]
struct List {
    /// `before` and `until` of each name.
    entries: HashMap<Named, (u32, u32)>,
    by_end: BTreeSet<(u32, Named)>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self::bounded(MOST_ENTRIES)
    }
}

impl Revocations {
    /// An empty list of at most so many entries.
    pub fn bounded(most: usize) -> Self {
        Self {
            most,
            count: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
            displaced: AtomicU64::new(0),
            list: RwLock::default(),
        }
    }

    /// Adds an entry. Two of one name are joined, so that what either refuses is refused.
    pub fn add(&self, entry: Entry, now: UnixSeconds) -> Added {
        if has_ended(entry.until, now) {
            return Added::Ended;
        }
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.drop_ended(now);
        let (before, until) = match list.entries.get(&entry.named) {
            Some(&(before, until)) => (before.max(entry.before), until.max(entry.until)),
            None => (entry.before, entry.until),
        };
        let added = match list.entries.insert(entry.named, (before, until)) {
            Some(known) if known == (before, until) => return Added::Known,
            Some((_, ended)) => {
                list.by_end.remove(&(ended, entry.named));
                Added::New
            }
            None => Added::New,
        };
        list.by_end.insert((until, entry.named));
        let added = if list.entries.len() > self.most && list.drop_first() {
            self.displaced.fetch_add(1, Ordering::Relaxed);
            Added::Displaced
        } else {
            added
        };
        self.count.store(list.entries.len(), Ordering::Release);
        // After the entry counts: an outcome that was found without it has the number from before, and is not used again.
        self.changes.fetch_add(1, Ordering::Release);
        added
    }

    /// Whether a token of these facts is revoked, and by which claim.
    #[inline]
    pub fn is_revoked(&self, facts: &RevocableClaims<'_>, now: UnixSeconds) -> Option<Claim> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let names = [(Claim::Jti, facts.jti), (Claim::Sid, facts.sid), (Claim::Sub, Some(facts.subject))];
        let names = names.map(|(claim, value)| Some((claim, Named::new(claim, facts.issuer, value?)?)));
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let is_revoked = |(_, named): &(Claim, Named)| {
            list.entries.get(named).is_some_and(|&(before, until)| {
                let is_old = facts.issued_at.is_none_or(|issued_at| issued_at < f64::from(before));
                !has_ended(until, now) && (before == WHENEVER || is_old)
            })
        };
        names.into_iter().flatten().find(is_revoked).map(|(claim, _)| claim)
    }

    /// Counts every change that can refuse a token.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Entries now; those that have ended leave with the next change.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many have left a full list before their end.
    pub fn displaced(&self) -> u64 {
        self.displaced.load(Ordering::Relaxed)
    }
}

impl List {
    fn drop_ended(&mut self, now: UnixSeconds) {
        while self.by_end.first().is_some_and(|(until, _)| has_ended(*until, now)) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) -> bool {
        let first = self.by_end.pop_first();
        first.is_some_and(|(_, named)| self.entries.remove(&named).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://idp.example/realm";

    fn at(seconds: f64) -> UnixSeconds {
        UnixSeconds::new(seconds).unwrap()
    }

    fn entry(claim: Claim, value: &str, before: Option<f64>, until: f64) -> Entry {
        Entry::new(Named::new(claim, ISSUER, value).unwrap(), before, until).unwrap()
    }

    fn facts<'t>(jti: &'t str, sid: &'t str, subject: &'t str, issued_at: Option<f64>) -> RevocableClaims<'t> {
        let text = |text: &'t str| Some(text).filter(|text| !text.is_empty());
        RevocableClaims { issuer: ISSUER, jti: text(jti), sid: text(sid), subject, issued_at }
    }

    #[test]
    fn a_token_is_refused_by_its_id_its_session_or_its_subject_and_no_other_is() {
        let list = Revocations::default();
        assert_eq!(list.is_revoked(&facts("a", "s", "u", None), at(1.0)), None);
        for (claim, value) in [(Claim::Jti, "a"), (Claim::Sid, "s"), (Claim::Sub, "u")] {
            assert_eq!(list.add(entry(claim, value, None, 100.0), at(1.0)), Added::New);
        }
        for (jti, sid, subject, revoked) in [
            ("a", "", "x", Some(Claim::Jti)),
            ("", "s", "x", Some(Claim::Sid)),
            ("", "", "u", Some(Claim::Sub)),
            ("b", "t", "x", None),
            // A value of one claim is not that of another.
            ("u", "a", "s", None),
            ("", "", "", None),
        ] {
            assert_eq!(list.is_revoked(&facts(jti, sid, subject, None), at(99.9)), revoked, "{jti} {sid} {subject}");
            // A policy's clock tolerance may keep the token that long.
            let tolerated = at(100.0 + MAX_CLOCK_TOLERANCE - 0.1);
            assert_eq!(list.is_revoked(&facts(jti, sid, subject, None), tolerated), revoked);
            assert_eq!(list.is_revoked(&facts(jti, sid, subject, None), at(100.0 + MAX_CLOCK_TOLERANCE)), None);
        }
        let other = RevocableClaims { issuer: "https://idp.example/other", ..facts("a", "s", "u", None) };
        assert_eq!(list.is_revoked(&other, at(1.0)), None);
        // The issuer as LibreChat compares it.
        let slash = RevocableClaims { issuer: "https://idp.example/realm/", ..facts("a", "", "", None) };
        assert_eq!(list.is_revoked(&slash, at(1.0)), Some(Claim::Jti));
    }

    #[test]
    fn before_spares_what_was_issued_later_and_nothing_without_a_time() {
        let list = Revocations::default();
        list.add(entry(Claim::Sub, "u", Some(50.5), 100.0), at(1.0));
        let revoked = |issued_at| list.is_revoked(&facts("", "", "u", issued_at), at(60.0)).is_some();
        assert!(revoked(Some(50.0)) && revoked(Some(50.9)) && revoked(None) && revoked(Some(-1.0)));
        assert!(!revoked(Some(51.0)) && !revoked(Some(1e18)));
        // Joined: what either of them refuses.
        assert_eq!(list.add(entry(Claim::Sub, "u", Some(40.0), 90.0), at(1.0)), Added::Known);
        assert_eq!(list.add(entry(Claim::Sub, "u", None, 70.0), at(1.0)), Added::New);
        assert!(list.is_revoked(&facts("", "", "u", Some(1e18)), at(60.0)).is_some());
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn a_full_list_lets_go_of_what_ends_first_and_says_so() {
        let list = Revocations::bounded(2);
        assert_eq!(list.add(entry(Claim::Jti, "late", None, 300.0), at(1.0)), Added::New);
        assert_eq!(list.add(entry(Claim::Jti, "soon", None, 100.0), at(1.0)), Added::New);
        assert_eq!(list.add(entry(Claim::Jti, "later", None, 400.0), at(1.0)), Added::Displaced);
        assert_eq!((list.len(), list.displaced()), (2, 1));
        assert_eq!(list.is_revoked(&facts("soon", "", "", None), at(1.0)), None);
        assert!(list.is_revoked(&facts("late", "", "", None), at(1.0)).is_some());
        // What has ended makes room.
        assert_eq!(list.add(entry(Claim::Jti, "next", None, 2e3), at(350.0 + MAX_CLOCK_TOLERANCE)), Added::New);
        assert_eq!((list.len(), list.displaced()), (2, 1));
        assert_eq!(list.add(entry(Claim::Jti, "past", None, 350.0), at(350.0 + MAX_CLOCK_TOLERANCE)), Added::Ended);
    }

    #[test]
    fn every_change_is_counted_once_it_counts() {
        let list = Revocations::default();
        let before = list.changes();
        list.add(entry(Claim::Jti, "a", None, 100.0), at(1.0));
        let after = list.changes();
        assert!(after > before);
        list.add(entry(Claim::Jti, "a", None, 100.0), at(1.0));
        list.add(entry(Claim::Jti, "b", None, 1.0), at(1.0 + MAX_CLOCK_TOLERANCE));
        assert_eq!(list.changes(), after);
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written_and_nothing_else_does() {
        for entry in [entry(Claim::Jti, "a", None, 100.0), entry(Claim::Sub, "u", Some(0.0), 4e9)] {
            let text = entry.to_text();
            assert_eq!(Entry::parse(&text), Some(entry), "{text}");
            for wrong in [
                text.replace('.', ","),
                format!("{text} "),
                format!(" {text}"),
                format!("{text}.0"),
                text.replace(".", ".0"),
                text.replace(".", ".+"),
                text[1..].to_owned(),
                format!("A{text}"),
            ] {
                assert_eq!(Entry::parse(&wrong), None, "{wrong}");
            }
        }
        for wrong in ["", ".", "..", "a.b.c", "AAAAAAAAAAAAAAAAAAAAAA.4294967296.1"] {
            assert_eq!(Entry::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_and_times_that_are_none_are_refused() {
        let named = Named::new(Claim::Sub, ISSUER, "u").unwrap();
        for until in [-1.0, f64::NAN, f64::INFINITY, 5e9] {
            assert_eq!(Entry::new(named, None, until), None, "{until}");
            assert_eq!(Entry::new(named, Some(until), 1.0), None, "{until}");
        }
        assert_eq!(Named::new(Claim::Sub, ISSUER, ""), None);
        assert_eq!(Named::new(Claim::Sub, " / ", "u"), None);
        // The subject of the longest token that a policy can allow.
        assert!(Named::new(Claim::Sub, ISSUER, &"u".repeat(48 * 1024)).is_some());
        assert_eq!(Named::new(Claim::Sub, ISSUER, &"u".repeat(MOST_NAME_BYTES + 1)), None);
        // The boundary between issuer and value is part of the name.
        assert_ne!(Named::new(Claim::Sub, "https://a", "bc"), Named::new(Claim::Sub, "https://ab", "c"));
    }
}
