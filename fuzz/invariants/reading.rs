//! The strict reading of JSON, held against the slow one whose grammar is `serde_json`'s.

#[path = "../../src/json/oracle.rs"]
mod oracle;

use std::borrow::Cow;

use remote_agent_auth::json::{JsonError, JsonFault, MAX_DEPTH, Value, read_object};

pub type Members<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// The members of a text, once both readings agree on it, whichever of them are asked for, and they are within bounds.
pub fn agreed(text: &str) -> Result<Members<'_>, JsonError> {
    let read = agrees(text, |_| true);
    for wanted in [|_: &str| false, |name: &str| name.len().is_multiple_of(2)] {
        // The whole text is checked, whatever is wanted of it.
        assert_eq!(agrees(text, wanted).err().as_ref(), read.as_ref().err(), "{text:?}");
    }
    let members = read?;
    assert_names_differ(&members);
    members.iter().for_each(|(_, value)| assert_bounded(value, 1));
    Ok(members)
}

fn agrees(text: &str, wanted: impl Fn(&str) -> bool) -> Result<Members<'_>, JsonError> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let read = read_object(text, |name| wanted(name).then_some(()), |(), name, value| ours.push((name, value)));
    let known = oracle::read_object(text, &wanted, |name, value| theirs.push((name, value)));
    match (&read, &known) {
        (Ok(()), Ok(())) => {
            assert_eq!(ours.len(), theirs.len(), "{text:?}");
            for ((name, value), (known, other)) in ours.iter().zip(&theirs) {
                assert!(name == known && oracle::alike(value, other), "{text:?}: {value:?} instead of {other:?}");
            }
        }
        // Of a number within the last bits of the largest double, either may say that it is none.
        (ours, theirs) if ours.is_ok() != theirs.is_ok() && nears_the_largest_double(text) => {}
        // What is wrong the slow reading does not say.
        (ours, theirs) => {
            let is_no_object = |read: &Result<(), JsonError>| *read == Err(JsonError::NotAnObject);
            assert!(ours.is_err() && theirs.is_err() && is_no_object(ours) == is_no_object(theirs), "{text:?}");
        }
    }
    read.map(|()| ours)
}

/// Whether the text has the first 15 digits of 1.7976931348623157e308, with a point among them or not.
fn nears_the_largest_double(text: &str) -> bool {
    text.replace('.', "").contains("179769313486231")
}

fn assert_names_differ(members: &Members<'_>) {
    for (place, (name, _)) in members.iter().enumerate() {
        assert!(members.iter().take(place).all(|(other, _)| other != name), "{name:?} is there twice");
    }
}

/// `depth` arrays and objects are open around the value.
fn assert_bounded(value: &Value<'_>, depth: usize) {
    match value {
        Value::Number(number) => assert!(number.is_finite()),
        Value::Array(items) => {
            assert!(depth < MAX_DEPTH);
            items.iter().for_each(|item| assert_bounded(item, depth + 1));
        }
        Value::Object(members) => {
            assert!(depth < MAX_DEPTH);
            assert_names_differ(members);
            members.iter().for_each(|(_, value)| assert_bounded(value, depth + 1));
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
