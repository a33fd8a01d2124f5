//! What each option expects, in words for the operator. A wrong type is found where JavaScript is read and a wrong value here, and
//! both are answered with the same text.

#![allow(missing_docs, reason = "each is named after what it describes")]

pub const ACTORS: &str = "a list of subjects of actors";
pub const CACHE_MAX_AGE: &str = "a number of milliseconds from 0 to 86400000";
pub const CERTIFICATES: &str = "PEM text with one or more CA certificates, or a list of such";
pub const CLIENTS: &str = "a list of client ids, not empty";
pub const CLIENT_CLAIM: &str = "the name of a claim";
pub const CLIENT_CERTIFICATE: &str = "{ cert, key }: a PEM certificate (chain) and its unencrypted PEM private key";
pub const CLOCK_TOLERANCE: &str = "a number of seconds from 0 to 300";
pub const COMPILED_POLICY: &str = "a policy that `compilePolicy` made";
pub const EMAIL_CLAIM: &str = "the name of a claim";
pub const FLAG: &str = "true or false";
pub const GRANTS: &str = "a list of names, or { any, all, claim } with at least one name";
pub const INTROSPECTION: &str = "{ endpoint, clientId, clientSecret, auth, privateKey, kid, alg, assertionAudience, cacheMs, opaque, also, signed }";
pub const KEY_SET: &str = "a JWK Set: an object with a list `keys` that is not empty";
pub const MAX_ADVISED_AGE: &str = "a number of seconds from 0 to 86400";
pub const MAX_BODY_BYTES: &str = "a number of bytes from 1024 to 16777216";
pub const MAX_STALE: &str = "a number of seconds from 0 to 604800";
pub const MAX_TOKEN_BYTES: &str = "a number of bytes from 1024 to 65536";
pub const PATH: &str = "an absolute path";
pub const PROXY: &str = "{ http, https, bypass }: http or https URLs, and a list of hosts";
pub const SECONDS: &str = "a number of seconds above 0";
pub const TENANTS: &str = "a list of tenant ids, not empty";
pub const TOKEN_USE: &str = "a `token_use` value such as \"access\"";
pub const TYP: &str = "\"off\", \"preferred\" or \"required\"";

#[cfg(test)]
mod tests {
    use super::super::{lifetimes, options, source};
    use super::*;

    #[test]
    fn each_text_names_the_bounds_that_are_enforced() {
        let (tokens, bodies) = (options::TOKEN_CAPS, source::BODY_CAPS);
        for (text, unit, from, to) in [
            (CACHE_MAX_AGE, "milliseconds", 0.0, lifetimes::MAX_LIFE.as_secs_f64() * 1000.0),
            (CLOCK_TOLERANCE, "seconds", 0.0, options::MAX_CLOCK_TOLERANCE),
            (MAX_ADVISED_AGE, "seconds", 0.0, lifetimes::MAX_LIFE.as_secs_f64()),
            (MAX_STALE, "seconds", 0.0, lifetimes::MAX_STALE_BOUND.as_secs_f64()),
            (MAX_BODY_BYTES, "bytes", *bodies.start(), *bodies.end()),
            (MAX_TOKEN_BYTES, "bytes", *tokens.start(), *tokens.end()),
        ] {
            assert_eq!(text, format!("a number of {unit} from {from} to {to}"));
        }
    }
}
