//! One TLS configuration for both the blocking and the waiting connections.

use crate::settings::{Settings, Tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;
use syncline_core::{Error, Kind, Result};

/// The configuration that the settings ask for; `None` when TLS is off.
///
/// # Errors
/// `Config` when the roots can't be read.
pub(crate) fn client_config(settings: &Settings) -> Result<Option<Arc<ClientConfig>>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Internal, "TLS versions are missing").caused_by(error))?;
    let config = match &settings.tls {
        Tls::Disable => return Ok(None),
        Tls::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
        Tls::VerifyFull { roots } => {
            builder.with_root_certificates(root_store(roots.as_deref())?).with_no_client_auth()
        }
    };
    Ok(Some(Arc::new(config)))
}

/// The name the certificate must be good for.
pub(crate) fn server_name(settings: &Settings) -> Result<ServerName<'static>> {
    ServerName::try_from(settings.host.clone()).map_err(|error| {
        Error::new(Kind::Config, format!("TLS needs a host name, not {:?}", settings.host))
            .hint("set host to the name in the server's certificate, or tls = \"disable\"")
            .caused_by(error)
    })
}

fn root_store(file: Option<&std::path::Path>) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    match file {
        Some(path) => {
            let unreadable = |error: rustls::pki_types::pem::Error| {
                Error::new(Kind::Config, format!("can't read certificates in {}", path.display()))
                    .detail(error.to_string())
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                store.add(certificate.map_err(unreadable)?).map_err(|error| {
                    Error::new(Kind::Config, format!("a bad certificate in {}", path.display()))
                        .caused_by(error)
                })?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err(Error::new(Kind::Config, "no certificate to trust was found")
            .hint("name a PEM file in tls_roots"));
    }
    Ok(store)
}

/// Accepts any certificate: `Tls::Require` hides the traffic but does not say who is there.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
