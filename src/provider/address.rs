//! Which addresses are connected to: a pure rule.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Where connections may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Plain http: loopback addresses only, whatever a name resolves to.
    ThisMachine,
    /// https: anywhere but link-local and metadata addresses. Providers inside companies have private addresses.
    Everywhere,
    /// https: not into private ranges either.
    PublicOnly,
    /// To the operator's proxy, wherever that is.
    Unchecked,
}

/// The address in a URL whose host is an address and not a name.
pub fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// RFC 6761 6.3.
pub fn is_localhost_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether the host of a URL is refused as it is written, before any name is looked up.
pub fn is_refused_host(url: &Url, reach: Reach) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => reach == Reach::PublicOnly && is_localhost_name(name.trim_end_matches('.')),
        _ => literal(url).is_none_or(|address| is_refused(address, reach)),
    }
}

/// Whether nothing within `reach` may connect to this address.
pub fn is_refused(address: IpAddr, reach: Reach) -> bool {
    match reach {
        Reach::Unchecked => false,
        Reach::ThisMachine => !address.is_loopback(),
        Reach::Everywhere => is_never_a_provider(address),
        Reach::PublicOnly => is_never_a_provider(address) || is_private(address),
    }
}

/// Link-local addresses, where clouds keep their instance credentials, the other well-known metadata addresses,
/// unspecified and multicast ones.
fn is_never_a_provider(address: IpAddr) -> bool {
    match unmapped(address) {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)].contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

/// RFC 1918, RFC 4193, loopback, and the carrier-grade range of RFC 6598.
fn is_private(address: IpAddr) -> bool {
    match unmapped(address) {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || (first == 100 && second & 0b1100_0000 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback(),
    }
}

/// The IPv4 address inside `::ffff:0:0/96` (RFC 4291 2.5.5.2) or `64:ff9b::/96` (NAT64, RFC 6052 2.1).
fn unmapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_metadata_and_link_local_addresses_in_every_spelling() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "::ffff:0.0.0.0",
        ] {
            assert!(is_refused(text.parse().unwrap(), Reach::Everywhere), "{text}");
            assert!(is_refused(text.parse().unwrap(), Reach::PublicOnly), "{text}");
        }
        for text in
            ["127.0.0.1", "10.0.0.1", "192.168.1.1", "8.8.8.8", "::1", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1"]
        {
            assert!(!is_refused(text.parse().unwrap(), Reach::Everywhere), "{text}");
        }
    }

    #[test]
    fn refuses_private_addresses_where_asked_to() {
        for text in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "127.0.0.1",
            "127.9.9.9",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fc00::1",
            "fdff::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
        ] {
            assert!(is_refused(text.parse().unwrap(), Reach::PublicOnly), "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2001:db8::1", "64:ff9b::808:808"] {
            assert!(!is_refused(text.parse().unwrap(), Reach::PublicOnly), "{text}");
        }
    }

    #[test]
    fn reads_what_a_url_spells_out() {
        let refused = |url: &str, reach| is_refused_host(&Url::parse(url).unwrap(), reach);
        for url in
            ["https://169.254.169.254/x", "https://[::ffff:169.254.169.254]/", "https://0xa9fea9fe/", "https://0/"]
        {
            assert!(refused(url, Reach::Everywhere), "{url}");
        }
        assert!(!refused("https://localhost/", Reach::Everywhere) && !refused("https://10.1/", Reach::Everywhere));
        for url in ["https://localhost/", "https://a.localhost./", "https://10.1/", "https://[::1]/"] {
            assert!(refused(url, Reach::PublicOnly), "{url}");
        }
        assert!(!refused("https://idp.example/", Reach::PublicOnly));
        assert!(!refused("http://127.0.0.1/", Reach::ThisMachine) && !refused("http://[::1]/", Reach::ThisMachine));
    }
}
