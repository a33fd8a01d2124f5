//! One strict reading of JSON (RFC 8259) for the JOSE header and the claims.
//!
//! RFC 7515 4 and RFC 7519 4 want member names unique; RFC 8725 2.4 warns of parsers that disagree. What passes here
//! reads the same in every JSON parser: no duplicate member at any level, numbers finite, nesting bounded, strings of
//! Unicode scalar values only. Every request comes through here, so the text is read once, and nothing is copied or
//! allocated for what nobody asked for.

mod names;
#[cfg(test)]
mod oracle;
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

/// What is wrong with a text that is no acceptable JSON. Of the text itself it has no more than the name of a member.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    /// What a reading says: the members asked for, or the error.
    type Said<'a> = Result<Vec<(String, Value<'a>)>, JsonError>;

    fn new_and_old<'a>(text: &'a str, wanted: impl Fn(&str) -> bool) -> (Said<'a>, Said<'a>) {
        let (mut new, mut old) = (Vec::new(), Vec::new());
        let read =
            read_object(text, |name| wanted(name).then_some(()), |(), name, value| new.push((name.into(), value)));
        let known = oracle::read_object(text, &wanted, |name, value| old.push((name.into(), value)));
        (read.map(|()| new), known.map(|()| old))
    }

    fn assert_agrees(text: &str) {
        for wanted in [|_: &str| true, |_: &str| false, |name: &str| name.len().is_multiple_of(2)] {
            let (new, old) = new_and_old(text, wanted);
            let same = match (&new, &old) {
                (Ok(new), Ok(old)) => {
                    new.len() == old.len() && new.iter().zip(old).all(|(a, b)| a.0 == b.0 && oracle::alike(&a.1, &b.1))
                }
                // What is wrong the old reading does not say.
                (Err(new), Err(old)) => (*new == JsonError::NotAnObject) == (*old == JsonError::NotAnObject),
                _ => false,
            };
            assert!(same, "{text:?}: {new:?} instead of {old:?}");
        }
    }

    const SAMPLE: &str = concat!(
        r#"{"iss":"https://idp.example","aud":["a","b"],"exp":1900000000,"nbf":1.5e9,"x":-0.25,"#,
        r#" "e\u00e9\ud83d\ude00\n":"\"\\\/\b","é😀":{"a":{"b":[[],{},null,true,false]}},"n":{"n":[{"n":0}]} }"#
    );

    #[test]
    fn agrees_with_the_old_reading_on_every_change_of_one_character() {
        assert_agrees(SAMPLE);
        let places: Vec<usize> = SAMPLE.char_indices().map(|(place, _)| place).chain([SAMPLE.len()]).collect();
        for pair in places.windows(2) {
            let (before, after) = (&SAMPLE[..pair[0]], &SAMPLE[pair[1]..]);
            assert_agrees(before);
            assert_agrees(&format!("{before}{after}"));
            for code in 0..=0x80_u8 {
                assert_agrees(&format!("{before}{}{after}", char::from(code)));
                assert_agrees(&format!("{before}{}{}", char::from(code), &SAMPLE[pair[0]..]));
            }
        }
    }

    #[test]
    fn agrees_with_the_old_reading_on_strings_of_every_length() {
        for length in 0..40 {
            for code in (0..=0x80_u32).chain([0x7ff, 0x800, 0xfffd, 0xffff, 0x10000, 0x10_ffff]) {
                let odd = char::from_u32(code).unwrap();
                for place in 0..=length {
                    let (before, after) = ("x".repeat(place), "y".repeat(length - place));
                    assert_agrees(&format!(r#"{{"{before}{odd}{after}":"{before}{odd}{after}"}}"#));
                }
            }
        }
        for unit in (0..=0xffff_u32).step_by(0x80).chain(0xd7fe..0xd802).chain(0xdbfe..0xdc02).chain(0xdffe..0xe002) {
            for second in ["", "x", "\\", "\\n", "\\udbff", "\\udc00", "\\uDFFF", "\\ue000", "\\u00"] {
                assert_agrees(&format!(r#"{{"a":"\u{unit:04x}{second}","b":"\u{unit:04X}"}}"#));
            }
        }
    }

    #[test]
    fn reads_numbers_as_javascript_does() {
        let number = |text: &str| match read(&format!(r#"{{"a":{text}}}"#)).as_deref() {
            Ok([(_, Value::Number(number))]) => Some(number.to_bits()),
            _ => None,
        };
        // The nearest double, ties to even: what `JSON.parse` gives.
        for text in [
            "0",
            "-0",
            "7",
            "-7",
            "999999999999999",
            "9999999999999999",
            "9007199254740993",
            "-9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "123456789012345678901234567890",
            "0.1",
            "-0.0",
            "1.0",
            "1.7976931348623157e308",
            "2.2250738585072011e-308",
            "1.63293470267634e-309",
            "4.9e-324",
            "1e-400",
            "0e999",
            "1E+2",
            "1e0",
            "1.5E-3",
            "1900000000.000001",
            "0.30000000000000004",
            "8.41470984807896506652502321630e-1",
        ] {
            assert_eq!(number(text), text.parse::<f64>().ok().map(f64::to_bits), "{text}");
            assert_agrees(&format!(r#"{{"a":{text}}}"#));
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1.e1",
            "0x1",
            "1_0",
            "١",
            "1e309",
            "-1e309",
            "Infinity",
            "-Infinity",
            "NaN",
            "1f",
            "--1",
            "1.5.5",
            "1e5e5",
        ] {
            assert_eq!(number(text), None, "{text}");
            assert_agrees(&format!(r#"{{"a":{text}}}"#));
        }
        assert_eq!(number(&"9".repeat(309)), None);
        assert_eq!(number(&"9".repeat(308)), "9".repeat(308).parse::<f64>().ok().map(f64::to_bits));
    }

    #[test]
    fn an_object_of_thousands_of_members_costs_no_square() {
        let members = |count: usize| (0..count).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(",");
        for count in [31, 32, 33, 34, 64, 65, 8000] {
            assert_agrees(&format!("{{{}}}", members(count)));
            assert_agrees(&format!("{{\"x\":{{{}}},\"y\":{{\"0\":0}}}}", members(count)));
            for again in [0, 30, 31, 32, count - 1] {
                assert_agrees(&format!("{{\"x\":{{{},\"{again}\":0}}}}", members(count)));
            }
        }
    }

    /// Mostly JSON; names and texts from a small store, so that some of them meet again.
    fn json() -> impl Strategy<Value = String> {
        let space = prop::sample::select(vec!["", "", "", " ", "\n\t\r "]);
        let text = prop_oneof![
            3 => "[a-c]{0,2}",
            2 => "[ -~]{0,20}",
            1 => "\\PC{0,12}",
            1 => prop::collection::vec(
                prop::sample::select(vec!["\\n", "\\u0061", "\\ud83d\\ude00", "\\ud83d", "\\/", "\\x", "é", "a", "\u{1}"]),
                0..6,
            )
            .prop_map(|parts| parts.concat()),
        ]
        .prop_map(|text| format!("\"{text}\""));
        let leaf = prop_oneof![
            2 => text.clone(),
            1 => any::<f64>().prop_map(|number| format!("{number:?}")),
            1 => any::<i64>().prop_map(|number| number.to_string()),
            1 => "-?[0-9]{1,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,3})?",
            1 => prop::sample::select(vec!["null", "true", "false", "nul", ""]).prop_map(str::to_owned),
        ];
        leaf.prop_recursive(20, 60, 6, move |inner| {
            let member = (text.clone(), space.clone(), inner.clone());
            let members =
                prop::collection::vec(member.prop_map(|(name, space, value)| format!("{name}{space}:{value}")), 0..6);
            let items = prop::collection::vec((space.clone(), inner), 0..4);
            let items =
                items.prop_map(|items| items.into_iter().map(|(space, item)| format!("{item}{space}")).collect());
            prop_oneof![
                2 => (members, space.clone()).prop_map(|(members, space)| format!("{{{space}{}}}", members.join(","))),
                1 => items.prop_map(|items: Vec<String>| format!("[{}]", items.join(", "))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn agrees_with_the_old_reading_on_random_json_and_what_becomes_of_it(
            text in json(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(ODD.to_vec())), 0..3),
        ) {
            assert_agrees(&text);
            let text = format!("{{\"a\":{text}}}");
            assert_agrees(&text);
            let mut letters: Vec<char> = text.chars().collect();
            for (place, odd) in changes {
                let place = place.index(letters.len());
                letters[place] = odd;
            }
            assert_agrees(&letters.into_iter().collect::<String>());
        }

        #[test]
        fn agrees_with_the_old_reading_on_random_text(text in "[\\[\\]{}:,\"\\\\0-9a-fu+.eE\\- é]{0,24}") {
            assert_agrees(&text);
            assert_agrees(&format!("{{\"a\":{text}}}"));
        }
    }

    const ODD: [char; 16] = ['"', '\\', '{', '}', '[', ']', ':', ',', '0', '-', '.', 'e', 'u', ' ', '\u{1f}', 'é'];
}
