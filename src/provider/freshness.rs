//! When keys are used, refreshed, waited for or refused: one pure function of times.
//!
//! All times are readings of one monotonic clock.

use std::time::Duration;

pub use crate::policy::lifetimes::{Lifetimes, MAX_ADVISED_LIFE, MIN_LIFE, STALE_BOUND};

/// How long a request that holds known keys waits for a refresh.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How long a failed refresh counts as evidence that the provider does not answer. After that, keys past their life
/// need a refresh first: a failure in the evening must not let a withdrawn key pass after an idle night.
const FAILURE_COUNTS: Duration = MIN_LIFE;

/// The pause after the first failed refresh; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause while there are no keys: all callers are refused, so the provider is asked often.
const LONGEST_PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(1);
/// The longest pause while keys are at hand.
const LONGEST_PAUSE_WITH_KEYS: Duration = Duration::from_secs(30);

/// The pause after a failed refresh before a request may cause another, and the pause after more failures in a row:
/// however long the provider was down, a request finds it back after at most this long.
const PAUSES_AFTER_FAILURES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// The refresh that failed last, if none has succeeded since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedRefresh {
    /// When it began.
    pub began: Duration,
    /// When it failed.
    pub ended: Duration,
    /// How many have failed in a row.
    pub in_a_row: u32,
}

impl FailedRefresh {
    /// When the next refresh may begin.
    pub fn pause_ends(&self, with_keys: bool) -> Duration {
        let longest = if with_keys { LONGEST_PAUSE_WITH_KEYS } else { LONGEST_PAUSE_WITHOUT_KEYS };
        let doublings = self.in_a_row.saturating_sub(1).min(16);
        let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(longest);
        self.ended.saturating_add(pause)
    }

    /// When a request may cause the next refresh. Not the pause of scheduled ones: that grows, and good tokens of a new
    /// key would have to wait because of requests made while the provider was down.
    pub fn pause_after_failures_ends(&self) -> Duration {
        let [first, later] = PAUSES_AFTER_FAILURES;
        self.ended.saturating_add(if self.in_a_row > 1 { later } else { first })
    }
}

/// What is known of a slot at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Now.
    pub now: Duration,
    /// When the refresh that brought the keys began, and the life the provider advised.
    pub keys: Option<(Duration, Option<Duration>)>,
    /// When the refresh under way began.
    pub under_way: Option<Duration>,
    /// The failure since the last success.
    pub failed: Option<FailedRefresh>,
    /// The share of a life, in percent, after which keys are refreshed ahead of time. It differs between slots, so that
    /// not all refresh at once.
    pub ahead_percent: u32,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Use the keys at hand.
    Use,
    /// Use the keys at hand, and begin a refresh if none is under way.
    UseAndRefresh,
    /// Wait for a refresh (begin one if none is under way), at most so long; then use the keys at hand.
    WaitThenUse(Duration),
    /// Wait for a refresh (begin one if none is under way); there are no keys to fall back on.
    Wait,
    /// No keys, and too early to ask again: refuse. The time until a retry is useful.
    Refuse(Duration),
}

/// How long keys live: the provider may lengthen the configured life, never past the stale bound.
pub fn life(advised: Option<Duration>, lifetimes: Lifetimes) -> Duration {
    let advised = advised.unwrap_or_default().min(lifetimes.max_advised).min(lifetimes.stale_bound);
    lifetimes.life.max(MIN_LIFE).max(advised)
}

fn ahead(life: Duration, percent: u32) -> Duration {
    life.mul_f64(f64::from(percent.min(100)) / 100.0)
}

/// When keys fetched at `fetched` first need a refresh: until then [`advise`] says [`Advice::Use`], whatever else
/// happens.
pub fn wants_a_look(fetched: Duration, advised: Option<Duration>, percent: u32, lifetimes: Lifetimes) -> Duration {
    fetched.saturating_add(ahead(life(advised, lifetimes), percent).min(lifetimes.stale_bound))
}

