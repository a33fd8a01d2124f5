//! Keys without the provider: inline, from a file, and from the snapshot file of an earlier process.

use crate::support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{JWKS, NOW, Network, Reply, Signer, jwks, now, ok, options, pass};
use remote_agent_auth::error::Code;
use remote_agent_auth::policy::{KeyOptions, Policy};
use remote_agent_auth::provider::budget::Pacing;
use remote_agent_auth::provider::fetch::{FetchError, Response};
use remote_agent_auth::provider::snapshot_file::{SnapshotFileError, SnapshotFileState};
use remote_agent_auth::time::{Clock, UnixSeconds};
use remote_agent_auth::verifier::{Answer, Checked, Memory, Verifier};
use serde_json::{Value, json};

/// A directory of its own, gone afterwards.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("remote-agent-auth-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Time of this process, and the wall's.
struct TwoClocks {
    started: tokio::time::Instant,
    wall: Arc<Mutex<f64>>,
}

impl Clock for TwoClocks {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall(&self) -> UnixSeconds {
        UnixSeconds::new(*self.wall.lock().unwrap() + self.started.elapsed().as_secs_f64()).unwrap()
    }
}

/// A process: a verifier, its network and its clocks.
struct Process {
    network: Arc<Network>,
    verifier: Arc<Verifier>,
    wall: Arc<Mutex<f64>>,
}

impl Process {
    fn at(wall: f64) -> Self {
        let network = Arc::new(Network::default());
        let wall = Arc::new(Mutex::new(wall));
        let clock = Arc::new(TwoClocks { started: tokio::time::Instant::now(), wall: Arc::clone(&wall) });
        let runtime = tokio::runtime::Handle::current();
        let verifier = Verifier::with_pacing(network.clone(), clock, runtime, Pacing::default());
        Self { network, verifier, wall }
    }

    async fn check(&self, token: &str, policy: &Arc<Policy>) -> Answer {
        match self.verifier.check(token, policy, now(), Memory::None) {
            Checked::Now(answer) => *answer,
            Checked::Later(future) => future.await,
        }
    }

    async fn code(&self, token: &str, policy: &Arc<Policy>) -> Option<Code> {
        self.check(token, policy).await.err().map(|refusal| refusal.code())
    }

    fn state(&self) -> Option<SnapshotFileState> {
        self.verifier.report()[0].snapshot_file
    }

