//! Roles and permissions an operator requires, wherever in the claims a provider puts them.

use crate::json::Value;
use crate::mismatch::Mismatch;
use crate::whitespace::{is_blank, words};

/// Where in the claims a list stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath {
    /// The whole text as one name: providers use URLs as claim names.
    literal: Option<Box<str>>,
    steps: Vec<Box<str>>,
}

impl ClaimPath {
    /// From dotted text, e.g. `realm_access.roles`. A top-level claim of exactly that name comes first.
    pub fn dotted(text: &str) -> Self {
        Self { literal: Some(text.into()), steps: text.split('.').map(Box::from).collect() }
    }

    /// From the names of the members to go through, for names that have dots themselves.
    pub fn of_names<S: AsRef<str>>(names: &[S]) -> Self {
        Self { literal: None, steps: names.iter().map(|name| name.as_ref().into()).collect() }
    }

    /// Whether this path needs the top-level claim `name`.
    pub fn starts_with(&self, name: &str) -> bool {
        self.literal.as_deref() == Some(name) || self.steps.first().is_some_and(|first| **first == *name)
    }

    /// Whether every step has a name.
    pub fn is_valid(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| !step.is_empty())
    }

    fn find<'v, 'a>(&self, claim: &impl Fn(&str) -> Option<&'v Value<'a>>) -> Option<&'v Value<'a>>
    where
        'a: 'v,
    {
        if let Some(found) = self.literal.as_deref().and_then(claim) {
            return Some(found);
        }
        let (first, rest) = self.steps.split_first()?;
        rest.iter().try_fold(claim(first)?, |value, step| value.member(step))
    }

    /// What is granted there. A string is a list of words, an array a list of its strings, an object a list of its members' names (Zitadel
    /// writes roles so, with the organisations that grant them as values; some versions put each into an object of its own, in an
    /// array); anything else grants nothing. `None` where there is no such claim.
    pub fn granted<'v, 'a: 'v>(&self, claim: &impl Fn(&str) -> Option<&'v Value<'a>>) -> Option<Vec<&'v str>> {
        Some(match self.find(claim)? {
            Value::String(text) => words(text).collect(),
            Value::Array(items) => items.iter().flat_map(item).collect(),
            Value::Object(members) => {
                members.iter().filter(|(_, value)| !is_denial(value)).map(|(name, _)| &**name).collect()
            }
            _ => Vec::new(),
        })
    }

    /// The string there that is not blank.
    pub fn text<'v, 'a: 'v>(&self, claim: &impl Fn(&str) -> Option<&'v Value<'a>>) -> Option<&'v str> {
        self.find(claim)?.as_str().filter(|text| !is_blank(text))
    }
}

/// What is granted: it decides the code of a refusal and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    /// A role.
    Role,
    /// A permission.
    Permission,
}

/// A requirement on one list of the claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredGrants {
    /// What the list holds.
    pub kind: GrantKind,
    /// Where it stands.
    pub path: ClaimPath,
    /// One of these must be granted, unless empty.
    pub any: Vec<String>,
    /// All of these must be granted.
    pub all: Vec<String>,
}

impl RequiredGrants {
    fn granted<'v, 'a: 'v>(&self, claim: &impl Fn(&str) -> Option<&'v Value<'a>>) -> Vec<&'v str> {
        self.path.granted(claim).unwrap_or_default()
    }

