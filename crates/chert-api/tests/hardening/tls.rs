//! TLS of our own, with certificates made here.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use chert_api::{ApiSettings, Tls};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{answer, metric_over, serve_with, status_of, support};

const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Writes a fresh certificate for `localhost` and its key; the certificate.
fn write_pair(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn load(dir: &Path) -> Result<Tls, chert_api::TlsError> {
    Tls::load(&dir.join("cert.pem"), &dir.join("key.pem"))
}

async fn connect(
    server: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(server).await?;
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn get(mut stream: TlsStream<TcpStream>) -> String {
    stream.write_all(REQUEST).await.unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn tls_serves_both_protocols_and_demands_itself() {
    let dir = TempDir::new().unwrap();
    let certificate = write_pair(dir.path());
    let tls = load(dir.path()).unwrap();
    let server = serve_with(ApiSettings { tls: Some(tls.clone()), ..support::settings() }).await;

    let stream = connect(server, &certificate, b"http/1.1").await.unwrap();
    let healthy = get(stream).await;
    assert_eq!(status_of(&healthy), 200, "{healthy}");
    assert!(healthy.contains("strict-transport-security: max-age=31536000"), "{healthy}");
    let stream = connect(server, &certificate, b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    // In the clear, and with something that is no TLS at all.
    let clear = answer(server, REQUEST).await;
    assert!(!clear.contains("HTTP/1.1 200"), "{clear}");
    let stream = connect(server, &certificate, b"http/1.1").await.unwrap();
    let refused = "chert_connections_refused_total{why=\"tls\"}";
    assert!(metric_over(stream, refused).await >= 1.0);

    // Renewed while it runs: new connections see the new one.
    let renewed = write_pair(dir.path());
    tls.reload().unwrap();
    connect(server, &certificate, b"http/1.1").await.expect_err("the old one is gone");
    let stream = connect(server, &renewed, b"http/1.1").await.unwrap();
    assert_eq!(status_of(&get(stream).await), 200);
    // A broken renewal changes nothing.
    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    tls.reload().unwrap_err();
    let stream = connect(server, &renewed, b"http/1.1").await.unwrap();
    assert_eq!(status_of(&get(stream).await), 200);
}

#[tokio::test]
async fn plain_http_does_not_demand_tls() {
    let server = serve_with(support::settings()).await;
    let healthy = answer(server, REQUEST).await;
    assert_eq!(status_of(&healthy), 200);
    assert!(!healthy.contains("strict-transport-security"), "{healthy}");
}

#[test]
fn unusable_files_are_named() {
    let dir = TempDir::new().unwrap();
    let said = |part: &str| {
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    };
    said("server.tls_cert:");
    write_pair(dir.path());
    load(dir.path()).unwrap();
    let key = std::fs::read(dir.path().join("key.pem")).unwrap();
    std::fs::write(dir.path().join("key.pem"), "nonsense").unwrap();
    said("holds no private key");
    write_pair(dir.path());
    std::fs::write(dir.path().join("key.pem"), key).unwrap();
    said("cannot be used");
    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    said("holds no certificate");
}
