//! One strict reading of JSON (RFC 8259) for the JOSE header and the claims.
//!
//! RFC 7515 4 and RFC 7519 4 want member names unique; RFC 8725 2.4 warns of parsers that disagree. What passes here
//! reads the same in every JSON parser: no duplicate member at any level, numbers finite, nesting bounded, strings of
//! Unicode scalar values only. Every request passes through here, so the text is read once, and nothing is copied or
//! allocated for members that are not asked for.

mod names;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod oracle_tests;
mod reader;

use std::borrow::Cow;

use reader::Reader;

/// How deep arrays and objects may nest; the outermost one counts.
pub const MAX_DEPTH: usize = 16;

/// A JSON value, borrowed from its text where it can be.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Number(f64),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The member of that name, if this is an object that has it.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// What JavaScript's `typeof` says of it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null | Self::Array(_) | Self::Object(_) => "object",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
        }
    }
}

/// Why a text was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or not JSON that reads the same everywhere.
    #[error("{0}")]
    Malformed(JsonFault),
    /// JSON, but not an object.
    #[error("it is JSON, but not an object")]
    NotAnObject,
}

/// What is wrong with a text that is not accepted. It contains nothing of the text itself but the name of a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum JsonFault {
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it ends before its value does")]
    Cut,
    #[error("it has a character that JSON does not have at that place")]
    Syntax,
    #[error("something follows its value")]
    Trailing,
    /// The name, printable and short.
    #[error("the member \"{0}\" is there twice")]
    Duplicate(Box<str>),
    #[error("its objects and lists are nested deeper than {MAX_DEPTH}")]
    Depth,
    #[error("one of its numbers is too large")]
    Number,
    #[error("one of its texts has half a surrogate pair")]
    Surrogate,
    #[error("one of its texts has an escape that JSON does not have")]
    Escape,
    #[error("one of its texts has a control character that is not escaped")]
    Control,
}

/// Reads an object and hands the top-level members that `wanted` names to `member`, with what `wanted` said of them. The
/// whole text is checked, whatever is wanted of it.
///
/// # Errors
/// [`JsonError::Malformed`] before [`JsonError::NotAnObject`].
pub fn read_object<'a, W>(
    text: &'a str,
    wanted: impl Fn(&str) -> Option<W>,
    mut member: impl FnMut(W, Cow<'a, str>, Value<'a>),
) -> Result<(), JsonError> {
    let mut reader = Reader::new(text);
    let is_object = reader.document(|reader, name| {
        match wanted(name) {
            Some(as_what) => {
                let value = reader.value(1)?;
                member(as_what, name.clone(), value);
            }
            None => reader.skip(1)?,
        }
        Ok(())
    });
    match is_object {
        Ok(true) => Ok(()),
        Ok(false) => Err(JsonError::NotAnObject),
        Err(_) => Err(JsonError::Malformed(reader.fault())),
    }
}

