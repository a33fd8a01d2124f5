//! The reading of JSON that [`super::reader`] is compared with: slower, and its grammar is `serde_json`'s. Unit tests and the
//! rules of `fuzz/` compare.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{JsonError, JsonFault, MAX_DEPTH, Value};

/// Reads an object and hands the top-level members that `wanted` names to `member`. The whole text is checked, whatever is
/// wanted of it.
pub fn read_object<'a>(
    text: &'a str,
    wanted: impl Fn(&str) -> bool,
    mut member: impl FnMut(Cow<'a, str>, Value<'a>),
) -> Result<(), JsonError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let is_object = Top { wanted: &wanted, member: &mut member }
        .deserialize(&mut reader)
        .and_then(|is_object| reader.end().map(|()| is_object))
        .map_err(|_| JsonError::Malformed(JsonFault::Syntax))?;
    if is_object { Ok(()) } else { Err(JsonError::NotAnObject) }
}

/// Equal but for a number's last bits: `serde_json` rounds some of many digits wrongly, which
/// `reads_numbers_as_javascript_does` asks after. Below the normal numbers the last bits are always of the same size.
pub fn alike(new: &Value<'_>, old: &Value<'_>) -> bool {
    match (new, old) {
        (Value::Number(new), Value::Number(old)) => {
            new == old || (new - old).abs() <= old.abs().max(f64::MIN_POSITIVE) * 1e-15
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| alike(new, old))
        }
        (Value::Object(new), Value::Object(old)) => {
            let same = |((name, new), (known, old)): (&(_, Value<'_>), &(_, _))| name == known && alike(new, old);
            new.len() == old.len() && new.iter().zip(old).all(same)
        }
        (new, old) => new == old,
    }
}

/// Member names seen so far in one object. Most objects are small: a list beats a set there.
#[derive(Default)]
struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    const FEW: usize = 24;

    /// False if the name was there already.
    fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if self.few.contains(&name) || self.many.contains(&name) {
            return false;
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
            return true;
        }
        self.many.insert(name)
    }
}

struct MemberName;

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for MemberName {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

fn duplicate<E: de::Error>() -> E {
    // Never the name: it is the caller's text and this may reach a log.
    E::custom("duplicate member")
}

fn too_deep<E: de::Error>() -> E {
    E::custom("nested too deep")
}

/// Any value below the top. One that is not kept is checked all the same, and read as null.
#[derive(Clone, Copy)]
struct Inner {
    /// How many arrays and objects are open around it.
    depth: usize,
    keep: bool,
}

impl Inner {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep());
        }
        Ok(Self { depth: self.depth.saturating_add(1), keep: self.keep })
    }
}

impl<'de> DeserializeSeed<'de> for Inner {
    type Value = Value<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[allow(clippy::cast_precision_loss, reason = "JSON numbers are doubles to JavaScript, so they are here")]
impl<'de> Visitor<'de> for Inner {
    type Value = Value<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(flag))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(number as f64))
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(number as f64))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        if number.is_finite() { Ok(Value::Number(number)) } else { Err(E::custom("number out of range")) }
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(if self.keep { Value::String(Cow::Owned(text.to_owned())) } else { Value::Null })
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            if self.keep {
                values.push(value);
            }
        }
        Ok(Value::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let (mut names, mut kept) = (Names::default(), Vec::new());
        while let Some(name) = members.next_key_seed(MemberName)? {
            if self.keep {
                kept.push((name.clone(), members.next_value_seed(inner)?));
            } else {
                members.next_value_seed(inner)?;
            }
            if !names.insert(name) {
                return Err(duplicate());
            }
        }
        Ok(Value::Object(kept))
    }
}

/// The outermost value. Anything but an object is still read to its end, so that malformed text is distinguished from JSON of
/// the wrong shape.
struct Top<'m, 'a> {
    wanted: &'m dyn Fn(&str) -> bool,
    member: &'m mut dyn FnMut(Cow<'a, str>, Value<'a>),
}

impl<'de> DeserializeSeed<'de> for Top<'_, 'de> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, 'de> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let mut names = Names::default();
        while let Some(name) = members.next_key_seed(MemberName)? {
            let keep = (self.wanted)(&name);
            let value = members.next_value_seed(Inner { depth: 1, keep })?;
            if keep {
                (self.member)(name.clone(), value);
            }
            if !names.insert(name) {
                return Err(duplicate());
            }
        }
        Ok(true)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<bool, A::Error> {
        Inner { depth: 0, keep: false }.visit_seq(items).map(|_| false)
    }
    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
}
