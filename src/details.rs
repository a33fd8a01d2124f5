//! Details beside a refusal's code that an operator can compare. For logs and callers of the API, never for clients.

use std::fmt;

/// How many characters of each are kept: enough for a URL, a scope list or an issuer.
pub const MOST_CHARACTERS: usize = 200;

/// Details of a refusal. Whatever is put in is bounded here and printable, so that text from outside can neither flood nor
/// forge a log line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    reason: Option<Box<str>>,
    host: Option<Box<str>>,
    expected: Option<Box<str>>,
    got: Option<Box<str>>,
    /// Whether the message they stand beside does not say what was expected.
    unsaid: bool,
}

impl Details {
    /// The cause within the code, a stable word: `tls-expired`.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = Some(printable(reason, MOST_CHARACTERS));
        self
    }

    /// The host that was asked, or the proxy on the way to it.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(printable(host, MOST_CHARACTERS));
        self
    }

    /// What the policy wants.
    #[must_use]
    pub fn expected(mut self, expected: &str) -> Self {
        self.expected = Some(printable(expected, MOST_CHARACTERS));
        self
    }

    /// What came instead.
    #[must_use]
    pub fn got(mut self, got: &str) -> Self {
        self.got = Some(printable(got, MOST_CHARACTERS));
        self
    }

    /// What the policy wants, where the message itself has no words for it.
    #[must_use]
    pub fn unsaid(self, expected: &str) -> Self {
        Self { unsaid: true, ..self.expected(expected) }
    }

    /// Reason, host, expected and got, in the order in which they are passed to JavaScript.
    pub fn all(&self) -> [Option<&str>; 4] {
        [&self.reason, &self.host, &self.expected, &self.got].map(Option::as_deref)
    }
}

impl fmt::Display for Details {
    /// The addition to a message: the host. The message itself has reason, expected and got in words, unless it cannot know what was
    /// expected.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(expected) = self.expected.as_ref().filter(|_| self.unsaid) {
            write!(f, "; expected {expected}")?;
        }
        self.host.as_ref().map_or(Ok(()), |host| write!(f, " (host {host})"))
    }
}

/// The beginning of a text, at most `most` characters, with U+FFFD for whatever is not shown as itself: control characters, line separators, and those
/// that change the direction of what follows.
pub fn printable(text: &str, most: usize) -> Box<str> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut characters = text.chars().map(|c| if hidden(c) { '\u{fffd}' } else { c });
    let mut kept: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detail_is_bounded_and_printable() {
        let long = "x".repeat(MOST_CHARACTERS + 1);
        let all = |text: &str| Details::default().reason(text).host(text).expected(text).got(text);
        for shown in all(&long).all() {
            assert_eq!(shown.unwrap().chars().count(), MOST_CHARACTERS);
            assert!(shown.unwrap().ends_with('…'));
        }
        for shown in all("a\r\n\u{1b}[31m\u{202e}\u{2028}é").all() {
            assert_eq!(shown, Some("a\u{fffd}\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}é"));
        }
        let shown = Details::default().reason("status").host("h").expected("e").got("g");
        assert_eq!(shown.to_string(), " (host h)");
        assert_eq!(Details::default().host("h").unsaid("e").to_string(), "; expected e (host h)");
        assert_eq!(Details::default().to_string(), "");
        let full = "é".repeat(MOST_CHARACTERS);
        assert_eq!(all(&full).all(), [Some(&*full); 4]);
        assert_eq!(Details::default().all(), [None; 4]);
    }
}
