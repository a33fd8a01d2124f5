//! Whom a user's token may be sent to: a pure rule of the issuer, the endpoint and what the operator lists.

use url::{Host, Origin, Url};

use crate::policy::endpoint::Endpoint;
use crate::provider::address::is_localhost_name;

/// Issuers whose endpoints are under another registrable domain, by publication of the provider: Entra ID's tokens of version 1
/// name `sts.windows.net`, and its metadata the token endpoint of version 2.
const SAME_PROVIDER: [(&str, &str); 1] = [("sts.windows.net", "login.microsoftonline.com")];

/// Why an endpoint gets no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a URL, or none that passes the rule of [`Endpoint`].
    #[error("it is not an https URL (or http to localhost)")]
    Url,
    /// A request has one `Authorization` field, and that is for the token.
    #[error("it has a user name or password in it")]
    Credentials,
    /// TLS is not given up on the way from the issuer to its endpoint.
    #[error("it is plain http, and the issuer is not")]
    Plain,
    /// Another host than the issuer's, and not listed.
    #[error("its host does not share the issuer's registrable domain; list it in `hosts` if it is right")]
    Host,
}

/// The endpoint a metadata document names, if a user's token may go there: at a host that is listed or shares the issuer's
/// registrable domain, over no weaker scheme than the issuer's. A domain under a suffix that the Public Suffix List does not
/// know (`.internal`, `.local`) is shared with nobody but the host itself, and an address or a name of this machine with nobody but
/// its own port.
pub fn admit(untrusted: &str, issuer: &Endpoint, listed: &[String]) -> Result<Endpoint, (Refused, Option<Box<str>>)> {
    let endpoint = Endpoint::parse(untrusted).ok_or((Refused::Url, None))?;
    let url = endpoint.url();
    let refused = |why| Err((why, url.host_str().map(Into::into)));
    if !url.username().is_empty() || url.password().is_some() {
        return refused(Refused::Credentials);
    }
    if endpoint.is_plain() && !issuer.is_plain() {
        return refused(Refused::Plain);
    }
    let is_listed = listed.iter().any(|entry| origin(url.scheme(), entry).as_ref() == Some(&url.origin()));
    if is_listed || is_of_the_issuer(url, issuer.url()) { Ok(endpoint) } else { refused(Refused::Host) }
}

/// Whether an entry of a list of hosts is one: `host` or `host:port`.
pub fn is_host(entry: &str) -> bool {
    origin("https", entry).is_some()
}

/// `host`, with the scheme's own port, or `host:port`.
fn origin(scheme: &str, entry: &str) -> Option<Origin> {
    let is_bare = !entry.is_empty() && !entry.contains(|c: char| "/\\@?#*".contains(c) || c.is_whitespace());
    let url = Url::parse(&format!("{scheme}://{entry}/")).ok().filter(|_| is_bare)?;
    Some(url.origin())
}

fn is_of_the_issuer(url: &Url, issuer: &Url) -> bool {
    match (url.host(), issuer.host()) {
        (Some(Host::Domain(host)), Some(Host::Domain(issuers))) if !is_local(host) && !is_local(issuers) => {
            host == issuers
                || registrable(host).is_some_and(|domain| Some(domain) == registrable(issuers))
                || SAME_PROVIDER.contains(&(issuers, host))
        }
        _ => url.origin() == issuer.origin(),
    }
}

fn is_local(name: &str) -> bool {
    is_localhost_name(name.trim_end_matches('.'))
}

