//! What was expected and what came, in words for the operator: bounded, printable, and with the difference where the
//! two nearly agree. Made only for a refusal, never for an accepted token.

use std::borrow::Cow;
use std::fmt;

use crate::details::{MOST_CHARACTERS, printable};

/// What a rule asked for and what the token or document has instead. Never made of subjects or e-mail addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Mismatch(Box<Sides>);

#[derive(Clone, PartialEq, Eq)]
struct Sides {
    expected: Box<str>,
    got: Box<str>,
    note: Option<&'static str>,
}

impl Mismatch {
    /// Of two texts as they stand.
    pub fn new(expected: &str, got: &str) -> Self {
        Self(Box::new(Sides {
            expected: printable(expected, MOST_CHARACTERS),
            got: printable(got, MOST_CHARACTERS),
            note: None,
        }))
    }

    /// Of the names of which one was expected, and those that came; notes the difference where two of them nearly
    /// agree.
    pub fn of_names(expected: &[&str], got: &[&str]) -> Self {
        let near = expected
            .iter()
            .flat_map(|ours| got.iter().map(move |theirs| near_miss(ours, theirs)))
            .find_map(|near| near);
        let [expected, got] = [
            listed(expected.iter().map(|name| without_credentials(name))),
            listed(got.iter().map(|name| without_address(name).into())),
        ];
        Self::new(&expected, &got).noting(near)
    }

    /// Adds a note, unless there is one.
    #[must_use]
    pub fn noting(mut self, note: Option<&'static str>) -> Self {
        self.0.note = self.0.note.or(note);
        self
    }

    /// What was expected: the policy's.
    pub fn expected(&self) -> &str {
        &self.0.expected
    }

    /// What came: the token's or the provider's.
    pub fn got(&self) -> &str {
        &self.0.got
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What came is part of a token.
        f.debug_struct("Mismatch").field("expected", &self.0.expected).finish_non_exhaustive()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sides { expected, got, note } = &*self.0;
        write!(f, "expected {expected}, got {got}")?;
        note.map_or(Ok(()), |note| write!(f, " ({note})"))
    }
}

/// How much of a document's text a [`Seen`] keeps, in bytes: real issuers are shorter.
const SEEN_BYTES: usize = 79;

/// A name that came instead of another, for errors that must be `Copy`: short, printable, with the difference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    bytes: [u8; SEEN_BYTES],
    length: u8,
    note: Option<&'static str>,
}

impl Seen {
    /// What came instead of `expected`.
    pub fn instead_of(expected: &str, got: &str) -> Self {
        let shown = printable(without_address(got), SEEN_BYTES);
        let ends = shown.char_indices().map(|(begin, letter)| begin.saturating_add(letter.len_utf8()));
        let length = ends.take_while(|end| *end <= SEEN_BYTES).last().unwrap_or_default();
        let mut bytes = [0; SEEN_BYTES];
        for (place, byte) in bytes.iter_mut().zip(shown.bytes().take(length)) {
            *place = byte;
        }
        Self { bytes, length: u8::try_from(length).unwrap_or_default(), note: near_miss(expected, got) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.bytes.get(..usize::from(self.length)).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Beside what was expected.
    pub fn beside(&self, expected: &str) -> Mismatch {
        let seen = Some(self.name()).filter(|name| !name.is_empty());
        Mismatch::of_names(&[expected], &seen.into_iter().collect::<Vec<_>>()).noting(self.note)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name().is_empty() {
            return f.write_str("nothing");
        }
        write!(f, "\"{}\"", self.name())?;
        self.note.map_or(Ok(()), |note| write!(f, " ({note})"))
    }
}

/// What came, without what may be the address of a person: nothing of a text that has an `@`.
pub fn without_address(text: &str) -> &str {
    if text.contains('@') { "<address>" } else { text }
}

/// A URL without the name and the password that may stand before its host (RFC 3986 3.2.1); any other text as it is.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = at_authority(text) else { return text.into() };
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let hidden = rest.split_at_checked(end).and_then(|(authority, path)| Some((authority.rsplit_once('@')?.1, path)));
    hidden.map_or(Cow::Borrowed(text), |(host, path)| Cow::Owned(format!("{scheme}{host}{path}")))
}

/// A text in two, before its authority. The URL Standard, by which URLs are read here, has that after any number of slashes of both
/// kinds where the scheme is http or https: `https:name:password@host` is such a URL, too.
fn at_authority(text: &str) -> Option<(&str, &str)> {
    let after_scheme = text.split_once(':').and_then(|(scheme, rest)| {
        let is_web = ["http", "https"].iter().any(|name| scheme.trim_start().eq_ignore_ascii_case(name));
        is_web.then(|| rest.trim_start_matches(['/', '\\']))
    });
    let rest = after_scheme.or_else(|| text.split_once("//").map(|(_, rest)| rest))?;
    text.split_at_checked(text.len().saturating_sub(rest.len()))
}

/// Names in quotation marks, or that there is none.
fn listed<'n>(names: impl Iterator<Item = Cow<'n, str>>) -> String {
    // A list is cut off long before its end matters.
    let quoted: Vec<String> = names.take(MOST_CHARACTERS).map(|name| format!("\"{name}\"")).collect();
    if quoted.is_empty() { "nothing".to_owned() } else { quoted.join(", ") }
}

