//! White space as ECMAScript defines it (ECMA-262 12.2 and 12.3), which is what LibreChat splits and trims by.
//!
//! It is not Rust's: U+FEFF is white space here and U+0085 is not.

/// Whether JavaScript's `\s` and `String.prototype.trim` take this character for white space.
pub const fn is_whitespace(c: char) -> bool {
    matches!(
        c,
        '\u{9}'..='\u{d}'
            | ' '
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
            | '\u{feff}'
    )
}

/// `text` without leading and trailing white space.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_whitespace)
}

/// Whether nothing but white space is in `text`.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_whitespace)
}

/// The words of `text`, split at runs of white space.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_whitespace).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_ecmascript_where_rust_differs() {
        assert!(is_whitespace('\u{feff}') && is_whitespace('\u{a0}'));
        assert!(!is_whitespace('\u{85}') && !is_whitespace('\u{180e}') && !is_whitespace('\u{200b}'));
        assert_eq!(trim("\u{feff}\ta b\u{a0}"), "a b");
        assert_eq!(trim("\u{85}a"), "\u{85}a");
        assert_eq!(words(" a \u{3000} b\n").collect::<Vec<_>>(), ["a", "b"]);
        assert!(is_blank("") && is_blank("\u{2028} ") && !is_blank("\u{85}"));
    }
}
