//! How a provider is reached: proxies, certificates, address policy. Checked once, with the policy.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use url::Url;

use super::{PolicyError, expected};

/// The largest body read, in bytes, where the policy names no other. A set of 100 keys with certificate chains is about
/// 400 KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<str>);

impl Secret {
    /// A text to keep so.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A proxy: http or https, with the user name and password it wants.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// `host:port` without a scheme means http, as with curl. `None` for anything that is no http or https URL.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) }.ok()?;
        (matches!(url.scheme(), "http" | "https") && url.host().is_some()).then_some(Self(url))
    }

    /// The URL, credentials included.
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// Scheme, host and port only.
    pub fn without_credentials(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_credentials())
    }
}

/// Which requests go through a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Proxies {
    /// For http URLs.
    pub http: Option<ProxyUrl>,
    /// For https URLs; that for http serves where there is none.
    pub https: Option<ProxyUrl>,
    /// Hosts that are reached without one, in the notation of `NO_PROXY`.
    pub bypass: Box<str>,
}

/// Proxies as written.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct ProxyOptions {
    pub http: Option<String>,
    pub https: Option<String>,
    pub bypass: Option<String>,
}

/// The certificate for a provider that asks for one (RFC 8446 4.4.2). PEM texts, known to fit together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    cert: Box<str>,
    key: Secret,
}

impl ClientCertificate {
    /// The chain, ours first, and its key.
    ///
    /// # Errors
    /// The option and what was expected of it.
    pub fn parse(cert: &str, key: &str) -> Result<Self, PolicyError> {
        let this = Self { cert: cert.into(), key: Secret(key.into()) };
        let usable = this.der().and_then(|(chain, key)| {
            CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).ok()
        });
        usable.map(|_| this).ok_or_else(|| PolicyError::option("clientCertificate", expected::CLIENT_CERTIFICATE))
    }

    /// The certificate, PEM.
    pub fn cert(&self) -> &str {
        &self.cert
    }

    /// Chain and key as rustls takes them.
    pub fn der(&self) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.cert.as_bytes()).collect::<Result<_, _>>().ok()?;
        let key = PrivateKeyDer::from_pem_slice(self.key.reveal().as_bytes()).ok()?;
        (!chain.is_empty()).then_some((chain, key))
    }
}

/// How the provider is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transport {
    /// Through which proxies, if any.
    pub proxies: Proxies,
    /// Certificates trusted besides Node's, PEM.
    pub extra_ca: Box<[Box<str>]>,
    /// The client certificate, if there is one.
    pub client_certificate: Option<ClientCertificate>,
    /// Whether private, loopback and carrier-grade addresses are refused over https.
    pub refuse_private_addresses: bool,
    /// The largest body read, in bytes.
    pub max_body_bytes: usize,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            proxies: Proxies::default(),
            extra_ca: Box::default(),
            client_certificate: None,
            refuse_private_addresses: false,
            max_body_bytes: MAX_BODY_BYTES,
        }
    }
}

/// Reads the proxies.
pub(super) fn proxies(options: &ProxyOptions) -> Result<Proxies, PolicyError> {
    let url = |text: &Option<String>| match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => ProxyUrl::parse(text).map(Some).ok_or_else(|| PolicyError::option("proxy", expected::PROXY)),
    };
    let bypass = options.bypass.clone().unwrap_or_default().into();
    Ok(Proxies { http: url(&options.http)?, https: url(&options.https)?, bypass })
}

/// Checks that each text holds certificates that can be trusted.
pub(super) fn extra_ca(pems: &[String]) -> Result<Box<[Box<str>]>, PolicyError> {
    let usable = |pem: &String| {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        certificates.is_ok_and(|certificates| {
            let mut roots = RootCertStore::empty();
            !certificates.is_empty() && certificates.into_iter().all(|certificate| roots.add(certificate).is_ok())
        })
    };
    if pems.iter().all(usable) {
        Ok(pems.iter().map(|pem| pem.as_str().into()).collect())
    } else {
        Err(PolicyError::option("ca", expected::CERTIFICATES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_http_or_https_url() {
        for (text, shown) in [
            ("http://p.example:3128", "http://p.example:3128"),
            (" https://user:secret@p.example ", "https://p.example"),
            ("p.example:3128", "http://p.example:3128"),
            ("user:secret@p.example:3128", "http://p.example:3128"),
            ("[::1]:3128", "http://[::1]:3128"),
        ] {
            let proxy = ProxyUrl::parse(text).unwrap();
            assert_eq!(proxy.without_credentials(), shown);
            assert!(!format!("{proxy:?}").contains("secret"));
        }
        for text in ["socks5://p.example", "http://", "ftp://p", "a b", "//"] {
            assert_eq!(ProxyUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bad_pem_is_the_operators_error_with_the_options_name() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "nonsense", certificate, "-----BEGIN CERTIFICATE-----\n?"] {
            let error = extra_ca(&[pem.to_owned()]).unwrap_err();
            assert!(matches!(error, PolicyError::Option { key, .. } if key == "ca"), "{pem}");
            let error = ClientCertificate::parse(pem, pem).unwrap_err();
            assert!(matches!(error, PolicyError::Option { key, .. } if key == "clientCertificate"), "{pem}");
        }
    }
}
