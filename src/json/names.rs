//! The member names that an object has had so far, to find duplicates.

use std::borrow::Cow;
use std::collections::HashSet;

/// How many names of one object are searched one by one. Real headers and claims have fewer; beyond it a hash set keeps
/// the cost of an object with thousands of members linear.
const FEW: usize = 32;

/// The names of all objects that are open, the innermost one's last, each with its digest.
#[derive(Debug, Default)]
pub struct Names<'a>(Vec<(u64, &'a str)>);

/// One open object's part of [`Names`].
#[derive(Debug)]
pub struct Object<'a> {
    first: usize,
    /// A small Bloom filter: a name whose bit is not set has not been there, and the search is skipped.
    seen: u64,
    /// Names past [`FEW`], and names that the text spells with escapes.
    others: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Names<'a> {
    /// With room for the names of most tokens.
    pub fn new() -> Self {
        Self(Vec::with_capacity(FEW))
    }

    /// Opens an object.
    pub const fn open(&self) -> Object<'a> {
        Object { first: self.0.len(), seen: 0, others: None }
    }

    /// Adds a name to the innermost object; false if it was there already.
    #[allow(clippy::ptr_arg, reason = "whether it is borrowed decides where it is kept")]
    pub fn insert(&mut self, object: &mut Object<'a>, name: &Cow<'a, str>) -> bool {
        let digest = digest(name);
        // Fibonacci hashing: the upper bits depend on all of the digest.
        let bit = 1_u64.wrapping_shl((digest.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as u32);
        let few = self.0.get(object.first..).unwrap_or_default();
        if object.seen & bit != 0
            && (few.iter().any(|(other, known)| *other == digest && **known == **name)
                || object.others.as_ref().is_some_and(|others| others.contains(name)))
        {
            return false;
        }
        object.seen |= bit;
        match name {
            Cow::Borrowed(name) if few.len() < FEW => self.0.push((digest, name)),
            _ => drop(object.others.get_or_insert_default().insert(name.clone())),
        }
        true
    }

    /// Closes the innermost object.
    pub fn close(&mut self, object: &Object<'a>) {
        self.0.truncate(object.first);
    }
}

/// Names with different digests are different. Made of the length and as much of the beginning and end as fits.
fn digest(name: &str) -> u64 {
    let (bytes, length) = (name.as_bytes(), name.len() as u64);
    let mixed = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                (u64::from(u32::from_le_bytes(*first)) << 32) | u64::from(u32::from_le_bytes(*last))
            }
            _ => bytes.iter().fold(0, |mixed, byte| (mixed << 8) | u64::from(*byte)),
        },
    };
    mixed.wrapping_add(length.wrapping_mul(0x0100_0000_01b3))
}
