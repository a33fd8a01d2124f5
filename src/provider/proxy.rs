//! Which requests go through a proxy: a pure rule of settings and URL.

use std::net::Ipv6Addr;

use url::{Host, Url};

use crate::policy::transport::{Proxies, ProxyUrl};

/// The proxy a request for `url` goes through.
pub fn choose<'p>(proxies: &'p Proxies, url: &Url) -> Option<&'p ProxyUrl> {
    let proxy =
        if url.scheme() == "https" { proxies.https.as_ref().or(proxies.http.as_ref()) } else { proxies.http.as_ref() };
    proxy.filter(|_| !is_bypassed(&proxies.bypass, url))
}

/// Whether a list in the notation of `NO_PROXY` names the URL's host: entries separated by commas or white space; `*` is
/// every host; a name is that host and all below it, with or without `.` or `*.` before it; `:port` must be the URL's;
/// IPv6 addresses stand in brackets.
fn is_bypassed(list: &str, url: &Url) -> bool {
    let Some(host) = url.host() else { return false };
    list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()).any(|entry| {
        let (name, port) = split_port(entry);
        let port_fits = match port {
            None => true,
            Some(port) => port.parse() == Ok(url.port_or_known_default().unwrap_or_default()),
        };
        port_fits && names(name, &host)
    })
}

/// `host:port` apart; a colon inside brackets, or of a bare IPv6 address, is none that separates a port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    match entry.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && !port.is_empty()
                && entry.parse::<Ipv6Addr>().is_err() =>
        {
            (name, Some(port))
        }
        _ => (entry, None),
    }
}

fn names(name: &str, host: &Host<&str>) -> bool {
    if name == "*" {
        return true;
    }
    match host {
        Host::Domain(domain) => {
            let name = name.strip_prefix('*').unwrap_or(name);
            let name = name.strip_prefix('.').unwrap_or(name).to_ascii_lowercase();
            !name.is_empty() && domain.strip_suffix(&*name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
        Host::Ipv4(address) => name.parse() == Ok(*address),
        Host::Ipv6(address) => {
            let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
            inner.parse() == Ok(*address)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bypass_list_names_hosts_and_what_is_below_them() {
        let table = [
            ("", "https://a.example/", false),
            ("*", "https://a.example/", true),
            ("*", "http://[::1]/", true),
            ("a.example", "https://a.example/", true),
            ("A.Example", "https://a.example/", true),
            ("a.example", "https://b.a.example/", true),
            ("a.example", "https://c.b.a.example/", true),
            (".a.example", "https://a.example/", true),
            (".a.example", "https://b.a.example/", true),
            ("*.a.example", "https://a.example/", true),
            ("*.a.example", "https://b.a.example/", true),
            ("a.example", "https://nota.example/", false),
            ("a.example", "https://a.example.org/", false),
            ("example", "https://a.example/", true),
            ("other, a.example", "https://a.example/", true),
            ("other\ta.example\n", "https://a.example/", true),
            ("other,,  ,a.example", "https://a.example/", true),
            ("a.example:443", "https://a.example/", true),
            ("a.example:443", "https://a.example:8443/", false),
            ("a.example:8443", "https://a.example:8443/", true),
            ("a.example:80", "http://a.example/", true),
            ("a.example:80", "https://a.example/", false),
            ("*:443", "https://a.example/", true),
            ("*:443", "http://a.example/", false),
            (".a.example:443", "https://b.a.example/", true),
            ("a.example:", "https://a.example/", false),
            ("a.example:x", "https://a.example/", false),
            ("a.example:99999", "https://a.example/", false),
            ("127.0.0.1", "http://127.0.0.1:8080/", true),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/", true),
            ("127.0.0.1:80", "http://127.0.0.1:8080/", false),
            ("127.0.0.1", "http://127.0.0.2/", false),
            ("0.0.1", "http://127.0.0.1/", false),
            ("[::1]", "http://[::1]:8080/", true),
            ("[::1]:8080", "http://[::1]:8080/", true),
            ("[::1]:80", "http://[::1]:8080/", false),
            ("[0:0:0:0:0:0:0:1]", "http://[::1]/", true),
            ("::1", "http://[::1]:8080/", true),
            ("[::2]", "http://[::1]/", false),
            ("localhost", "http://localhost:3000/", true),
            ("localhost", "http://idp.localhost/", true),
            (".", "https://a.example/", false),
            ("*.", "https://a.example/", false),
            ("https://a.example", "https://a.example/", false),
        ];
        for (list, url, expected) in table {
            assert_eq!(is_bypassed(list, &Url::parse(url).unwrap()), expected, "{list:?} {url}");
        }
    }

    #[test]
    fn https_falls_back_to_the_http_proxy_and_never_the_other_way() {
        let (http, https) = (ProxyUrl::parse("http://plain:1"), ProxyUrl::parse("http://secure:1"));
        let of = |http: &Option<ProxyUrl>, https: &Option<ProxyUrl>, bypass: &str, url: &str| {
            let proxies = Proxies { http: http.clone(), https: https.clone(), bypass: bypass.into() };
            choose(&proxies, &Url::parse(url).unwrap()).map(ProxyUrl::without_credentials)
        };
        let plain = Some("http://plain:1".to_owned());
        let secure = Some("http://secure:1".to_owned());
        assert_eq!(of(&http, &https, "", "https://a/"), secure);
        assert_eq!(of(&http, &https, "", "http://localhost/"), plain);
        assert_eq!(of(&http, &None, "", "https://a/"), plain);
        assert_eq!(of(&None, &https, "", "http://localhost/"), None);
        assert_eq!(of(&http, &https, "a", "https://a/"), None);
        assert_eq!(of(&None, &None, "", "https://a/"), None);
    }
}
