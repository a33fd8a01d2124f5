//! Why an exchange brought no answer: a closed set, each found from the typed cause and never from a text.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

/// A self-issued server certificate that is not listed.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is self-signed")]
pub struct SelfSigned;

/// Why there is no answer, and what to do. Deliberately without the URL, and of the other side's text only the name of a
/// coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FetchError {
    #[error("the host's name could not be looked up; check its spelling and this machine's DNS")]
    Dns,
    #[error("nothing listens at the host's port; check host and port, and whether the service runs")]
    Refused,
    #[error("no route leads to the host; check network and firewall, or set a proxy")]
    Unreachable,
    #[error("no connection came about in time; check network and firewall, or set a proxy")]
    ConnectTimeout,
    #[error("the connection stood, but the answer did not come in time; look at the provider's load and log")]
    BodyTimeout,
    #[error(
        "no trusted authority issued the server's certificate; add the CA by `ca` or NODE_EXTRA_CA_CERTS, or have the server send its intermediate certificates"
    )]
    TlsUntrusted,
    #[error("the server's certificate is self-signed; add that very certificate by `ca` or NODE_EXTRA_CA_CERTS")]
    TlsSelfSigned,
    #[error("the server's certificate, or one of its issuers', has expired; renew it, or correct this machine's clock")]
    TlsExpired,
    #[error(
        "the server's certificate, or one of its issuers', is not valid yet; correct this machine's clock or the server's"
    )]
    TlsNotYetValid,
    #[error(
        "the server's certificate is for another name; use a host that its subjectAltName lists, or have it issued anew"
    )]
    TlsName,
    #[error(
        "the server's certificate has no subjectAltName, and a common name (CN) alone is not looked at; have it issued anew"
    )]
    TlsCommonNameOnly,
    #[error("the server's certificate cannot be used: {0}")]
    TlsCertificate(Unusable),
    #[error(
        "the server and we have no TLS version or cipher suite in common; it must offer TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20 (no RSA key exchange, DHE or CBC)"
    )]
    TlsNoCommon,
    #[error("the server offers only TLS 1.1 or older; enable TLS 1.2 or 1.3 there")]
    TlsVersion,
    #[error("the server wants a client certificate that it accepts; set `clientCertificate`")]
    TlsClientCertificate,
    #[error(
        "the server asked for a new TLS handshake within the connection, which is not done; have it ask for client certificates at once"
    )]
    TlsRenegotiation,
    #[error("the TLS handshake failed; look at the server's log")]
    TlsHandshake,
    #[error(
        "the server does not speak TLS at this port; check the port, or that the URL should not be plain http to this machine"
    )]
    NotTls,
    #[error(
        "no connection to the proxy could be made ({0}); check its address, which comes from PROXY, HTTPS_PROXY or HTTP_PROXY, or from `proxy`"
    )]
    ProxyRefused(ProxyTrouble),
    #[error("the proxy wants other credentials (407); write them into its URL as `user:password@`")]
    ProxyAuth,
    #[error("{}", denied(*.0))]
    ProxyDenied(u16),
    #[error("the connection was closed before an answer came; look at the server's log and at what stands between")]
    Reset,
    #[error("the answer broke off before its end; look at the server's log and at what stands between")]
    BodyTruncated,
    #[error("the answer's body is encoded as {0}, and only gzip is decoded; have the server send it as it is")]
    Encoding(Coding),
    #[error("the body is larger than is read; raise `maxBodyBytes` if that is right")]
    TooLarge,
    #[error("what answered does not speak HTTP/1.1; check host and port")]
    NotHttp,
    #[error("the host's address is one that is never connected to")]
    Address,
    #[error("no trusted certificates were handed over, so no https connection can be made")]
    NoTrust,
    #[error("the HTTP client could not be made")]
    Client,
}

/// What a proxy's answer to a request for a connection says, by its status (RFC 9110 9.3.6, 15.6).
fn denied(status: u16) -> String {
    if matches!(status, 500..=599) {
        return format!(
            "the proxy itself did not get through to the host (status {status}); see that it can look the host up and connect to it, or list the host in NO_PROXY or `proxy.bypass`"
        );
    }
    format!(
        "the proxy does not let the host through (status {status}); allow it there, or list it in NO_PROXY or `proxy.bypass`"
    )
}

/// Why a certificate cannot be used for another reason than its issuer, name or dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Unusable {
    #[error("it is not made for servers (extended key usage); have one issued for server authentication")]
    Purpose,
    #[error("it is signed with an algorithm that is not accepted, such as SHA-1; have it issued anew")]
    Algorithm,
    #[error("it is malformed, or of X.509 version 1; have it issued anew as version 3")]
    Encoding,
    #[error("the server sent none; look at its configuration")]
    Missing,
    #[error("it breaks a rule of RFC 5280; have it issued anew")]
    Rule,
}

/// Why the proxy was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ProxyTrouble {
    #[error("its name could not be looked up")]
    Dns,
    #[error("nothing listens there")]
    Refused,
    #[error("no route leads there")]
    Unreachable,
    #[error("it did not answer in time")]
    Timeout,
    #[error("its certificate is not accepted, or it does not speak TLS")]
    Tls,
    #[error("it closed the connection, or does not speak HTTP")]
    Closed,
}

/// A content coding that is not decoded (RFC 9110 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Coding {
    #[error("Brotli (`br`)")]
    Brotli,
    #[error("`deflate`")]
    Deflate,
    #[error("Zstandard (`zstd`)")]
    Zstd,
    #[error("`compress`")]
    Compress,
    #[error("several codings, one upon another")]
    Several,
    #[error("`gzip` that cannot be decoded")]
    BrokenGzip,
    #[error("`{0}`")]
    Other(CodingName),
}

