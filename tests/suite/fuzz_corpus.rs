//! Every input of the fuzzing corpora again, on the stable toolchain and without libFuzzer. Row S27 of the scorecard.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use crate::invariants::{claims, header, jwk_set, metadata, token};
use crate::support::{listed, score};

type Target = (&'static str, fn(&[u8]) -> bool);

const TARGETS: [Target; 5] = [
    ("token", token::holds),
    ("header", header::holds),
    ("claims", claims::holds),
    ("jwk_set", jwk_set::holds),
    ("metadata", metadata::holds),
];

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(of)
}

/// The files of a folder by name; none at all is an error.
fn inputs(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut inputs = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let input = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        inputs.push((path.file_name().unwrap().to_string_lossy().into_owned(), input));
    }
    if inputs.is_empty() { Err(format!("{} is empty", folder.display())) } else { Ok(inputs) }
}

#[test]
fn every_input_of_the_corpora_keeps_the_rules() {
    let (mut wrong, mut count, mut bytes) = (Vec::new(), 0, 0);
    for (name, holds) in TARGETS {
        let inputs = inputs(&folder("corpus").join(name)).unwrap_or_else(|error| panic!("{error}"));
        let mut accepted = 0;
        for (file, input) in &inputs {
            count += 1;
            bytes += input.len();
            match catch_unwind(|| holds(input)) {
                Ok(is_accepted) => accepted += usize::from(is_accepted),
                Err(_) => wrong.push(format!("{name}/{file}")),
            }
        }
        // A corpus that is only ever refused, or never, asks after half of the rules.
        assert!(0 < accepted && accepted < inputs.len(), "{name}: {accepted} of {} accepted", inputs.len());
        println!("{name}: {} inputs, {accepted} accepted", inputs.len());
    }
    let targets = TARGETS.map(|(name, _)| name).join(", ");
    let figure = format!("{targets}: {} of {count} inputs broke a rule{}", wrong.len(), listed(&wrong));
    let limit = "0 of all in the corpora, which are below 1 MB; 10 M inputs each by hand (fuzz/README.md)";
    score("S27", &figure, limit, wrong.is_empty() && bytes < 1_000_000);
}

#[test]
fn there_is_a_corpus_for_every_target_and_a_target_for_every_corpus() {
    let mut names = TARGETS.map(|(name, _)| name.to_owned());
    names.sort();
    let in_folder = |of: &str| {
        let mut names: Vec<_> = fs::read_dir(folder(of))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(in_folder("corpus"), names);
    assert_eq!(in_folder("fuzz_targets"), names);
}

#[test]
fn a_corpus_that_is_empty_or_missing_is_an_error() {
    let empty = std::env::temp_dir().join(format!("empty-corpus-{}", std::process::id()));
    fs::create_dir_all(&empty).unwrap();
    assert!(inputs(&empty).is_err_and(|error| error.ends_with("is empty")));
    fs::remove_dir(&empty).unwrap();
    assert!(inputs(&empty).is_err());
}
