//! Which server certificates are trusted: those that Node trusts, by the rules of Node's TLS library, OpenSSL.

use std::sync::Arc;

use once_cell::sync::OnceCell;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::prelude::FromDer;

use super::fault::{FetchError, SelfSigned};
use crate::policy::transport::Transport;

static NODES: OnceCell<Listed> = OnceCell::new();

/// Sets the certificates that https connections are checked with, as PEM texts. The first call counts: a process trusts
/// the same certificates from beginning to end. Texts without a certificate are ignored.
///
/// Returns how many certificates are trusted.
pub fn trust_certificates<S: AsRef<str>>(pems: &[S]) -> usize {
    let listed = NODES.get_or_init(|| Listed::of(pems.iter().flat_map(|pem| certificates(pem.as_ref()))));
    listed.themselves.len().saturating_add(listed.helpers.len())
}

/// The certificates of a PEM text. As in OpenSSL, nothing is read past the first that is broken, a byte order mark is passed over,
/// and the label that was usual before RFC 7468 means the same.
fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    let pem = pem.trim_start_matches('\u{feff}').replace(" X509 CERTIFICATE-----", " CERTIFICATE-----");
    let whole = |certificate: &CertificateDer<'_>| X509Certificate::from_der(certificate).is_ok();
    CertificateDer::pem_slice_iter(pem.as_bytes()).map_while(|certificate| certificate.ok().filter(whole)).collect()
}

/// Listed certificates, by what they can be used for.
#[derive(Debug)]
struct Listed {
    /// Self-issued authorities: where a chain may end.
    roots: RootCertStore,
    /// Issued by another authority: links in a chain to a root.
    helpers: Vec<CertificateDer<'static>>,
    /// Self-issued, authorities or not: a server may present exactly one of these.
    themselves: Vec<CertificateDer<'static>>,
}

impl Listed {
    fn of(certificates: impl Iterator<Item = CertificateDer<'static>>) -> Self {
        let mut this = Self { roots: RootCertStore::empty(), helpers: Vec::new(), themselves: Vec::new() };
        certificates.for_each(|certificate| this.add(certificate));
        this
    }

    fn add(&mut self, certificate: CertificateDer<'static>) {
        let Ok((_, parsed)) = X509Certificate::from_der(&certificate) else { return };
        if !is_its_own_issuer(&parsed) {
            self.helpers.push(certificate);
            return;
        }
        if is_authority(&parsed) {
            // One that cannot be a trust anchor is skipped here: it is still listed.
            let _ = self.roots.add(certificate.clone());
        }
        self.themselves.push(certificate);
    }
}

/// Verifies certificates as Node does: a chain must end in a listed self-issued authority; other listed certificates
/// only complete the chain. A server may also present a listed self-signed certificate itself, authority or not.
#[derive(Debug)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    /// Node's and the policy's.
    roots: RootCertStore,
    nodes: Option<&'static Listed>,
    extra: Listed,
}

impl Trust {
    /// A verifier with Node's certificates and those the policy adds.
    ///
    /// # Errors
    /// [`FetchError::NoTrust`].
    pub fn of(transport: &Transport, provider: Arc<CryptoProvider>) -> Result<Self, FetchError> {
        let extra = Listed::of(transport.extra_ca.iter().flat_map(|pem| certificates(pem)));
        let nodes = NODES.get();
        let mut roots = extra.roots.clone();
        roots.roots.extend(nodes.iter().flat_map(|nodes| nodes.roots.roots.iter().cloned()));
        let this = Self { provider, roots, nodes, extra };
        let empty = this.lists().all(|listed| listed.themselves.is_empty() && listed.helpers.is_empty());
        if empty { Err(FetchError::NoTrust) } else { Ok(this) }
    }

    fn lists(&self) -> impl Iterator<Item = &Listed> {
        std::iter::once(&self.extra).chain(self.nodes)
    }

    /// RFC 5280 6.1 from a listed authority to the server.
    fn chain(
        &self,
        server: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let parsed = ParsedCertificate::try_from(server)?;
        let between: Vec<_> = sent.iter().chain(self.lists().flat_map(|listed| &listed.helpers)).cloned().collect();
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, &between, now, algorithms)
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let malformed = |_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, parsed) = X509Certificate::from_der(server).map_err(malformed)?;
        // RFC 5280 6.1 does not cover a server that presents a trust anchor; whoever lists a server's own certificate
        // means exactly that one.
        let is_listed = self.lists().flat_map(|listed| &listed.themselves).any(|listed| listed == server);
        if is_listed {
            dates(&parsed, now).and_then(|()| purpose(&parsed)).map_err(rustls::Error::InvalidCertificate)?;
        } else {
            self.chain(server, sent, now).map_err(|error| {
                // Whatever else is wrong with it, being listed comes first.
                let cause = || CertificateError::Other(OtherError(Arc::new(SelfSigned)));
                if is_self_signed(&parsed) { rustls::Error::InvalidCertificate(cause()) } else { error }
            })?;
        }
        verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_its_own_issuer(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// Whether it is signed with its own key. Some authorities issue certificates under their own name without being
/// self-signed: these have an issuer that can be listed.
fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    let other_key = certificate.verify_signature(None) == Err(X509Error::SignatureVerificationError);
    is_its_own_issuer(certificate) && !other_key
}

/// Whether a self-issued certificate may issue others (RFC 5280 4.2.1.3 and 4.2.1.9); as in OpenSSL, one of version 1,
/// which has no extension to say so, may.
fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.key_usage();
    if usage.is_err() || usage.is_ok_and(|usage| usage.is_some_and(|usage| !usage.value.key_cert_sign())) {
        return false;
    }
    match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        Ok(None) => certificate.version().0 == 0 || matches!(certificate.key_usage(), Ok(Some(_))),
        Err(_) => false,
    }
}

fn dates(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        Err(CertificateError::NotValidYet)
    } else if now > validity.not_after.timestamp() {
        Err(CertificateError::Expired)
    } else {
        Ok(())
    }
}

/// Whether a certificate may be a server's: RFC 5280 4.2.1.3 and 4.2.1.12, read as OpenSSL does.
fn purpose(certificate: &X509Certificate<'_>) -> Result<(), CertificateError> {
    let key = match certificate.key_usage() {
        Ok(Some(usage)) => {
            usage.value.digital_signature() || usage.value.key_encipherment() || usage.value.key_agreement()
        }
        other => other.is_ok(),
    };
    let extended = match certificate.extended_key_usage() {
        Ok(Some(usage)) => usage.value.server_auth,
        other => other.is_ok(),
    };
    if key && extended { Ok(()) } else { Err(CertificateError::InvalidPurpose) }
}