/// What a server calls a coding that nobody here knows: its first characters, none of which can be mistaken for anything else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodingName([u8; Self::MOST]);

impl CodingName {
    const MOST: usize = 24;

    /// Of the field's text.
    pub fn of(text: &str) -> Self {
        let mut name = [0; Self::MOST];
        // RFC 9110 5.6.2, and what else a careless server writes.
        let given = text
            .bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() || b"-_.+=;".contains(&byte) { byte } else { b'?' });
        name.iter_mut().zip(given).for_each(|(place, byte)| *place = byte);
        Self(name)
    }
}

impl std::fmt::Display for CodingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take_while(|byte| **byte != 0).try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl std::fmt::Debug for CodingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl FetchError {
    /// The stable word for it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "timeout-connect",
            Self::BodyTimeout => "timeout-body",
            Self::TlsUntrusted => "tls-untrusted",
            Self::TlsSelfSigned => "tls-self-signed",
            Self::TlsExpired => "tls-expired",
            Self::TlsNotYetValid => "tls-not-yet-valid",
            Self::TlsName | Self::TlsCommonNameOnly => "tls-name",
            Self::TlsCertificate(_) => "tls-certificate",
            Self::TlsNoCommon | Self::TlsVersion => "tls-no-common",
            Self::TlsClientCertificate => "tls-client-certificate",
            Self::TlsRenegotiation => "tls-renegotiation",
            Self::TlsHandshake => "tls-handshake",
            Self::NotTls => "not-tls",
            Self::ProxyRefused(_) => "proxy-refused",
            Self::ProxyAuth => "proxy-auth",
            Self::ProxyDenied(_) => "proxy-denied",
            Self::Reset => "reset",
            Self::BodyTruncated => "body-truncated",
            Self::Encoding(_) => "encoding",
            Self::TooLarge => "too-large",
            Self::NotHttp => "not-http",
            Self::Address => "address",
            Self::NoTrust => "no-trust",
            Self::Client => "client",
        }
    }

    /// Whether it is the proxy, and not the provider, that has to be looked at.
    pub const fn is_the_proxys(self) -> bool {
        matches!(self, Self::ProxyRefused(_) | Self::ProxyAuth | Self::ProxyDenied(_))
    }

    /// The same failure, met on the way to a proxy.
    pub const fn at_the_proxy(self) -> Self {
        Self::ProxyRefused(match self {
            Self::Dns => ProxyTrouble::Dns,
            Self::Refused => ProxyTrouble::Refused,
            Self::Unreachable => ProxyTrouble::Unreachable,
            Self::ConnectTimeout | Self::BodyTimeout => ProxyTrouble::Timeout,
            Self::Reset | Self::NotHttp | Self::BodyTruncated => ProxyTrouble::Closed,
            Self::ProxyRefused(trouble) => trouble,
            _ => ProxyTrouble::Tls,
        })
    }

    /// The cause of a failed attempt to connect.
    pub fn connecting(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::ConnectTimeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Self::Reset,
            // Any other system error of a connect: no network, no host, no address, a firewall rule.
            _ => Self::Unreachable,
        }
    }

    /// The cause of a failed TLS handshake.
    pub fn handshake(error: &io::Error) -> Self {
        match in_chain::<rustls::Error>(error) {
            Some(error) => tls(error),
            None => Self::Reset,
        }
    }

    /// The cause of a request that failed on an established connection, before the head of an answer.
    pub fn exchange(error: &hyper::Error) -> Self {
        if let Some(error) = in_chain::<rustls::Error>(error) {
            return match error {
                // A server that wants to renegotiate closes the connection like this, because this client does not.
                rustls::Error::AlertReceived(
                    AlertDescription::HandshakeFailure | AlertDescription::NoRenegotiation,
                )
                | rustls::Error::PeerMisbehaved(rustls::PeerMisbehaved::TooManyRenegotiationRequests) => {
                    Self::TlsRenegotiation
                }
                error => tls(error),
            };
        }
        if error.is_parse() { Self::NotHttp } else { Self::Reset }
    }

    /// The cause of a body that could not be read.
    pub fn body(error: &hyper::Error) -> Self {
        match in_chain::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe) => {
                Self::Reset
            }
            // A chunk that is no chunk (RFC 9112 7.1).
            Some(io::ErrorKind::InvalidInput) => Self::NotHttp,
            _ => Self::BodyTruncated,
        }
    }
}

fn tls(error: &rustls::Error) -> FetchError {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate(error),
        rustls::Error::NoCertificatesPresented => FetchError::TlsCertificate(Unusable::Missing),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => FetchError::NotTls,
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )
        | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => FetchError::TlsVersion,
        rustls::Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => FetchError::NotTls,
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity) => {
            FetchError::TlsNoCommon
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => FetchError::TlsName,
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::NoCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => FetchError::TlsClientCertificate,
        _ => FetchError::TlsHandshake,
    }
}

fn certificate(error: &CertificateError) -> FetchError {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => FetchError::TlsExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => FetchError::TlsNotYetValid,
        // A wrong signature means an authority of the right name with another key, usually one that was created again.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => FetchError::TlsUntrusted,
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            FetchError::TlsCommonNameOnly
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => FetchError::TlsName,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            FetchError::TlsCertificate(Unusable::Purpose)
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            FetchError::TlsCertificate(Unusable::Algorithm)
        }
        CertificateError::BadEncoding => FetchError::TlsCertificate(Unusable::Encoding),
        CertificateError::Other(other) if other.0.is::<SelfSigned>() => FetchError::TlsSelfSigned,
        _ => FetchError::TlsCertificate(Unusable::Rule),
    }
}

/// The first error of a kind among an error and its causes. An I/O error hides what it carries from `source`.
fn in_chain<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