/// The advice for one moment.
pub fn advise(facts: &Facts, lifetimes: Lifetimes) -> Advice {
    let Facts { now, under_way, failed, .. } = *facts;
    let age_of = |since: Duration| now.saturating_sub(since);
    let Some((fetched, advised)) = facts.keys.filter(|(fetched, _)| age_of(*fetched) < lifetimes.stale_bound) else {
        return match failed.map(|failed| failed.pause_ends(false)) {
            _ if under_way.is_some() => Advice::Wait,
            Some(again) if now < again => Advice::Refuse(again.saturating_sub(now)),
            _ => Advice::Wait,
        };
    };
    let may_refresh = failed.is_none_or(|failed| now >= failed.pause_ends(true));
    let life = life(advised, lifetimes);
    let age = age_of(fetched);
    if age < life {
        let refresh = age >= ahead(life, facts.ahead_percent) && (under_way.is_some() || may_refresh);
        return if refresh { Advice::UseAndRefresh } else { Advice::Use };
    }
    // Past its life a key may have been withdrawn, so the provider is asked first. Keys are used without that only if a
    // refresh begun since that moment has failed, not long ago.
    let life_ended = fetched.saturating_add(life);
    if let Some(began) = under_way {
        let until = began.max(life_ended).saturating_add(PATIENCE);
        return if now < until { Advice::WaitThenUse(until.saturating_sub(now)) } else { Advice::UseAndRefresh };
    }
    match failed.filter(|failed| failed.began >= life_ended && age_of(failed.ended) < FAILURE_COUNTS) {
        Some(_) if may_refresh => Advice::UseAndRefresh,
        Some(_) => Advice::Use,
        None => Advice::WaitThenUse(PATIENCE),
    }
}

