//! `chert sign`: the headers that sign a request (api.md §2), for trying things out and as a second
//! implementation of what clients do. It runs on the client's side; no server reads a secret key.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chert_api::auth::keys::{AddressKind, Algorithm};
use chert_api::auth::policy::{LABEL, Terms, compose};
use ed25519_dalek::Signer;
use ml_dsa::{Keypair, MlDsa44, MlDsa65, MlDsa87, MlDsaParams};
use rand::Rng;
use url::Url;

use crate::cli::SignArgs;

const SEED_BYTES: usize = 32;
const NONCE_BYTES: usize = 16;
/// Largest body that the API takes, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Signs, or makes a key.
pub fn run(args: &SignArgs) -> anyhow::Result<ExitCode> {
    if args.generate {
        let algorithm = Algorithm::parse(&args.alg).with_context(|| {
            let names = Algorithm::ALL.map(Algorithm::as_str).join(", ");
            format!("{} is no algorithm of ours; they are {names}", args.alg)
        })?;
        generate(algorithm, &args.key)?;
    }
    let key = SecretKey::read(&args.key)?;
    let (Some(method), Some(url)) = (&args.method, &args.url) else {
        let public_key = key.public_key();
        println!("algorithm: {}", key.algorithm.as_str());
        println!("account: {}", AddressKind::Account.address_of(&public_key));
        println!("public key: {}", hex::encode(public_key));
        return Ok(ExitCode::SUCCESS);
    };
    let url = Url::parse(url).with_context(|| format!("{url} is not a URL"))?;
    let body = match &args.body {
        Some(file) => fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        None => Vec::new(),
    };
    ensure!(body.len() <= BODY_BYTES_MAX, "the body is above 64 KiB, which the API refuses");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_s = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let nonce = hex::encode(random::<NONCE_BYTES>());
    let times = (now_s, now_s.saturating_add(args.expires_in));
    for (name, value) in headers(&key, method, &url, &body, times, &nonce)? {
        println!("{name}: {value}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The headers to send with a request.
fn headers(
    key: &SecretKey,
    method: &str,
    url: &Url,
    body: &[u8],
    (created_s, expires_s): (i64, i64),
    nonce: &str,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let host = url.host_str().ok_or_else(|| anyhow!("{url} names no host"))?;
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let key_id = hex::encode(key.public_key());
    let terms = Terms { created_s, expires_s, nonce, key_id: &key_id, algorithm: key.algorithm };
    let target = (method, authority.as_str(), url.path(), url.query());
    let unsigned = compose(target, body, &terms)
        .map_err(|refusal| anyhow!("cannot be signed: {}", refusal.detail()))?;
    let signature = STANDARD.encode(key.sign(unsigned.base.as_bytes())?);
    let mut headers = vec![
        ("signature-input", unsigned.signature_input),
        ("signature", format!("{LABEL}=:{signature}:")),
    ];
    headers.extend(unsigned.content_digest.map(|digest| ("content-digest", digest)));
    Ok(headers)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // ChaCha, seeded and reseeded by the operating system.
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// Writes a new key that only its owner may read.
fn generate(algorithm: Algorithm, file: &Path) -> anyhow::Result<()> {
    let line = format!("{} {}\n", algorithm.as_str(), hex::encode(random::<SEED_BYTES>()));
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = opened
        .with_context(|| format!("cannot create {}; it must not exist yet", file.display()))?;
    opened.write_all(line.as_bytes()).with_context(|| format!("cannot write {}", file.display()))
}

/// A key as its file has it. Without `Debug`, so that it is never printed.
struct SecretKey {
    algorithm: Algorithm,
    seed: [u8; SEED_BYTES],
}

impl SecretKey {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read the key file {}", file.display()))?;
        Self::parse(&text).with_context(|| {
            format!(
                "{} must hold one line: ed25519, ml-dsa-44, ml-dsa-65 or ml-dsa-87, a blank, and \
                 the seed in 64 hex digits (`chert sign --generate --key FILE` makes one)",
                file.display()
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let algorithm = Algorithm::parse(words.next()?)?;
        let seed = hex::decode(words.next()?).ok()?.try_into().ok()?;
        words.next().is_none().then_some(Self { algorithm, seed })
    }

    fn public_key(&self) -> Vec<u8> {
        match self.algorithm {
            Algorithm::Ed25519 => self.ed25519().verifying_key().to_bytes().to_vec(),
            Algorithm::MlDsa44 => self.ml_dsa::<MlDsa44>().verifying_key().encode().to_vec(),
            Algorithm::MlDsa65 => self.ml_dsa::<MlDsa65>().verifying_key().encode().to_vec(),
            Algorithm::MlDsa87 => self.ml_dsa::<MlDsa87>().verifying_key().encode().to_vec(),
        }
    }

    fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self.algorithm {
            Algorithm::Ed25519 => Ok(self.ed25519().sign(message).to_bytes().to_vec()),
            Algorithm::MlDsa44 => self.sign_ml_dsa::<MlDsa44>(message),
            Algorithm::MlDsa65 => self.sign_ml_dsa::<MlDsa65>(message),
            Algorithm::MlDsa87 => self.sign_ml_dsa::<MlDsa87>(message),
        }
    }

    fn ed25519(&self) -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(&self.seed)
    }

    fn ml_dsa<P: MlDsaParams>(&self) -> ml_dsa::SigningKey<P> {
        ml_dsa::SigningKey::<P>::from_seed(&self.seed.into())
    }

    fn sign_ml_dsa<P: MlDsaParams>(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let signature = self.ml_dsa::<P>().expanded_key().sign_deterministic(message, &[]);
        let signature = signature.map_err(|_| anyhow!("the key does not sign"))?;
        Ok(signature.encode().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_what_its_public_key_verifies() {
        let url = Url::parse("http://127.0.0.1:8080/v1/pouw/stats/ab?x=1").expect("a URL");
        for algorithm in Algorithm::ALL {
            let key = SecretKey { algorithm, seed: [9; SEED_BYTES] };
            let nonce = hex::encode(random::<NONCE_BYTES>());
            let signed = headers(&key, "GET", &url, b"{}", (100, 160), &nonce).expect("headers");
            let value = |name| &signed.iter().find(|(known, _)| *known == name).expect(name).1;
            assert!(value("content-digest").starts_with("sha-256=:"));
            let params = value("signature-input").strip_prefix("chert=").expect("the label");
            let base = format!(
                "\"@method\": GET\n\"@authority\": 127.0.0.1:8080\n\"@path\": /v1/pouw/stats/ab\n\
                 \"@query\": ?x=1\n\"content-digest\": {}\n\"@signature-params\": {params}",
                value("content-digest")
            );
            let signature = value("signature").trim_start_matches("chert=:").trim_end_matches(':');
            let signature = STANDARD.decode(signature).expect("base64");
            assert!(algorithm.verify(&key.public_key(), base.as_bytes(), &signature));
        }
    }

    #[test]
    fn key_files_are_made_once_and_read_strictly() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        generate(Algorithm::MlDsa65, &file).expect("a new file");
        assert_eq!(SecretKey::read(&file).expect("a key").algorithm, Algorithm::MlDsa65);
        assert!(generate(Algorithm::Ed25519, &file).is_err());
        let seed = "00".repeat(SEED_BYTES);
        for bad in ["", "ed25519", "rsa 00", "ed25519 00", &seed, &format!("ed25519 {seed} x")] {
            assert!(SecretKey::parse(bad).is_none(), "{bad}");
        }
    }
}
