//! A client that signs. Written from RFC 9421 with plain texts, without the server's own code for it.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use ml_dsa::{Keypair, MlDsa44, MlDsa65, MlDsa87, MlDsaParams};
use sha2::{Digest, Sha256};
use sha3::Sha3_256;

pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

pub enum Key {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    MlDsa44(Box<ml_dsa::SigningKey<MlDsa44>>),
    MlDsa65(Box<ml_dsa::SigningKey<MlDsa65>>),
    MlDsa87(Box<ml_dsa::SigningKey<MlDsa87>>),
}

fn ml_dsa_sign<P: MlDsaParams>(key: &ml_dsa::SigningKey<P>, message: &[u8]) -> Vec<u8> {
    key.expanded_key().sign_deterministic(message, &[]).unwrap().encode().to_vec()
}

impl Key {
    pub fn ed25519(number: u8) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&[number; 32])))
    }

    pub fn of_all_algorithms(number: u8) -> [Self; 4] {
        let seed = [number; 32];
        [
            Self::ed25519(number),
            Self::MlDsa44(Box::new(ml_dsa::SigningKey::from_seed(&seed.into()))),
            Self::MlDsa65(Box::new(ml_dsa::SigningKey::from_seed(&seed.into()))),
            Self::MlDsa87(Box::new(ml_dsa::SigningKey::from_seed(&seed.into()))),
        ]
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "ed25519",
            Self::MlDsa44(_) => "ml-dsa-44",
            Self::MlDsa65(_) => "ml-dsa-65",
            Self::MlDsa87(_) => "ml-dsa-87",
        }
    }

    pub fn public_key(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            Self::MlDsa44(key) => key.verifying_key().encode().to_vec(),
            Self::MlDsa65(key) => key.verifying_key().encode().to_vec(),
            Self::MlDsa87(key) => key.verifying_key().encode().to_vec(),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::MlDsa44(key) => ml_dsa_sign(key, message),
            Self::MlDsa65(key) => ml_dsa_sign(key, message),
            Self::MlDsa87(key) => ml_dsa_sign(key, message),
        }
    }

    pub fn account(&self) -> String {
        let digest = Sha3_256::new().chain_update("CHERT_ADDRESS_ACCOUNT_V2");
        let digest = digest.chain_update(self.public_key()).finalize();
        format!("0x{}", hex::encode(&digest[..20]))
    }
}

/// A request and what its signature says; every part may be made wrong.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub authority: String,
    /// Path and query.
    pub target: String,
    pub body: Option<Vec<u8>>,
    pub created_s: i64,
    pub lifetime_s: i64,
    pub nonce: String,
    pub label: &'static str,
    pub components: String,
    pub alg: Option<&'static str>,
    pub key_id: Option<String>,
}

static NONCES: AtomicU64 = AtomicU64::new(0);

impl Request {
    /// A GET of a server like `http://127.0.0.1:8080`.
    pub fn get(base: &str, target: &str) -> Self {
        let number = NONCES.fetch_add(1, Ordering::SeqCst);
        Self {
            method: "GET".to_owned(),
            authority: base.strip_prefix("http://").unwrap().to_owned(),
            target: target.to_owned(),
            body: None,
            created_s: now_s(),
            lifetime_s: 300,
            nonce: format!("{:016x}{number:016x}", std::process::id()),
            label: "chert",
            components: "\"@method\" \"@authority\" \"@path\" \"@query\"".to_owned(),
            alg: None,
            key_id: None,
        }
    }

    pub fn post(base: &str, target: &str, body: &str) -> Self {
        let mut request = Self::get(base, target);
        request.method = "POST".to_owned();
        request.body = Some(body.as_bytes().to_vec());
        request.components.push_str(" \"content-digest\"");
        request
    }

    /// Its signature headers: the input, the signature, and the digest of the body.
    pub fn sign(&self, key: &Key) -> Vec<(String, String)> {
        let body = self.body.as_deref().unwrap_or_default();
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)));
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let key_id = self.key_id.clone().unwrap_or_else(|| hex::encode(key.public_key()));
        let params = format!(
            "({});created={};expires={};nonce=\"{}\";keyid=\"{key_id}\";alg=\"{}\"",
            self.components,
            self.created_s,
            self.created_s + self.lifetime_s,
            self.nonce,
            self.alg.unwrap_or_else(|| key.algorithm()),
        );
        let mut base = String::new();
        for component in self.components.split(' ') {
            let value = match component {
                "\"@method\"" => self.method.clone(),
                "\"@authority\"" => self.authority.clone(),
                "\"@path\"" => path.to_owned(),
                "\"@query\"" => format!("?{query}"),
                _ => digest.clone(),
            };
            base.push_str(&format!("{component}: {value}\n"));
        }
        base.push_str(&format!("\"@signature-params\": {params}"));
        let signature = STANDARD.encode(key.sign(base.as_bytes()));
        let mut headers = vec![
            ("signature-input".to_owned(), format!("{}={params}", self.label)),
            ("signature".to_owned(), format!("{}=:{signature}:", self.label)),
        ];
        if self.body.is_some() {
            headers.push(("content-digest".to_owned(), digest));
        }
        headers
    }
}
