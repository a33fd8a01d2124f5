//! What a verifier knows and has done, as JSON text for people to read.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Code;
use crate::mismatch::without_credentials;
use crate::policy::source::Origin;
use crate::verifier::{SlotReport, SnapshotFileState, Verifier};

/// Each source of keys, and counts of the work done.
pub fn stats(verifier: &Verifier) -> String {
    let sources: Vec<_> = verifier.report().iter().map(source).collect();
    let work = verifier.work();
    json!({
        "sources": sources,
        "signatureChecks": work.signature_checks,
        "verdictsReused": work.signatures_reused,
        "verdicts": work.signatures,
        "queued": work.queued,
        "revocations": verifier.revocations().len(),
        "revocationsDisplaced": verifier.revocations().displaced(),
        "keyChanges": verifier.changes(),
    })
    .to_string()
}

fn source(report: &SlotReport) -> Value {
    let (kind, url) = match report.source.origin() {
        Origin::Jwks(url) => ("jwks", url.without_credentials()),
        Origin::Discovery(issuer) => ("discovery", without_credentials(issuer.configured()).into_owned()),
        Origin::Inline(_) => ("inline", String::new()),
        Origin::File(path) => ("file", path.display().to_string()),
    };
    let (used, skipped) = keys(report);
    json!({
        "kind": kind,
        "url": url,
        "age": report.age.map(seconds),
        "lifeLeft": report.life_left.map(seconds),
        "staleLeft": report.stale_left.map(seconds),
        "underWay": report.under_way,
        "nextAttempt": report.next_attempt.map(seconds),
        "lastFailure": last_failure(report),
        "refreshes": {
            "begun": report.counters.begun,
            "succeeded": report.counters.succeeded,
            "failed": report.counters.failed,
            "notModified": report.counters.not_modified,
            "imported": report.counters.imported,
        },
        "keys": used,
        "skipped": skipped,
        "snapshotFile": report.snapshot_file.map(|state| match state {
            SnapshotFileState::Written(at) => json!({ "state": "written", "fetchedAt": at.get() }),
            SnapshotFileState::Used(at) => json!({ "state": "used", "fetchedAt": at.get() }),
            SnapshotFileState::Failed(error) => json!({ "state": "failed", "message": error.to_string() }),
        }),
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// The keys at hand, and the entries of the newest set that are no usable key.
fn keys(report: &SlotReport) -> (Vec<Value>, Vec<Value>) {
    let keys = report.snapshot.as_ref().map(|snapshot| {
        let used = snapshot.keys().keys().iter().map(|key| {
            json!({ "kid": key.id().map(|id| id.as_str()), "thumbprint": &**key.thumbprint(), "normalised": key.normalised() })
        });
        let skipped = snapshot.keys().skipped().iter().map(|entry| {
            let kid = entry.key_id.as_ref().map(|id| id.as_str());
            json!({ "index": entry.index, "kid": kid, "reason": entry.reason.to_string() })
        });
        (used.collect::<Vec<_>>(), skipped.collect::<Vec<_>>())
    });
    let (used, mut skipped) = keys.unwrap_or_default();
    let unusable: Vec<_> = report.unusable().map(|reason| reason.to_string()).collect();
    if !unusable.is_empty() {
        // The newest set has no usable key: its entries are what must be corrected.
        let entry = |(index, reason): (usize, &String)| json!({ "index": index, "kid": null, "reason": reason });
        skipped = unusable.iter().enumerate().map(entry).collect();
    }
    (used, skipped)
}

fn last_failure(report: &SlotReport) -> Option<Value> {
    let (age, error) = report.last_failure?;
    let details = [("reason", error.reason()), ("host", report.failed_host.as_deref())];
    let named = details.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
    let failure = [
        ("age".to_owned(), json!(seconds(age))),
        ("code".to_owned(), json!(Code::of_provider(&error).name())),
        ("message".to_owned(), json!(error.to_string())),
    ];
    Some(Value::from_iter(failure.into_iter().chain(named)))
}
