//! Finding a provider's keys and endpoints through its metadata (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3),
//! without any input or output: it names the URL to fetch next and reads the answer.

use serde_json::Value;

use super::fetch::Response;
use crate::json::{JsonError, JsonFault, read_object};
use crate::mismatch::Seen;
use crate::policy::endpoint::Endpoint;
use crate::policy::issuer::Issuer;

/// How many redirects are followed, each to the same scheme, host and port.
const MAX_REDIRECTS: u8 = 3;

/// Why metadata did not lead to keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum DiscoveryError {
    #[error("the issuer's metadata URL is not allowed")]
    Url,
    #[error(
        "the provider answered its metadata request with status {0}; check `issuer`, or name the key URL by `jwksUri`"
    )]
    Status(u16),
    #[error("the provider redirected its metadata to another place, or too often")]
    Redirect,
    #[error("the provider's metadata is not JSON; a web page that answers every path is not, for instance")]
    Json,
    #[error("the provider's metadata is JSON, but not an object")]
    Document,
    #[error("the provider's metadata has no `jwks_uri`, or one that is not text")]
    NoJwksUri,
    #[error("the provider's metadata names another issuer: it has {0}")]
    Issuer(Seen),
    #[error("the provider's `jwks_uri` is not an https URL (or http to localhost)")]
    JwksUri,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Fetch this and call [`Discovery::answer`].
    Fetch(Endpoint),
    /// The metadata are here.
    Found(Metadata),
}

/// What an issuer's metadata say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Where the keys are.
    pub keys: Endpoint,
    /// Where tokens may be sent, as written: only of a document that reads the same everywhere. Keys are found in any other too,
    /// because what they vouch for is checked.
    pub endpoints: Result<Endpoints, JsonError>,
}

/// Endpoints as the metadata write them, not checked yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// `userinfo_endpoint` (OpenID Connect Discovery 1.0 3); empty where it is no text.
    pub untrusted_userinfo: Option<Box<str>>,
    /// `introspection_endpoint` (RFC 8414 2); empty where it is no text.
    pub untrusted_introspection: Option<Box<str>>,
    /// The same for clients that show a certificate (`mtls_endpoint_aliases`, RFC 8705 5), where there is another one.
    pub untrusted_certified_introspection: Option<Box<str>>,
    /// `token_endpoint` (RFC 8414 2); empty where it is no text.
    pub untrusted_token: Option<Box<str>>,
}

impl Endpoints {
    fn read(body: &[u8]) -> Result<Self, JsonError> {
        let text = str::from_utf8(body).map_err(|_| JsonError::Malformed(JsonFault::NotUtf8))?;
        let mut endpoints = Self::default();
        let wanted = |name: &str| {
            matches!(name, "userinfo_endpoint" | "token_endpoint" | "introspection_endpoint" | "mtls_endpoint_aliases")
                .then_some(())
        };
        read_object(text, wanted, |(), name, value| {
            let written = Some(value.as_str().unwrap_or_default().into());
            match &*name {
                "mtls_endpoint_aliases" => {
                    let alias = value.member("introspection_endpoint");
                    endpoints.untrusted_certified_introspection =
                        alias.map(|alias| alias.as_str().unwrap_or_default().into());
                }
                "userinfo_endpoint" => endpoints.untrusted_userinfo = written,
                "introspection_endpoint" => endpoints.untrusted_introspection = written,
                _ => endpoints.untrusted_token = written,
            }
        })?;
        Ok(endpoints)
    }
}

/// A discovery under way.
#[derive(Debug)]
pub struct Discovery<'p> {
    issuer: &'p Issuer,
    at: Endpoint,
    redirects_left: u8,
    /// Set while the OIDC document is asked for and RFC 8414's is still to try.
    fallback: Option<Endpoint>,
    first_error: Option<DiscoveryError>,
}