    /// Whether the claims grant what is required. Comparison is exact.
    pub fn satisfied<'v, 'a: 'v>(&self, claim: impl Fn(&str) -> Option<&'v Value<'a>>) -> bool {
        let granted = self.granted(&claim);
        let has = |required: &String| granted.contains(&required.as_str());
        (self.any.is_empty() || self.any.iter().any(has)) && self.all.iter().all(has)
    }

    /// What is required and what is granted instead, for the operator, as `shown` has it; `first` is what explains it, where something is known to.
    pub fn mismatch<'v, 'a: 'v>(
        &self,
        claim: impl Fn(&str) -> Option<&'v Value<'a>>,
        shown: impl Fn(Vec<&str>) -> Vec<String>,
        first: Option<&'static str>,
    ) -> Mismatch {
        let granted = self.granted(&claim);
        let missing: Vec<&str> = self.all.iter().map(String::as_str).filter(|name| !granted.contains(name)).collect();
        let expected = if missing.is_empty() { self.any.iter().map(String::as_str).collect() } else { missing };
        let note = match self.path.find(&claim) {
            None => Some("the token has no such claim; `claim` says where else to look"),
            Some(_) => None,
        };
        let granted = shown(granted);
        let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
        Mismatch::of_names(&expected, &granted).noting(first.or(note))
    }
}