    /// Until the file is written, or will not be.
    async fn settled(&self) -> Option<SnapshotFileState> {
        for _ in 0..1000 {
            if self.state().is_some() {
                break;
            }
            // Files are written by another thread.
            std::thread::sleep(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
        self.state()
    }
}

fn policy(keys: KeyOptions, jwks_uri: Option<&str>) -> Arc<Policy> {
    let mut options = options(jwks_uri, "api");
    options.keys = keys;
    Arc::new(Policy::parse(options).unwrap())
}

fn text(path: &std::path::Path) -> Option<String> {
    Some(path.to_str().unwrap().to_owned())
}

fn set(signers: &[&Signer]) -> String {
    String::from_utf8(jwks(signers).body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn inline_keys_need_no_network() {
    let (signer, other) = (Signer::new("k"), Signer::new("other"));
    let process = Process::at(NOW);
    let policy = policy(KeyOptions { jwks: Some(set(&[&signer])), ..KeyOptions::default() }, None);
    for _ in 0..3 {
        assert_eq!(process.code(&signer.token(), &policy).await, None);
        assert_eq!(process.code(&other.token(), &policy).await, Some(Code::KeyNotFound));
        pass(100_000).await;
    }
    assert_eq!(process.network.fetches(), 0);
}

#[tokio::test]
async fn a_file_of_keys_is_read_again_and_a_bad_one_takes_no_key_away() {
    let dir = Dir::new();
    let (first, second) = (Signer::new("a"), Signer::new("b"));
    let path = dir.file("jwks.json");
    fs::write(&path, set(&[&first])).unwrap();
    // Configuration is mounted as links.
    symlink(&path, dir.file("link")).unwrap();
    let policy = policy(KeyOptions { jwks_file: text(&dir.file("link")), ..KeyOptions::default() }, None);
    let process = Process::at(NOW);
    assert_eq!(process.code(&first.token(), &policy).await, None);
    // An unknown `kid` reads the file anew, within its budget.
    fs::write(&path, set(&[&second])).unwrap();
    assert_eq!(process.code(&second.token(), &policy).await, None);
    assert_eq!(process.code(&first.token(), &policy).await, Some(Code::KeyNotFound));
    fs::write(&path, "{").unwrap();
    process.verifier.prefetch(&policy).await.unwrap_err();
    assert_eq!(process.code(&second.token(), &policy).await, None);
    fs::write(&path, format!("{}{}", set(&[&second]), " ".repeat(1024 * 1024))).unwrap();
    assert_eq!(process.verifier.prefetch(&policy).await.unwrap_err().code(), Code::JwksFetch);
    fs::remove_file(&path).unwrap();
    assert_eq!(process.verifier.prefetch(&policy).await.unwrap_err().code(), Code::JwksFetch);
    assert_eq!(process.code(&second.token(), &policy).await, None);
    assert_eq!(process.network.fetches(), 0);
}

#[tokio::test]
async fn only_a_regular_file_is_read() {
    let dir = Dir::new();
    let policy = policy(KeyOptions { jwks_file: text(&dir.0), ..KeyOptions::default() }, None);
    assert_eq!(Process::at(NOW).code(&Signer::new("k").token(), &policy).await, Some(Code::JwksFetch));
}

fn with_snapshot(dir: &Dir) -> Arc<Policy> {
    let keys = KeyOptions { snapshot_file: text(&dir.file("keys.json")), ..KeyOptions::default() };
    policy(keys, Some(JWKS))
}

/// A file written by an earlier process, an hour before [`NOW`].
async fn written(dir: &Dir, signer: &Signer) {
    let earlier = Process::at(NOW - 3600.0);
    earlier.network.answer(JWKS, jwks(&[signer]));
    assert_eq!(earlier.code(&signer.token(), &with_snapshot(dir)).await, None);
    assert!(matches!(earlier.settled().await, Some(SnapshotFileState::Written(_))));
}

fn edit(dir: &Dir, change: impl FnOnce(&mut Value)) {
    let path = dir.file("keys.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut document);
    fs::write(&path, document.to_string()).unwrap();
}

#[tokio::test]
async fn a_start_without_the_provider_uses_the_snapshot_file() {
    let dir = Dir::new();
    let signer = Signer::new("k");
    written(&dir, &signer).await;
    let process = Process::at(NOW);
    process.network.on(JWKS, Reply::Fail(FetchError::Refused));
    let policy = with_snapshot(&dir);
    assert_eq!(process.code(&signer.token(), &policy).await, None);
    assert_eq!(process.network.fetches(), 1, "the provider is asked first");
    assert!(matches!(process.state(), Some(SnapshotFileState::Used(at)) if at.get() < NOW - 3599.0));
    assert!(process.verifier.report()[0].age.unwrap() >= Duration::from_secs(3599));
    // Who lets keys stand for less than that gets none; who has no such file, neither.
    let strict =
        KeyOptions { snapshot_file: text(&dir.file("keys.json")), max_stale: Some(1800.0), ..KeyOptions::default() };
    assert_eq!(process.code(&signer.token(), &self::policy(strict, Some(JWKS))).await, Some(Code::JwksFetch));
    assert_eq!(process.code(&signer.token(), &support::policy(Some(JWKS), "api")).await, Some(Code::JwksFetch));
    // An unknown key is still the provider's to know.
    assert_eq!(process.code(&Signer::new("new").token(), &policy).await, Some(Code::JwksFetch));
    process.network.answer(JWKS, jwks(&[&signer]));
    process.verifier.prefetch(&policy).await.unwrap();
    assert_eq!(process.code(&signer.token(), &policy).await, None);
}

#[tokio::test]
async fn the_file_holds_public_keys_only_and_is_ours_alone() {
    let dir = Dir::new();
    let signer = Signer::new("k");
    let mut private = Signer::new("private").jwk();
    private["d"] = json!("AAAA");
    let mut chatty = signer.jwk();
    chatty["x5c"] = json!(["MIIC"]);
    let process = Process::at(NOW);
    process.network.answer(JWKS, ok(&json!({ "keys": [null, private, chatty, { "kty": "oct", "k": "secret" }] })));
    assert_eq!(process.code(&signer.token(), &with_snapshot(&dir)).await, None);
    assert!(matches!(process.settled().await, Some(SnapshotFileState::Written(_))));
    let path = dir.file("keys.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(document["keys"], json!([signer.jwk()]));
    assert_eq!(document["format"], "remote-agent-auth/keys/1");
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn what_is_no_regular_file_is_neither_followed_nor_replaced() {
    type Make = fn(&Dir);
    let table: [(&str, Make); 5] = [
        ("a link", |dir| {
            fs::write(dir.file("victim"), "precious").unwrap();
            symlink(dir.file("victim"), dir.file("keys.json")).unwrap();
        }),
        ("a link to nothing", |dir| symlink(dir.file("nothing"), dir.file("keys.json")).unwrap()),
        ("a link to a device", |dir| symlink("/dev/null", dir.file("keys.json")).unwrap()),
        ("a folder", |dir| fs::create_dir(dir.file("keys.json")).unwrap()),
        ("a socket", |dir| drop(std::os::unix::net::UnixListener::bind(dir.file("keys.json")).unwrap())),
    ];
    for (name, make) in table {
        // At once, where it is there when the policy is made.
        let dir = Dir::new();
        make(&dir);
        let mut refused = support::options(Some(JWKS), "api");
        refused.keys.snapshot_file = text(&dir.file("keys.json"));
        let error = remote_agent_auth::policy::Policy::parse(refused).unwrap_err();
        assert!(error.to_string().contains("snapshotFile"), "{name}: {error}");

        // And before it is written, where it came since.
        let dir = Dir::new();
        let policy = with_snapshot(&dir);
        make(&dir);
        let before = fs::symlink_metadata(dir.file("keys.json")).unwrap();
        let (signer, process) = (Signer::new("k"), Process::at(NOW));
        process.network.answer(JWKS, jwks(&[&signer]));
        assert_eq!(process.code(&signer.token(), &policy).await, None, "{name}");
        assert_eq!(process.settled().await, Some(SnapshotFileState::Failed(SnapshotFileError::NotAFile)), "{name}");
        let after = fs::symlink_metadata(dir.file("keys.json")).unwrap();
        assert_eq!((before.ino(), before.file_type()), (after.ino(), after.file_type()), "{name}");
        assert!(!dir.file("nothing").exists(), "{name}");
        if dir.file("victim").exists() {
            assert_eq!(fs::read_to_string(dir.file("victim")).unwrap(), "precious");
        }
    }
}

#[tokio::test]
async fn a_304_renews_the_file() {
    let dir = Dir::new();
    let signer = Signer::new("k");
    let process = Process::at(NOW);
    let policy = with_snapshot(&dir);
    process.network.answer(JWKS, Response { etag: Some("\"1\"".into()), ..jwks(&[&signer]) });
    assert_eq!(process.code(&signer.token(), &policy).await, None);
    assert!(matches!(process.settled().await, Some(SnapshotFileState::Written(at)) if at.get() < NOW + 10.0));
    *process.wall.lock().unwrap() += 1000.0;
    process.network.answer(JWKS, support::status(304));
    process.verifier.prefetch(&policy).await.unwrap();
    for _ in 0..1000 {
        if matches!(process.state(), Some(SnapshotFileState::Written(at)) if at.get() > NOW + 999.0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{:?}", process.state());
}

#[tokio::test]
async fn a_file_that_is_not_exactly_what_was_written_is_ignored() {
    type Change = fn(&Dir);
    let table: Vec<(SnapshotFileError, Change)> = vec![
        (SnapshotFileError::Absent, |dir| fs::remove_file(dir.file("keys.json")).unwrap()),
        (SnapshotFileError::NotAFile, |dir| {
            fs::rename(dir.file("keys.json"), dir.file("elsewhere")).unwrap();
            symlink(dir.file("elsewhere"), dir.file("keys.json")).unwrap();
        }),
        (SnapshotFileError::NotAFile, |dir| {
            fs::remove_file(dir.file("keys.json")).unwrap();
            fs::create_dir(dir.file("keys.json")).unwrap();
        }),
        (SnapshotFileError::Writable, |dir| {
            fs::set_permissions(dir.file("keys.json"), fs::Permissions::from_mode(0o620)).unwrap();
        }),
        (SnapshotFileError::Writable, |dir| {
            fs::set_permissions(dir.file("keys.json"), fs::Permissions::from_mode(0o602)).unwrap();
        }),
        (SnapshotFileError::Format, |dir| fs::write(dir.file("keys.json"), "{").unwrap()),
        (SnapshotFileError::Format, |dir| edit(dir, |document| document["more"] = json!(1))),
        (SnapshotFileError::Format, |dir| edit(dir, |document| document["format"] = json!("remote-agent-auth/keys/2"))),
        (SnapshotFileError::Source, |dir| edit(dir, |document| document["source"] = json!("AAAA"))),
        (SnapshotFileError::Future, |dir| edit(dir, |document| document["fetchedAt"] = json!(NOW + 60.0))),
        (SnapshotFileError::TooOld, |dir| edit(dir, |document| document["fetchedAt"] = json!(NOW - 604_800.0))),
        (SnapshotFileError::TooOld, |dir| edit(dir, |document| document["fetchedAt"] = json!(-1e300))),
        (SnapshotFileError::TooLarge, |dir| fs::write(dir.file("keys.json"), " ".repeat(2 * 1024 * 1024)).unwrap()),
    ];
    for (error, change) in table {
        let dir = Dir::new();
        let signer = Signer::new("k");
        written(&dir, &signer).await;
        // Made before the change: a policy whose file is none is refused.
        let policy = with_snapshot(&dir);
        change(&dir);
        let process = Process::at(NOW);
        process.network.on(JWKS, Reply::Fail(FetchError::Refused));
        assert_eq!(process.code(&signer.token(), &policy).await, Some(Code::JwksFetch), "{error}");
        assert_eq!(process.state(), Some(SnapshotFileState::Failed(error)));
    }
}

#[tokio::test]
async fn keys_of_the_file_pass_the_import_every_key_passes() {
    let dir = Dir::new();
    let signer = Signer::new("k");
    written(&dir, &signer).await;
    edit(&dir, |document| document["keys"][0]["use"] = json!("enc"));
    let process = Process::at(NOW);
    process.network.on(JWKS, Reply::Fail(FetchError::Refused));
    assert_eq!(process.code(&signer.token(), &with_snapshot(&dir)).await, Some(Code::JwksFetch));
    assert!(matches!(process.state(), Some(SnapshotFileState::Failed(SnapshotFileError::Keys(_)))));
}

#[tokio::test]
async fn what_was_cleared_does_not_come_back_from_the_file() {
    let dir = Dir::new();
    let signer = Signer::new("k");
    written(&dir, &signer).await;
    let process = Process::at(NOW);
    process.verifier.clear();
    process.network.on(JWKS, Reply::Fail(FetchError::Refused));
    assert_eq!(process.code(&signer.token(), &with_snapshot(&dir)).await, Some(Code::JwksFetch));
    assert_eq!(process.state(), Some(SnapshotFileState::Failed(SnapshotFileError::Cleared)));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_reported_and_refuses_no_token() {
    let dir = Dir::new();
    let signer = Signer::new("k");
    let process = Process::at(NOW);
    process.network.answer(JWKS, jwks(&[&signer]));
    let keys = KeyOptions { snapshot_file: text(&dir.file("missing/keys.json")), ..KeyOptions::default() };
    assert_eq!(process.code(&signer.token(), &policy(keys, Some(JWKS))).await, None);
    assert!(matches!(process.settled().await, Some(SnapshotFileState::Failed(SnapshotFileError::Write(_)))));
}
