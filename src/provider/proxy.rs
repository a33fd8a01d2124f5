//! Which requests go through a proxy: a pure rule of settings and URL.

use std::net::{IpAddr, Ipv6Addr};

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
/// IPv6 addresses are in brackets. An address with `/` and a number of bits is every address that begins with these
/// (RFC 4632 3.1). That applies to address literals in the URL only, because no name has been looked up yet.
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

/// Splits `host:port`; a colon inside brackets or in a bare IPv6 address does not separate a port.
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
            // A dot at the end says that nothing is to be added to a name (RFC 1034 3.1), and changes nothing here.
            let name = name.strip_suffix('.').unwrap_or(&name);
            let domain = domain.strip_suffix('.').unwrap_or(domain);
            !name.is_empty() && domain.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
        Host::Ipv4(address) => within(name, IpAddr::V4(*address)),
        Host::Ipv6(address) => within(name, IpAddr::V6(*address)),
    }
}

/// Whether an address is the one named, or in the range named.
fn within(name: &str, address: IpAddr) -> bool {
    let (network, bits) = match name.split_once('/') {
        None => (name, None),
        Some((network, bits)) => (network, Some(bits)),
    };
    // `[fd00::/8]` and `[fd00::]/8`
    let unopened = network.strip_prefix('[').unwrap_or(network);
    let network = unopened.strip_suffix(']').unwrap_or(unopened);
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    // RFC 4291 2.5.5.2: `::ffff:10.1.2.3` is 10.1.2.3. A range of fewer bits is one of IPv6.
    let (network, address) = if network.is_ipv4() || bits.is_none() {
        (network.to_canonical(), address.to_canonical())
    } else {
        (network, address)
    };
    let Some(bits) = bits else { return network == address };
    let Ok(bits) = bits.strip_suffix(']').unwrap_or(bits).parse::<u32>() else { return false };
    // The bits after the prefix are shifted away; for a prefix of length zero nothing is left to compare.
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let behind = 32_u32.saturating_sub(bits);
            network.to_bits().checked_shr(behind) == address.to_bits().checked_shr(behind)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let behind = 128_u32.saturating_sub(bits);
            network.to_bits().checked_shr(behind) == address.to_bits().checked_shr(behind)
        }
        _ => false,
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
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.9.9.9/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.0.0.1/", false),
            ("10.1.2.0/23", "https://10.1.3.255/", true),
            ("10.1.2.0/23", "https://10.1.4.0/", false),
            ("10.1.2.3/32", "https://10.1.2.3/", true),
            ("10.1.2.3/32", "https://10.1.2.4/", false),
            ("0.0.0.0/0", "https://10.1.2.3/", true),
            ("0.0.0.0/0", "https://a.example/", false),
            ("0.0.0.0/0", "https://[fd00::1]/", false),
            ("10.0.0.0/8:8443", "https://10.1.2.3:8443/", true),
            ("10.0.0.0/8:8443", "https://10.1.2.3/", false),
            ("10.0.0.0/33", "https://10.0.0.0/", false),
            ("10.0.0.0/", "https://10.0.0.0/", false),
            ("10.0.0.0/-1", "https://10.0.0.0/", false),
            ("10.0.0/8", "https://10.0.0.0/", false),
            ("fd00::/8", "https://[fd12::1]/", true),
            ("[fd00::]/8", "https://[fd12::1]/", true),
            ("[fd00::/8]", "https://[fd12::1]/", true),
            ("[fd00::]/8:443", "https://[fd12::1]/", true),
            ("fd00::/8", "https://[fe00::1]/", false),
            ("2001:db8::/33", "https://[2001:db8:7fff::1]/", true),
            ("2001:db8::/33", "https://[2001:db8:8000::1]/", false),
            ("::/0", "https://[fd12::1]/", true),
            ("::1/129", "https://[::1]/", false),
            ("10.0.0.0/8", "https://[::ffff:10.1.2.3]/", true),
            ("10.0.0.0/8", "https://[::ffff:11.1.2.3]/", false),
            ("10.1.2.3", "https://[::ffff:10.1.2.3]/", true),
            ("::ffff:10.1.2.3", "https://10.1.2.3/", true),
            ("::ffff:0:0/96", "https://[::ffff:10.1.2.3]/", true),
            ("a.example", "https://a.example./", true),
            ("a.example.", "https://a.example/", true),
            (".a.example.", "https://b.a.example/", true),
            ("*a.example", "https://a.example/", true),
            ("other,192.168.0.0/16", "https://192.168.7.7/", true),
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