impl<'p> Discovery<'p> {
    /// Begins: the first URL is OpenID Connect's.
    ///
    /// # Errors
    /// [`DiscoveryError::Url`].
    pub fn begin(issuer: &'p Issuer) -> Result<(Self, Next), DiscoveryError> {
        let url = format!("{}/.well-known/openid-configuration", issuer.normal());
        let at = Endpoint::parse(&url).ok_or(DiscoveryError::Url)?;
        let fallback = oauth_metadata_url(issuer.normal());
        let next = Next::Fetch(at.clone());
        Ok((Self { issuer, at, redirects_left: MAX_REDIRECTS, fallback, first_error: None }, next))
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`DiscoveryError`], the first one met, once neither document leads to keys.
    pub fn answer(&mut self, response: &Response) -> Result<Next, DiscoveryError> {
        match self.read(response) {
            Ok(next) => Ok(next),
            Err(error) => {
                let error = *self.first_error.get_or_insert(error);
                // Only an absent document leads to the other URL; a wrong one is an answer.
                match self.fallback.take() {
                    Some(at) if matches!(error, DiscoveryError::Status(400..=499)) => {
                        self.at = at.clone();
                        self.redirects_left = MAX_REDIRECTS;
                        Ok(Next::Fetch(at))
                    }
                    _ => Err(error),
                }
            }
        }
    }

    fn read(&mut self, response: &Response) -> Result<Next, DiscoveryError> {
        match response.status {
            200..=299 => self.read_document(&response.body).map(Next::Found),
            301 | 302 | 303 | 307 | 308 => {
                self.redirects_left = self.redirects_left.checked_sub(1).ok_or(DiscoveryError::Redirect)?;
                let location = response.location.as_deref().ok_or(DiscoveryError::Redirect)?;
                self.at = self.at.redirected(location).ok_or(DiscoveryError::Redirect)?;
                Ok(Next::Fetch(self.at.clone()))
            }
            status => Err(DiscoveryError::Status(status)),
        }
    }

    fn read_document(&self, body: &[u8]) -> Result<Metadata, DiscoveryError> {
        let document: Value = serde_json::from_slice(body).map_err(|_| DiscoveryError::Json)?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        // OpenID Connect Discovery 4.3, RFC 8414 3.3: another issuer's metadata must not be used.
        let issuer = text("issuer");
        if !issuer.is_some_and(|issuer| self.issuer.accepts_metadata(issuer)) {
            let seen = Seen::instead_of(self.issuer.configured(), issuer.unwrap_or_default());
            return Err(if document.is_object() { DiscoveryError::Issuer(seen) } else { DiscoveryError::Document });
        }
        let uri = text("jwks_uri").filter(|uri| !uri.is_empty()).ok_or(DiscoveryError::NoJwksUri)?;
        let keys = Endpoint::parse(uri).ok_or(DiscoveryError::JwksUri)?;
        Ok(Metadata { keys, endpoints: Endpoints::read(body) })
    }
}