/// What one item of an array grants. Of an object, the names of members that are objects themselves: a record with a `name` and a
/// `description` grants none of these.
fn item<'v>(item: &'v Value<'_>) -> Vec<&'v str> {
    match item {
        Value::String(text) => vec![&**text],
        Value::Object(members) => {
            members.iter().filter(|(_, value)| matches!(value, Value::Object(_))).map(|(name, _)| &**name).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a member says that its name is not granted.
fn is_denial(value: &Value<'_>) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
        || matches!(value, Value::Number(number) if *number == 0.0)
        || value.as_str() == Some("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::claims::Claims;

    fn satisfied(claims: &str, path: &ClaimPath, any: &[&str], all: &[&str]) -> bool {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let required = RequiredGrants { kind: GrantKind::Role, path: path.clone(), any: owned(any), all: owned(all) };
        let claims = Claims::parse(claims, |name| path.starts_with(name)).unwrap();
        required.satisfied(|name| claims.get(name))
    }

    type Row<'t> = (&'t str, ClaimPath, &'t [&'t str], &'t [&'t str], bool);

    #[test]
    fn reads_the_claim_shapes_of_providers() {
        let dotted = ClaimPath::dotted;
        let client = ClaimPath::of_names(&["resource_access", "my.client", "roles"]);
        let table: [Row<'_>; 44] = [
            (r#"{"realm_access":{"roles":["a","b"]}}"#, dotted("realm_access.roles"), &["a"], &[], true),
            (r#"{"realm_access":{"roles":["a","b"]}}"#, dotted("realm_access.roles"), &["x", "b"], &[], true),
            (r#"{"realm_access":{"roles":["a","b"]}}"#, dotted("realm_access.roles"), &["x"], &[], false),
            (r#"{"realm_access":{"roles":["a","b"]}}"#, dotted("realm_access.roles"), &[], &["a", "b"], true),
            (r#"{"realm_access":{"roles":["a","b"]}}"#, dotted("realm_access.roles"), &[], &["a", "x"], false),
            (r#"{"realm_access":{"roles":["a","b"]}}"#, dotted("realm_access.roles"), &["a"], &["b"], true),
            (r#"{"realm_access":{"roles":["a","b"]}}"#, dotted("realm_access.roles"), &["x"], &["b"], false),
            (r#"{"realm_access":{}}"#, dotted("realm_access.roles"), &["a"], &[], false),
            (r#"{"realm_access":[]}"#, dotted("realm_access.roles"), &["a"], &[], false),
            (r#"{"realm_access":"a"}"#, dotted("realm_access.roles"), &["a"], &[], false),
            (r#"{}"#, dotted("realm_access.roles"), &["a"], &[], false),
            (r#"{"realm_access.roles":["a"]}"#, dotted("realm_access.roles"), &["a"], &[], true),
            (r#"{"resource_access":{"my.client":{"roles":["a"]}}}"#, client.clone(), &["a"], &[], true),
            (r#"{"resource_access":{"my":{"client":{"roles":["a"]}}}}"#, client.clone(), &["a"], &[], false),
            (r#"{"resource_access":{"other":{"roles":["a"]}}}"#, client, &["a"], &[], false),
            (r#"{"roles":["Task.Read"]}"#, dotted("roles"), &["Task.Read"], &[], true),
            (r#"{"roles":"Task.Read"}"#, dotted("roles"), &["Task.Read"], &[], true),
            (r#"{"roles":"a b"}"#, dotted("roles"), &[], &["a", "b"], true),
            (r#"{"roles":["a b"]}"#, dotted("roles"), &["a"], &[], false),
            (r#"{"roles":["a b"]}"#, dotted("roles"), &["a b"], &[], true),
            (r#"{"roles":["A"]}"#, dotted("roles"), &["a"], &[], false),
            (r#"{"roles":[]}"#, dotted("roles"), &["a"], &[], false),
            (r#"{"roles":[{"a":{"1":"x"}},{"b":{}}]}"#, dotted("roles"), &[], &["a", "b"], true),
            (r#"{"roles":[{"a":{"1":"x"}}]}"#, dotted("roles"), &["1"], &[], false),
            (r#"{"roles":[{"name":"a","a":true}]}"#, dotted("roles"), &["name", "a"], &[], false),
            (r#"{"roles":null}"#, dotted("roles"), &["a"], &[], false),
            (r#"{"roles":1}"#, dotted("roles"), &["1"], &[], false),
            (r#"{"roles":true}"#, dotted("roles"), &["true"], &[], false),
            (r#"{"roles":{"a":true}}"#, dotted("roles"), &["a"], &[], true),
            (r#"{"roles":{"a":{"1":"x.example"},"b":{}}}"#, dotted("roles"), &[], &["a", "b"], true),
            (r#"{"roles":{"a":{"b":"x"}}}"#, dotted("roles"), &["b"], &[], false),
            (r#"{"roles":{"a":false,"b":null,"c":0,"d":""}}"#, dotted("roles"), &["a", "b", "c", "d"], &[], false),
            (r#"{"roles":{}}"#, dotted("roles"), &["a"], &[], false),
            (r#"{"x":{"roles":{"a":{"1":"x.example"}}}}"#, dotted("x.roles"), &["a"], &[], true),
            (r#"{"roles":{"__proto__":{"a":true}}}"#, dotted("roles"), &["a"], &[], false),
            (r#"{"roles":{"a":true}}"#, dotted("roles"), &["toString", "constructor", "__proto__"], &[], false),
            (
                r#"{"urn:zitadel:iam:org:project:roles":{"reader":{"7":"x.example"}}}"#,
                dotted("urn:zitadel:iam:org:project:roles"),
                &[],
                &["reader"],
                true,
            ),
            (r#"{"roles":[1,"a",null]}"#, dotted("roles"), &["a"], &[], true),
            (r#"{"roles":[["a"]]}"#, dotted("roles"), &["a"], &[], false),
            (r#"{"permissions":["read:x","write:x"]}"#, dotted("permissions"), &[], &["read:x"], true),
            (r#"{"permissions":[]}"#, dotted("permissions"), &[], &["read:x"], false),
            (r#"{"https://x.example/roles":["a"]}"#, dotted("https://x.example/roles"), &["a"], &[], true),
            (r#"{"__proto__":{"roles":["a"]}}"#, dotted("roles"), &["a"], &[], false),
            (r#"{"a":{"b":{"c":{"d":["e"]}}}}"#, dotted("a.b.c.d"), &["e"], &[], true),
        ];
        for (claims, path, any, all, expected) in table {
            assert_eq!(satisfied(claims, &path, any, all), expected, "{claims} {any:?} {all:?}");
        }
    }

    #[test]
    fn a_path_has_no_empty_step() {
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert!(!ClaimPath::dotted(text).is_valid(), "{text}");
        }
        assert!(!ClaimPath::of_names::<&str>(&[]).is_valid());
        assert!(ClaimPath::dotted("a.b").is_valid());
    }
}
