//! The grammar of RFC 8259, read byte by byte and strings eight bytes at a time.

use std::borrow::Cow;

use super::names::Names;
use super::{JsonFault, MAX_DEPTH, Value};
use crate::details::printable;

/// How much of a member's name is shown, in characters.
const MAX_NAME: usize = 64;

/// The text is not JSON, or not JSON that reads the same everywhere. The [`Reader`] keeps the cause, so that results
/// stay small.
#[derive(Debug)]
pub struct Unreadable;

type Read<T> = Result<T, Unreadable>;

/// A text and the place up to which it has been read.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    names: Names<'a>,
    /// Why the reading stopped, where the cause is more specific than a character that JSON does not have at this
    /// place.
    fault: Option<JsonFault>,
}

impl<'a> Reader<'a> {
    /// At the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, names: Names::new(), fault: None }
    }

    /// Reads the whole text as one value. If that is an object, `member` reads each of its values and this is true. Anything
    /// else is still read to its end, so that malformed text is distinguished from JSON of the wrong shape.
    pub fn document(&mut self, member: impl FnMut(&mut Self, &Cow<'a, str>) -> Read<()>) -> Read<bool> {
        self.space();
        let is_object = self.peek() == Some(b'{');
        if is_object {
            self.members(member)?;
        } else {
            self.skip(0)?;
        }
        self.space();
        if self.peek().is_none() { Ok(is_object) } else { self.fails(JsonFault::Trailing) }
    }

    /// Why the reading stopped.
    pub fn fault(self) -> JsonFault {
        let ended = self.peek().is_none();
        self.fault.unwrap_or(if ended { JsonFault::Cut } else { JsonFault::Syntax })
    }

    #[cold]
    fn fails<T>(&mut self, fault: JsonFault) -> Read<T> {
        self.fault = Some(fault);
        Err(Unreadable)
    }

    /// Reads a value with `depth` arrays and objects open around it.
    pub fn value(&mut self, depth: usize) -> Read<Value<'a>> {
        self.space();
        match self.peek().ok_or(Unreadable)? {
            b'"' => self.string().map(Value::String),
            b'{' => {
                let (depth, mut members) = (self.deeper(depth)?, Vec::new());
                self.members(|reader, name| {
                    members.push((name.clone(), reader.value(depth)?));
                    Ok(())
                })?;
                Ok(Value::Object(members))
            }
            b'[' => {
                let (depth, mut items) = (self.deeper(depth)?, Vec::new());
                self.items(|reader| {
                    items.push(reader.value(depth)?);
                    Ok(())
                })?;
                Ok(Value::Array(items))
            }
            b't' => self.word(b"true").map(|()| Value::Bool(true)),
            b'f' => self.word(b"false").map(|()| Value::Bool(false)),
            b'n' => self.word(b"null").map(|()| Value::Null),
            _ => self.number().map(Value::Number),
        }
    }

    /// [`Self::value`] without keeping anything: refuses exactly what that refuses.
    pub fn skip(&mut self, depth: usize) -> Read<()> {
        self.space();
        match self.peek().ok_or(Unreadable)? {
            b'"' => self.skip_string(),
            b'{' => {
                let depth = self.deeper(depth)?;
                self.members(|reader, _| reader.skip(depth))
            }
            b'[' => {
                let depth = self.deeper(depth)?;
                self.items(|reader| reader.skip(depth))
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number().map(drop),
        }
    }

    /// [`Self::skip`], and the text of what it skipped.
    pub fn text_of_value(&mut self, depth: usize) -> Read<&'a str> {
        self.space();
        let begin = self.at;
        self.skip(depth)?;
        self.since(begin)
    }

    /// Reads an object; `member` reads each value. No name may be there twice (RFC 7515 4, RFC 7519 4).
    fn members(&mut self, mut member: impl FnMut(&mut Self, &Cow<'a, str>) -> Read<()>) -> Read<()> {
        self.step();
        self.space();
        if self.takes(b'}') {
            return Ok(());
        }
        let mut object = self.names.open();
        loop {
            let name = self.string()?;
            self.space();
            if !self.takes(b':') {
                return Err(Unreadable);
            }
            if !self.names.insert(&mut object, &name) {
                return self.fails(JsonFault::Duplicate(printable(&name, MAX_NAME)));
            }
            member(self, &name)?;
            self.space();
            if self.takes(b'}') {
                self.names.close(&object);
                return Ok(());
            }
            if !self.takes(b',') {
                return Err(Unreadable);
            }
            self.space();
        }
    }

    /// Reads an array; `item` reads each value.
    fn items(&mut self, mut item: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.step();
        self.space();
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            self.space();
            if self.takes(b']') {
                return Ok(());
            }
            if !self.takes(b',') {
                return Err(Unreadable);
            }
        }
    }

    fn skip_string(&mut self) -> Read<()> {
        self.step();
        self.plain();
        if self.takes(b'"') { Ok(()) } else { self.escaped("").map(drop) }
    }

    fn string(&mut self) -> Read<Cow<'a, str>> {
        if !self.takes(b'"') {
            return Err(Unreadable);
        }
        let begin = self.at;
        self.plain();
        let text = self.since(begin)?;
        if self.takes(b'"') { Ok(Cow::Borrowed(text)) } else { self.escaped(text).map(Cow::Owned) }
    }

    /// The rest of a string that begins with `text` and goes on with something that does not stand for itself.
    fn escaped(&mut self, text: &str) -> Read<String> {
        let mut text = text.to_owned();
        loop {
            match self.next()? {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escape()?),
                // RFC 8259 7.
                _ => return self.fails(JsonFault::Control),
            }
            let begin = self.at;
            self.plain();
            text.push_str(self.since(begin)?);
        }
    }

    fn escape(&mut self) -> Read<char> {
        Ok(match self.next()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return self.fails(JsonFault::Escape),
        })
    }

    /// A lone surrogate is no character, and parsers disagree about what it is (RFC 8259 8.2).
    fn code_point(&mut self) -> Read<char> {
        let first = self.code_unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).map_or_else(|| self.fails(JsonFault::Surrogate), Ok);
        }
        if !(self.takes(b'\\') && self.takes(b'u')) {
            return self.fails(JsonFault::Surrogate);
        }
        let pair = [first, self.code_unit()?].map(|unit| u16::try_from(unit).unwrap_or_default());
        let pair = char::decode_utf16(pair).next().and_then(Result::ok);
        pair.map_or_else(|| self.fails(JsonFault::Surrogate), Ok)
    }

    fn code_unit(&mut self) -> Read<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = char::from(self.next()?).to_digit(16) else { return self.fails(JsonFault::Escape) };
            unit = (unit << 4) | digit;
        }
        Ok(unit)
    }

    /// Moves to the next byte of a string that does not stand for itself: a quotation mark, a backslash or a control
    /// character. Eight bytes at a time: most strings take one or two steps.
    fn plain(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let (words, tail) = rest.as_chunks::<8>();
        let mut length = 0_usize;
        for word in words {
            let found = ends_plain(u64::from_le_bytes(*word));
            if found != 0 {
                // The lowest bit found is exact, and eight bits are a byte.
                self.forward(length.wrapping_add((found.trailing_zeros() >> 3) as usize));
                return;
            }
            length = length.wrapping_add(8);
        }
        let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
        self.forward(length.wrapping_add(tail.iter().take_while(|byte| plain(byte)).count()));
    }

    /// RFC 8259 6. Numbers are doubles, as in JavaScript; one that is no finite double is refused.
    fn number(&mut self) -> Read<f64> {
        let begin = self.at;
        let is_negative = self.takes(b'-');
        let mut integer = 0_u64;
        let digits = match self.next()? {
            b'0' => 1,
            first @ b'1'..=b'9' => {
                integer = u64::from(first & 15);
                let mut digits = 1_usize;
                while let Some(digit @ b'0'..=b'9') = self.peek() {
                    self.step();
                    integer = integer.wrapping_mul(10).wrapping_add(u64::from(digit & 15));
                    digits = digits.wrapping_add(1);
                }
                digits
            }
            _ => return Err(Unreadable),
        };
        let has_fraction = self.takes(b'.');
        if has_fraction {
            self.digits()?;
        }
        let has_exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if has_exponent {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        // 15 digits are below 2^53: a double holds them exactly.
        if !has_fraction && !has_exponent && digits <= 15 {
            #[allow(clippy::cast_precision_loss, reason = "there is none")]
            let number = integer as f64;
            return Ok(if is_negative { -number } else { number });
        }
        let number: f64 = self.since(begin)?.parse().map_err(|_| Unreadable)?;
        if number.is_finite() { Ok(number) } else { self.fails(JsonFault::Number) }
    }

    /// One digit or more.
    fn digits(&mut self) -> Read<()> {
        if !self.next()?.is_ascii_digit() {
            return Err(Unreadable);
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.step();
        }
        Ok(())
    }

    /// Opens an array or object within `depth` others.
    fn deeper(&mut self, depth: usize) -> Read<usize> {
        if depth >= MAX_DEPTH { self.fails(JsonFault::Depth) } else { Ok(depth.wrapping_add(1)) }
    }

    fn word<const N: usize>(&mut self, word: &[u8; N]) -> Read<()> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.first_chunk() != Some(word) {
            return Err(Unreadable);
        }
        self.forward(N);
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.step();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Read<u8> {
        let byte = self.peek().ok_or(Unreadable)?;
        self.step();
        Ok(byte)
    }

    /// Whether the next byte is this one; if so, moves past it.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.step();
        }
        is_next
    }

    const fn step(&mut self) {
        self.forward(1);
    }

    /// Never past the text's end by more than one byte, so that nothing wraps.
    const fn forward(&mut self, bytes: usize) {
        self.at = self.at.wrapping_add(bytes);
    }

    /// The text from `begin` to here. Both are at an ASCII character or the end, so that there is always one.
    fn since(&self, begin: usize) -> Read<&'a str> {
        self.text.get(begin..self.at).ok_or(Unreadable)
    }
}

const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// A bit in each byte that is a quotation mark, a backslash or a control character. Bits above the lowest one may be false.
const fn ends_plain(word: u64) -> u64 {
    // A quotation mark with this bit turned is a space, and control characters stay below that; nothing else gets there.
    let control = (word ^ each(b'"' ^ b' ')).wrapping_sub(each(b' ' + 1));
    let backslash = (word ^ each(b'\\')).wrapping_sub(each(1));
    // What has its upper bit set is part of a longer character.
    (control | backslash) & !word & each(0x80)
}