/// The name that somebody registered under a public suffix; `None` where the list does not know the suffix.
fn registrable(host: &str) -> Option<&str> {
    let domain = psl::domain(host.as_bytes()).filter(|domain| domain.suffix().is_known())?;
    host.len().checked_sub(domain.as_bytes().len()).and_then(|at| host.get(at..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(endpoint: &str, issuer: &str, listed: &[&str]) -> Result<String, Refused> {
        let listed: Vec<String> = listed.iter().map(|&entry| entry.to_owned()).collect();
        admit(endpoint, &Endpoint::parse(issuer).unwrap(), &listed)
            .map(|endpoint| endpoint.as_str().to_owned())
            .map_err(|(why, _)| why)
    }

    #[test]
    fn a_token_goes_to_the_issuers_registrable_domain() {
        for (endpoint, issuer) in [
            ("https://idp.example.com/userinfo", "https://idp.example.com/realm"),
            ("https://idp.example.com:8443/userinfo", "https://idp.example.com"),
            ("https://users.example.com/u", "https://idp.example.com"),
            ("https://example.com/u", "https://a.b.example.com"),
            ("https://users.example.co.uk/u", "https://idp.example.co.uk"),
            ("https://login.microsoftonline.com/t/oauth2/token", "https://sts.windows.net/t/"),
            ("https://login.microsoftonline.com/t/oauth2/v2.0/token", "https://login.microsoftonline.com/t/v2.0"),
            ("https://xn--bcher-kva.example.de/u", "https://example.de"),
            ("https://keycloak:8443/u", "https://keycloak"),
            ("https://sso.corp.internal/u", "https://sso.corp.internal"),
            ("https://10.0.0.5:8443/u", "https://10.0.0.5:8443"),
            ("http://localhost:3000/u", "http://localhost:3000/realm"),
            ("https://localhost:3000/u", "https://localhost:3000"),
        ] {
            assert!(admitted(endpoint, issuer, &[]).is_ok(), "{endpoint} of {issuer}");
        }
    }

    #[test]
    fn and_nowhere_else() {
        use Refused::{Credentials, Host, Plain, Url};
        for (endpoint, issuer, why) in [
            ("https://evil.com/u", "https://idp.example.com", Host),
            ("https://idp.example.com.evil.com/u", "https://idp.example.com", Host),
            ("https://evilexample.com/u", "https://example.com", Host),
            // Public suffixes, of registries and of companies that let anybody have a name.
            ("https://evil.co.uk/u", "https://idp.co.uk", Host),
            ("https://evil.github.io/u", "https://idp.github.io", Host),
            ("https://evil.s3.amazonaws.com/u", "https://idp.s3.amazonaws.com", Host),
            ("https://com/u", "https://example.com", Host),
            // Suffixes that no list knows.
            ("https://evil.corp.internal/u", "https://sso.corp.internal", Host),
            ("https://b.ns.svc.cluster.local/u", "https://a.ns.svc.cluster.local", Host),
            ("https://other/u", "https://keycloak", Host),
            // Addresses, and names of this machine.
            ("https://10.0.0.6/u", "https://10.0.0.5", Host),
            ("https://10.0.0.5:1/u", "https://10.0.0.5", Host),
            ("https://169.254.169.254/u", "https://idp.example.com", Host),
            ("https://[::1]/u", "https://127.0.0.1", Host),
            ("http://localhost:3001/u", "http://localhost:3000", Host),
            ("http://127.0.0.1:3000/u", "http://localhost:3000", Host),
            ("http://a.localhost:3000/u", "http://localhost:3000", Host),
            ("https://localhost./u", "https://localhost", Host),
            ("https://idp.example.com./u", "https://idp.example.com", Host),
            ("https://graph.microsoft.com/oidc/userinfo", "https://login.microsoftonline.com/t/v2.0", Host),
            ("https://sts.windows.net/t", "https://login.microsoftonline.com/t", Host),
            ("https://login.microsoftonline.com.evil.com/t", "https://sts.windows.net/t", Host),
            ("http://localhost/u", "https://localhost", Plain),
            ("http://localhost/u", "https://idp.example.com", Plain),
            ("https://user@idp.example.com/u", "https://idp.example.com", Credentials),
            ("https://:pw@idp.example.com/u", "https://idp.example.com", Credentials),
            ("https://idp.example.com@evil.com/u", "https://idp.example.com", Credentials),
            ("http://idp.example.com/u", "https://idp.example.com", Url),
            ("/u", "https://idp.example.com", Url),
            ("", "https://idp.example.com", Url),
            ("ftp://idp.example.com/u", "https://idp.example.com", Url),
            ("data:,", "https://idp.example.com", Url),
        ] {
            assert_eq!(admitted(endpoint, issuer, &[]), Err(why), "{endpoint} of {issuer}");
        }
    }

    #[test]
    fn what_is_listed_is_one_host_and_one_port() {
        let issuer = "https://login.microsoftonline.com/t/v2.0";
        let graph = "https://graph.microsoft.com/oidc/userinfo";
        for listed in [&["graph.microsoft.com"][..], &["x.test", "GRAPH.microsoft.com:443"]] {
            assert_eq!(admitted(graph, issuer, listed).as_deref(), Ok(graph));
        }
        for listed in [
            &["microsoft.com"][..],
            &["graph.microsoft.com:8443"],
            &["evil.graph.microsoft.com"],
            &["https://graph.microsoft.com"],
            &["graph.microsoft.com/oidc"],
            &["*.microsoft.com"],
            &[""],
        ] {
            assert_eq!(admitted(graph, issuer, listed), Err(Refused::Host), "{listed:?}");
        }
        // A list names hosts: it neither lets a scheme nor a user name in.
        assert_eq!(admitted("http://localhost:1/u", issuer, &["localhost:1"]), Err(Refused::Plain));
        assert_eq!(admitted("https://a@x.test/u", issuer, &["x.test"]), Err(Refused::Credentials));
        assert!(admitted("http://localhost:1/u", "http://localhost:2", &["localhost:1"]).is_ok());
        assert!(is_host("idp.example") && is_host("idp.example:8443") && is_host("[::1]:8443") && is_host("10.0.0.1"));
        for entry in ["", "https://a", "a/b", "a@b", "a?b", "*.a", "a b", "a:port", "a:99999", "a\\b", "a#b"] {
            assert!(!is_host(entry), "{entry}");
        }
    }
}
