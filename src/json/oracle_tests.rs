//! The reading, held against the slow one in `oracle`: on every change of one character, on strings and numbers of every
//! form, on random JSON.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Vec<(String, Value<'_>)>, JsonError> {
    let mut members = Vec::new();
    read_object(text, |_| Some(()), |(), name, value| members.push((name.into_owned(), value)))?;
    Ok(members)
}

/// What a reading says: the members asked for, or the error.
type Said<'a> = Result<Vec<(String, Value<'a>)>, JsonError>;

fn both_readings<'a>(text: &'a str, wanted: impl Fn(&str) -> bool) -> (Said<'a>, Said<'a>) {
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    let read = read_object(text, |name| wanted(name).then_some(()), |(), name, value| fast.push((name.into(), value)));
    let known = oracle::read_object(text, &wanted, |name, value| slow.push((name.into(), value)));
    (read.map(|()| fast), known.map(|()| slow))
}

fn assert_agrees(text: &str) {
    for wanted in [|_: &str| true, |_: &str| false, |name: &str| name.len().is_multiple_of(2)] {
        let (fast, slow) = both_readings(text, wanted);
        let same = match (&fast, &slow) {
            (Ok(fast), Ok(slow)) => {
                fast.len() == slow.len() && fast.iter().zip(slow).all(|(a, b)| a.0 == b.0 && oracle::alike(&a.1, &b.1))
            }
            // The slow reading does not say what is wrong.
            (Err(fast), Err(slow)) => (*fast == JsonError::NotAnObject) == (*slow == JsonError::NotAnObject),
            _ => false,
        };
        assert!(same, "{text:?}: {fast:?} instead of {slow:?}");
    }
}

const SAMPLE: &str = concat!(
    r#"{"iss":"https://idp.example","aud":["a","b"],"exp":1900000000,"nbf":1.5e9,"x":-0.25,"#,
    r#" "e\u00e9\ud83d\ude00\n":"\"\\\/\b","é😀":{"a":{"b":[[],{},null,true,false]}},"n":{"n":[{"n":0}]} }"#
);

#[test]
fn agrees_with_the_slow_reading_on_every_change_of_one_character() {
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
fn agrees_with_the_slow_reading_on_strings_of_every_length() {
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
        let items = items.prop_map(|items| items.into_iter().map(|(space, item)| format!("{item}{space}")).collect());
        prop_oneof![
            2 => (members, space.clone()).prop_map(|(members, space)| format!("{{{space}{}}}", members.join(","))),
            1 => items.prop_map(|items: Vec<String>| format!("[{}]", items.join(", "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn agrees_with_the_slow_reader_on_random_json_and_its_mutations(
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
    fn agrees_with_the_slow_reading_on_random_text(text in "[\\[\\]{}:,\"\\\\0-9a-fu+.eE\\- é]{0,24}") {
        assert_agrees(&text);
        assert_agrees(&format!("{{\"a\":{text}}}"));
    }
}

const ODD: [char; 16] = ['"', '\\', '{', '}', '[', ']', ':', ',', '0', '-', '.', 'e', 'u', ' ', '\u{1f}', 'é'];