/// The life a `Cache-Control` value advises (RFC 9111 5.2.2.1): its `max-age`, in whole seconds.
pub fn advised_life(cache_control: &str) -> Option<Duration> {
    let directives = || cache_control.split(',').map(str::trim);
    if directives().any(|it| it.eq_ignore_ascii_case("no-store") || it.eq_ignore_ascii_case("no-cache")) {
        return None;
    }
    directives().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
        seconds.filter(|_| name.trim().eq_ignore_ascii_case("max-age"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const FETCHED: Duration = s(1000);

    fn facts(now: Duration) -> Facts {
        Facts { now, keys: Some((FETCHED, None)), under_way: None, failed: None, ahead_percent: 80 }
    }

    fn advice(facts: Facts) -> Advice {
        advise(&facts, Lifetimes::default())
    }

    #[test]
    fn keys_within_their_life_are_used_and_refreshed_ahead() {
        assert_eq!(advice(facts(s(1000))), Advice::Use);
        assert_eq!(advice(facts(s(1047))), Advice::Use);
        assert_eq!(advice(facts(s(1048))), Advice::UseAndRefresh);
        let failed = Some(FailedRefresh { began: s(1048), ended: s(1049), in_a_row: 7 });
        assert_eq!(advice(Facts { failed, ..facts(s(1050)) }), Advice::Use);
    }

    #[test]
    fn keys_are_used_until_they_want_a_look_and_not_a_moment_longer() {
        for advised in [None, Some(s(300)), Some(s(86_400))] {
            for percent in [0, 75, 80, 85, 100] {
                let lifetimes = Lifetimes::default();
                let look = wants_a_look(FETCHED, advised, percent, lifetimes);
                let facts = |now| Facts { keys: Some((FETCHED, advised)), ahead_percent: percent, ..facts(now) };
                let before = look - Duration::from_nanos(1);
                assert!(percent == 0 || advise(&facts(before), lifetimes) == Advice::Use, "{advised:?} {percent}");
                assert_ne!(advise(&facts(look), lifetimes), Advice::Use, "{advised:?} {percent}");
            }
        }
    }

    #[test]
    fn past_its_life_a_key_waits_for_the_provider_at_most_a_second() {
        assert_eq!(advice(facts(s(1060))), Advice::WaitThenUse(PATIENCE));
        assert_eq!(advice(facts(s(9000))), Advice::WaitThenUse(PATIENCE));
        let begun = |began, now| advice(Facts { under_way: Some(began), ..facts(now) });
        assert_eq!(begun(s(2000), s(2000)), Advice::WaitThenUse(PATIENCE));
        assert_eq!(begun(s(2000), s(2001)), Advice::UseAndRefresh);
        // Begun before the life ended: only what passes after that moment counts.
        assert_eq!(begun(s(1055), s(1060)), Advice::WaitThenUse(PATIENCE));
        let failed = |began| Some(FailedRefresh { began, ended: began + s(1), in_a_row: 1 });
        assert_eq!(advice(Facts { failed: failed(s(1050)), ..facts(s(1060)) }), Advice::WaitThenUse(PATIENCE));
        assert_eq!(advice(Facts { failed: failed(s(1060)), ..facts(s(1061)) }), Advice::Use);
        assert_eq!(advice(Facts { failed: failed(s(1060)), ..facts(s(1100)) }), Advice::UseAndRefresh);
        // A failure of long ago says nothing about now.
        assert_eq!(advice(Facts { failed: failed(s(1060)), ..facts(s(1120)) }), Advice::UseAndRefresh);
        assert_eq!(advice(Facts { failed: failed(s(1060)), ..facts(s(1121)) }), Advice::WaitThenUse(PATIENCE));
    }

    #[test]
    fn past_the_stale_bound_keys_answer_nothing() {
        let late = FETCHED + STALE_BOUND;
        assert_eq!(advice(facts(late - s(1))), Advice::WaitThenUse(PATIENCE));
        assert_eq!(advice(facts(late)), Advice::Wait);
        let failed = Some(FailedRefresh { began: late - s(1), ended: late, in_a_row: 9 });
        assert_eq!(advice(Facts { failed, ..facts(late) }), Advice::Refuse(s(1)));
        assert_eq!(advice(Facts { failed, ..facts(late + s(1)) }), Advice::Wait);
    }

    #[test]
    fn callers_may_cause_a_fetch_again_a_second_after_a_failure_and_five_after_several_whatever_the_scheduled_pause() {
        for (in_a_row, pause) in [(1, s(1)), (2, s(5)), (9, s(5)), (u32::MAX, s(5))] {
            let failed = FailedRefresh { began: s(1), ended: s(2), in_a_row };
            assert_eq!(failed.pause_after_failures_ends(), s(2) + pause, "{in_a_row}");
        }
    }

    #[test]
    fn without_keys_failures_are_paced() {
        let none = |now, failed| advice(Facts { keys: None, failed, ..facts(now) });
        assert_eq!(none(s(1), None), Advice::Wait);
        let failed = |in_a_row| Some(FailedRefresh { began: s(1), ended: s(2), in_a_row });
        assert_eq!(none(s(2), failed(1)), Advice::Refuse(Duration::from_millis(250)));
        assert_eq!(none(s(2), failed(2)), Advice::Refuse(Duration::from_millis(500)));
        assert_eq!(none(s(2), failed(u32::MAX)), Advice::Refuse(s(1)));
        assert_eq!(none(s(3), failed(u32::MAX)), Advice::Wait);
    }

    #[test]
    fn the_provider_may_lengthen_a_life_within_bounds() {
        let with = |advised, now| advice(Facts { keys: Some((FETCHED, Some(advised))), ..facts(now) });
        assert_eq!(with(s(1), s(1047)), Advice::Use);
        assert_eq!(with(s(300), s(1239)), Advice::Use);
        assert_eq!(with(s(300), s(1300)), Advice::WaitThenUse(PATIENCE));
        assert_eq!(with(s(86_400), s(1600)), Advice::WaitThenUse(PATIENCE));
        for (text, life) in [
            ("public, max-age=300", Some(s(300))),
            ("MAX-AGE=\"7\"", Some(s(7))),
            ("no-store, max-age=300", None),
            ("max-age=x", None),
            ("s-maxage=300", None),
            ("", None),
        ] {
            assert_eq!(advised_life(text), life, "{text}");
        }
    }
}