/// RFC 8414 3.1: the well-known part goes between host and path.
fn oauth_metadata_url(issuer: &str) -> Option<Endpoint> {
    let mut url = Endpoint::parse(issuer)?.url().clone();
    let path = format!("/.well-known/oauth-authorization-server{}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Endpoint::parse(url.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, body: body.into(), ..Response::default() }
    }

    fn fetch(url: &str) -> Result<Next, DiscoveryError> {
        Ok(Next::Fetch(Endpoint::parse(url).unwrap()))
    }

    const GOOD: &str = r#"{"issuer":"https://a.example/r","jwks_uri":"https://keys.example/jwks"}"#;

    #[test]
    fn asks_openid_connects_place_and_then_rfc_8414s() {
        let issuer = Issuer::parse("https://a.example/r/").unwrap();
        let (mut discovery, first) = Discovery::begin(&issuer).unwrap();
        assert_eq!(Ok(first), fetch("https://a.example/r/.well-known/openid-configuration"));
        assert_eq!(
            discovery.answer(&response(404, "")),
            fetch("https://a.example/.well-known/oauth-authorization-server/r")
        );
        let keys = Endpoint::parse("https://keys.example/jwks").unwrap();
        let found = Metadata { keys, endpoints: Ok(Endpoints::default()) };
        assert_eq!(discovery.answer(&response(200, GOOD)), Ok(Next::Found(found)));
    }

    #[test]
    fn endpoints_are_taken_from_a_strict_reading_only() {
        let issuer = Issuer::parse("https://a.example/r").unwrap();
        let endpoints = |more: &str| {
            let body = format!("{},{more}}}", GOOD.strip_suffix('}').unwrap());
            let (mut discovery, _) = Discovery::begin(&issuer).unwrap();
            match discovery.answer(&response(200, &body)) {
                Ok(Next::Found(metadata)) => metadata.endpoints,
                other => panic!("{other:?}"),
            }
        };
        let both = endpoints(r#""userinfo_endpoint":"https://a.example/u","token_endpoint":7"#).unwrap();
        assert_eq!(both.untrusted_userinfo.as_deref(), Some("https://a.example/u"));
        assert_eq!(both.untrusted_token.as_deref(), Some(""));
        for twice in [
            r#""userinfo_endpoint":"https://a.example/u","userinfo_endpoint":"https://b.example/u""#,
            r#""userinfo_endpoint":"https://a.example/u","userinfo_\u0065ndpoint":"https://b.example/u""#,
            r#""x":{"a":1,"a":2}"#,
        ] {
            assert!(matches!(endpoints(twice), Err(JsonError::Malformed(JsonFault::Duplicate(_)))), "{twice}");
        }
    }

    #[test]
    fn reports_the_first_of_two_errors() {
        let issuer = Issuer::parse("https://a.example").unwrap();
        let (mut discovery, _) = Discovery::begin(&issuer).unwrap();
        discovery.answer(&response(403, "")).unwrap();
        assert_eq!(discovery.answer(&response(404, "")), Err(DiscoveryError::Status(403)));
    }

    #[test]
    fn refuses_documents_that_do_not_belong_to_the_issuer() {
        let other = |issuer| DiscoveryError::Issuer(Seen::instead_of("https://a.example/r", issuer));
        let table = [
            ("nonsense", DiscoveryError::Json),
            ("<!doctype html>", DiscoveryError::Json),
            ("", DiscoveryError::Json),
            ("[]", DiscoveryError::Document),
            ("{}", other("")),
            (r#"{"issuer":"https://b.example","jwks_uri":"https://keys.example"}"#, other("https://b.example")),
            (r#"{"issuer":7,"jwks_uri":"https://keys.example"}"#, other("")),
            (r#"{"issuer":"https://a.example/r"}"#, DiscoveryError::NoJwksUri),
            (r#"{"issuer":"https://a.example/r","jwks_uri":7}"#, DiscoveryError::NoJwksUri),
            (r#"{"issuer":"https://a.example/r","jwks_uri":""}"#, DiscoveryError::NoJwksUri),
            (r#"{"issuer":"https://a.example/r","jwks_uri":"/jwks"}"#, DiscoveryError::JwksUri),
            (r#"{"issuer":"https://a.example/r","jwks_uri":"http://keys.example"}"#, DiscoveryError::JwksUri),
        ];
        let issuer = Issuer::parse("https://a.example/r").unwrap();
        for (body, error) in table {
            let (mut discovery, _) = Discovery::begin(&issuer).unwrap();
            assert_eq!(discovery.answer(&response(200, body)), Err(error), "{body}");
        }
    }

    #[test]
    fn follows_three_redirects_at_the_same_origin() {
        let issuer = Issuer::parse("https://a.example").unwrap();
        let (mut discovery, _) = Discovery::begin(&issuer).unwrap();
        let redirect = |to: &str| Response { status: 302, location: Some(to.to_owned()), ..Response::default() };
        for _ in 0..3 {
            assert_eq!(discovery.answer(&redirect("/x")), fetch("https://a.example/x"));
        }
        assert_eq!(discovery.answer(&redirect("/x")), Err(DiscoveryError::Redirect));
        let (mut discovery, _) = Discovery::begin(&issuer).unwrap();
        assert_eq!(discovery.answer(&redirect("https://b.example/")), Err(DiscoveryError::Redirect));
        let (mut discovery, _) = Discovery::begin(&issuer).unwrap();
        assert_eq!(discovery.answer(&response(304, "")), Err(DiscoveryError::Status(304)));
    }
}