const DISCOVERY_SUFFIX: &str = "/.well-known/openid-configuration";

/// The audience of tokens for Microsoft Graph: its application id, and its URL.
const GRAPH: [&str; 2] = ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"];

/// The difference between two texts that a reader could take for the same.
fn near_miss(ours: &str, theirs: &str) -> Option<&'static str> {
    let (ours, theirs) = (Spelling::of(ours), Spelling::of(theirs));
    let entra = |a: &Spelling<'_>, b: &Spelling<'_>| {
        a.text.starts_with("https://sts.windows.net/") && b.text.starts_with("https://login.microsoftonline.com/")
    };
    if ours.text == theirs.text {
        Some("they differ in white space around them")
    } else if ours.bare == theirs.bare {
        Some("they differ in a trailing slash")
    } else if ours.bare.eq_ignore_ascii_case(theirs.bare) {
        Some("they differ in upper and lower case")
    } else if ours.without_suffix() == theirs.without_suffix() {
        Some("one of them has the suffix of the discovery document")
    } else if ours.without_scheme() == theirs.without_scheme() {
        Some("one of them is http, the other https")
    } else if without_credentials(ours.bare) == theirs.bare {
        Some("the expected one has a user name or a password before its host")
    } else if ours.without_api() == theirs.without_api() {
        Some("one of them is the id, the other its api:// URI")
    } else if entra(&ours, &theirs) || entra(&theirs, &ours) {
        Some("these are Entra's issuers of version 1 and version 2; `issuer` takes a list of both")
    } else if GRAPH.contains(&theirs.bare) {
        Some("that is Microsoft Graph; request the token for this API's own scope or application id")
    } else {
        None
    }
}

struct Spelling<'t> {
    text: &'t str,
    /// Without slashes at the end.
    bare: &'t str,
}

impl<'t> Spelling<'t> {
    fn of(text: &'t str) -> Self {
        let text = text.trim();
        Self { text, bare: text.trim_end_matches('/') }
    }

    fn without_suffix(&self) -> String {
        self.bare.strip_suffix(DISCOVERY_SUFFIX).unwrap_or(self.bare).to_ascii_lowercase()
    }

    fn without_scheme(&self) -> String {
        let lower = self.without_suffix();
        lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")).unwrap_or(&lower).to_owned()
    }