/// The value of one top-level member as its text stands there, if the object has it. The whole text is checked, as by [`read_object`].
///
/// # Errors
/// [`JsonError`].
pub fn member_text<'a>(text: &'a str, wanted: &str) -> Result<Option<&'a str>, JsonError> {
    let (mut reader, mut found) = (Reader::new(text), None);
    let is_object = reader.document(|reader, name| {
        let value = reader.text_of_value(1)?;
        if name == wanted {
            found = Some(value);
        }
        Ok(())
    });
    match is_object {
        Ok(true) => Ok(found),
        Ok(false) => Err(JsonError::NotAnObject),
        Err(_) => Err(JsonError::Malformed(reader.fault())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Value<'_>)>, JsonError> {
        let mut members = Vec::new();
        read_object(text, |_| Some(()), |(), name, value| members.push((name.into_owned(), value)))?;
        Ok(members)
    }

    #[test]
    fn hands_over_every_member() {
        let members = read(r#"{"a":1,"b":"x","c":[null,{"d":true}],"__proto__":{"a":1}}"#).unwrap();
        assert_eq!(members[0], ("a".into(), Value::Number(1.0)));
        assert_eq!(members[2].1, Value::Array(vec![Value::Null, Value::Object(vec![("d".into(), Value::Bool(true))])]));
        assert_eq!(members[3].1.member("a"), Some(&Value::Number(1.0)));
        assert_eq!(members[3].0, "__proto__");
    }

    #[test]
    fn gives_a_members_own_text() {
        let text = r#" {"a" : {"b": [1, "}"]} , "c\u0064":"x"}"#;
        assert_eq!(member_text(text, "a"), Ok(Some(r#"{"b": [1, "}"]}"#)));
        assert_eq!(member_text(text, "cd"), Ok(Some("\"x\"")));
        assert_eq!(member_text(text, "b"), Ok(None));
        assert_eq!(member_text("[]", "a"), Err(JsonError::NotAnObject));
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1}x"#, r#"{"x":{"b":1,"b":2},"a":1}"#, r#"{"a":1"#] {
            assert!(matches!(member_text(text, "a"), Err(JsonError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn refuses_duplicates_at_every_level() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[[{"a":1,"a":2}]]}"#,
            r#"{"__proto__":1,"__proto__":2}"#,
        ] {
            assert!(matches!(read(text), Err(JsonError::Malformed(JsonFault::Duplicate(_)))), "{text}");
        }
        let many = (0..100).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(",");
        assert!(read(&format!("{{{many}}}")).is_ok());
        assert!(read(&format!("{{{many},\"99\":0}}")).is_err());
        let twice = format!("{{{many},\"3\":0}}");
        assert_eq!(read(&twice), Err(JsonError::Malformed(JsonFault::Duplicate("3".into()))));
    }

    #[test]
    fn bounds_the_nesting() {
        const TOO_DEEP: Result<Vec<(String, Value<'_>)>, JsonError> = Err(JsonError::Malformed(JsonFault::Depth));
        let nested = |levels: usize| format!("{{\"a\":{}0{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 1)), TOO_DEEP);
        assert_eq!(read(&nested(100_000)), TOO_DEEP);
        assert_eq!(read(&"[".repeat(100_000)), TOO_DEEP);
    }

    #[test]
    fn refuses_what_other_parsers_read_otherwise() {
        let table = [
            ("", JsonFault::Cut),
            ("{", JsonFault::Cut),
            (r#"{"a":"x"#, JsonFault::Cut),
            (r#"{"a":tru"#, JsonFault::Syntax),
            ("{}x", JsonFault::Trailing),
            ("{} {}", JsonFault::Trailing),
            ("\u{feff}{}", JsonFault::Syntax),
            (r#"{"a":1e400}"#, JsonFault::Number),
            (r#"{"a":-1e400}"#, JsonFault::Number),
            (r#"{"a":NaN}"#, JsonFault::Syntax),
            (r#"{"a":01}"#, JsonFault::Syntax),
            (r#"{"a":"\ud800"}"#, JsonFault::Surrogate),
            (r#"{"a":"\ud800\u0041"}"#, JsonFault::Surrogate),
            (r#"{"a":"\udc00"}"#, JsonFault::Surrogate),
            (r#"{"a":"\x"}"#, JsonFault::Escape),
            (r#"{"a":"\u00g0"}"#, JsonFault::Escape),
            ("{\"a\":\"\u{1}\"}", JsonFault::Control),
            ("{'a':1}", JsonFault::Syntax),
            (r#"{"a":1,}"#, JsonFault::Syntax),
            ("{\"a\":1/**/}", JsonFault::Syntax),
            ("{\"a\":1}\0", JsonFault::Trailing),
        ];
        for (text, fault) in table {
            assert_eq!(read(text), Err(JsonError::Malformed(fault)), "{text:?}");
        }
        for text in ["null", "1", "1.5", "-1", "\"x\"", "true", "[]", "[{}]"] {
            assert_eq!(read(text), Err(JsonError::NotAnObject), "{text}");
        }
    }
}
