//! Which URLs may be fetched: https anywhere, plain http on this machine only.

use url::{Host, Url};

/// A URL that passed the rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Parses a URL (WHATWG URL Standard) and applies LibreChat's rule: https with any host; http if the host is
    /// `localhost`, `127.0.0.1`, `[::1]` or under `.localhost` (RFC 6761 6.3). `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_url(Url::parse(text).ok()?)
    }

    fn from_url(url: Url) -> Option<Self> {
        let allowed = match url.scheme() {
            "https" => url.host().is_some(),
            "http" => is_loopback_name(&url),
            _ => false,
        };
        allowed.then_some(Self(url))
    }

    /// Where a `Location` value (RFC 9110 10.2.2) leads from here: the same scheme, host and port, or nowhere.
    pub fn redirected(&self, location: &str) -> Option<Self> {
        let target = Self::from_url(self.0.join(location).ok()?)?;
        (target.0.origin() == self.0.origin()).then_some(target)
    }

    /// Whether the connection stays on this machine, by plain http.
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The parsed URL.
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// Its text without user name, password and query: what may be shown.
    pub fn without_credentials(&self) -> String {
        let mut url = self.0.clone();
        url.set_query(None);
        // Cannot fail for a URL with a host.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.into()
    }

    /// Its text without the password: what decides which keys come from it. A query or a user name can choose between those of several
    /// tenants or applications.
    pub fn without_password(&self) -> String {
        let mut url = self.0.clone();
        // Cannot fail for a URL with a host.
        let _ = url.set_password(None);
        url.into()
    }

    /// Its text in the WHATWG serialization.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn is_loopback_name(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_stays_at_its_origin() {
        let from = Endpoint::parse("https://a.example/x/y").unwrap();
        let leads = |location: &str| from.redirected(location).map(|endpoint| endpoint.as_str().to_owned());
        assert_eq!(leads("/z").as_deref(), Some("https://a.example/z"));
        assert_eq!(leads("https://a.example:443/z").as_deref(), Some("https://a.example/z"));
        for location in
            ["http://a.example/", "https://b.example/", "//b.example/z", "https://a.example:8443/", "data:,"]
        {
            assert_eq!(leads(location), None, "{location}");
        }
    }
}