    fn without_api(&self) -> String {
        let lower = self.bare.to_ascii_lowercase();
        lower.strip_prefix("api://").unwrap_or(&lower).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_name_and_no_password_of_a_url() {
        for (text, shown) in [
            ("https://user:pass@id.example/realms/a", "https://id.example/realms/a"),
            ("https://user@id.example", "https://id.example"),
            ("https://a@b:c@id.example?x=@", "https://id.example?x=@"),
            ("//user@id.example#@", "//id.example#@"),
            ("https://id.example/@team", "https://id.example/@team"),
            ("urn:a@b", "urn:a@b"),
            ("https:user:pass@id.example/a", "https:id.example/a"),
            (r"HTTPS:\\user:pass@id.example\a@b", r"HTTPS:\\id.example\a@b"),
            ("https:///user:pass@id.example", "https:///id.example"),
            (" http:/user:pass@id.example", " http:/id.example"),
            ("https:", "https:"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
        let mismatch = Mismatch::of_names(&["https://user:pass@id.example"], &["https://id.example"]);
        assert_eq!(mismatch.expected(), "\"https://id.example\"");
        assert!(mismatch.to_string().ends_with("(the expected one has a user name or a password before its host)"));
    }

    #[test]
    fn names_microsoft_graph_whose_id_nobody_knows_by_heart() {
        let mismatch = Mismatch::of_names(&["agents"], &["other", "00000003-0000-0000-c000-000000000000"]);
        assert!(mismatch.to_string().contains("(that is Microsoft Graph; request the token for this API"));
    }

    #[test]
    fn is_bounded_however_many_names_there_are() {
        let many = vec!["name"; 1000];
        let mismatch = Mismatch::of_names(&many, &many);
        assert_eq!([mismatch.expected(), mismatch.got()].map(|shown| shown.chars().count()), [MOST_CHARACTERS; 2]);
    }

    #[test]
    fn shows_no_address_that_came_and_every_one_that_was_expected() {
        let said = Mismatch::of_names(&["us@example.com"], &["ada@example.com", "api"]);
        assert_eq!([said.expected(), said.got()], [r#""us@example.com""#, r#""<address>", "api""#]);
        assert_eq!(Seen::instead_of("https://a", "https://ada@a").name(), "<address>");
    }

    #[test]
    fn keeps_the_beginning_of_a_name_without_allocating() {
        let seen = Seen::instead_of("https://a", "https://a/");
        assert_eq!(seen.to_string(), r#""https://a/" (they differ in a trailing slash)"#);
        assert_eq!(seen.beside("https://a").got(), r#""https://a/""#);
        let none = Seen::instead_of("https://a", "");
        assert_eq!([none.to_string(), none.beside("https://a").got().to_owned()], ["nothing", "nothing"]);
        for long in ["x".repeat(300), "\u{e9}".repeat(300), format!("x{}", "\u{20ac}".repeat(300))] {
            let name = Seen::instead_of("a", &long).name().to_owned();
            assert!(
                name.len() <= SEEN_BYTES && name.len() > SEEN_BYTES - 4 && long.starts_with(name.trim_end_matches('…'))
            );
        }
    }

    #[test]
    fn points_out_what_two_spellings_differ_in() {
        let table = [
            ("api", "api ", "white space"),
            ("https://a", "https://a/", "slash"),
            ("https://a/", "https://A", "case"),
            ("https://a", "https://a/.well-known/openid-configuration", "suffix"),
            ("http://a/b", "https://a/b", "http,"),
            ("api://1234", "1234", "api://"),
            ("1234", "api://1234", "api://"),
            ("https://login.microsoftonline.com/t/v2.0", "https://sts.windows.net/t/", "version 1"),
        ];
        for (ours, theirs, word) in table {
            let said = Mismatch::of_names(&["else", ours], &["other", theirs]).to_string();
            assert!(said.contains(word), "{ours} {theirs}: {said}");
        }
        let said = Mismatch::of_names(&["api"], &["account", "web"]).to_string();
        assert_eq!(said, r#"expected "api", got "account", "web""#);
        assert_eq!(Mismatch::of_names(&["api"], &[]).to_string(), r#"expected "api", got nothing"#);
        assert!(!format!("{:?}", Mismatch::new("api", "ada")).contains("ada"));
    }
}
