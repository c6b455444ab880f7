//! What a signature costs: the time of a signed request against the same one unsigned.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chert_api::auth::keys::Algorithm;
use chert_api::auth::policy::{LABEL, Terms, compose};
use ed25519_dalek::Signer;
use ml_dsa::{Keypair, MlDsa44, MlDsa65, MlDsa87, MlDsaParams};
use uuid::Uuid;

use super::data::Data;
use crate::bench::Bench;
use crate::blocks::now_s;
use crate::child::{self, Cache};
use crate::http::Connection;
use crate::report::{Goal, Outcome};
use crate::statistics::ms;

/// Requests of each kind per round, one after the other on one connection.
const REQUESTS: usize = 300;
const SEED: [u8; 32] = [7; 32];
/// How long the signatures are good, in seconds: longer than a round.
const LIFETIME_S: i64 = 300;

pub(super) async fn run(bench: &mut Bench, data: &Data) -> anyhow::Result<()> {
    let (server, address) = child::serve(&data.url, Cache::Default).await?;
    let target = format!("/v1/explorer/block/{}", data.tip / 2);
    for algorithm in Algorithm::ALL {
        let name = format!("api.signed_{}", algorithm.as_str().replace('-', "_"));
        if !bench.wants(&name) {
            continue;
        }
        bench.step(format_args!("{name}: signed requests against unsigned ones"));
        let unsigned = vec![crate::http::get(&target); REQUESTS];
        let (mut rounds, mut errors) = (Vec::new(), 0);
        for _ in 0..bench.scale.rounds {
            let signed: anyhow::Result<Vec<_>> =
                (0..REQUESTS).map(|_| sign(algorithm, address, &target)).collect();
            let (ours, bad) = mean(address, &signed?).await?;
            let (anchor, also_bad) = mean(address, &unsigned).await?;
            errors += bad + also_bad;
            rounds.push((ms(ours), ms(anchor)));
        }
        let note = format!(
            "mean time of a request for one cached block, signed with {} (each with a nonce of its \
             own, remembered in PostgreSQL; the account looked up), against the same request \
             unsigned; one connection, one request after the other",
            algorithm.as_str()
        );
        let dataset = format!("{}, warm", data.text);
        let outcome = Outcome::new(&name, "ms", &rounds, Goal::None, dataset, note);
        bench.add(outcome.with_errors(errors));
    }
    server.stop().await
}

/// Mean time of a request, and how many were not answered 200.
async fn mean(address: SocketAddr, requests: &[Vec<u8>]) -> anyhow::Result<(Duration, u64)> {
    let mut connection = Connection::open(address).await?;
    let mut errors = 0;
    let started = Instant::now();
    for request in requests {
        errors += u64::from(connection.send(request).await?.status != 200);
    }
    let count = u32::try_from(requests.len().max(1))?;
    Ok((started.elapsed() / count, errors))
}

/// A signed GET.
fn sign(algorithm: Algorithm, address: SocketAddr, target: &str) -> anyhow::Result<Vec<u8>> {
    let (authority, created_s) = (address.to_string(), now_s());
    let (nonce, key_id) = (Uuid::new_v4().simple().to_string(), hex::encode(public_key(algorithm)));
    let expires_s = created_s + LIFETIME_S;
    let terms = Terms { created_s, expires_s, nonce: &nonce, key_id: &key_id, algorithm };
    let unsigned = compose(("GET", &authority, target, None), &[], &terms)
        .map_err(|refusal| anyhow!("cannot be signed: {}", refusal.detail()))?;
    let signature = STANDARD.encode(signature(algorithm, unsigned.base.as_bytes())?);
    Ok(format!(
        "GET {target} HTTP/1.1\r\nhost: {authority}\r\naccept: */*\r\nsignature-input: {}\r\n\
         signature: {LABEL}=:{signature}:\r\n\r\n",
        unsigned.signature_input
    )
    .into_bytes())
}

fn public_key(algorithm: Algorithm) -> Vec<u8> {
    fn of<P: MlDsaParams>() -> Vec<u8> {
        ml_dsa::SigningKey::<P>::from_seed(&SEED.into()).verifying_key().encode().to_vec()
    }
    match algorithm {
        Algorithm::Ed25519 => {
            ed25519_dalek::SigningKey::from_bytes(&SEED).verifying_key().to_bytes().to_vec()
        }
        Algorithm::MlDsa44 => of::<MlDsa44>(),
        Algorithm::MlDsa65 => of::<MlDsa65>(),
        Algorithm::MlDsa87 => of::<MlDsa87>(),
    }
}

fn signature(algorithm: Algorithm, message: &[u8]) -> anyhow::Result<Vec<u8>> {
    fn of<P: MlDsaParams>(message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let key = ml_dsa::SigningKey::<P>::from_seed(&SEED.into());
        let signature = key.expanded_key().sign_deterministic(message, &[]);
        Ok(signature.ok().context("the key does not sign")?.encode().to_vec())
    }
    match algorithm {
        Algorithm::Ed25519 => {
            let key = ed25519_dalek::SigningKey::from_bytes(&SEED);
            Ok(key.sign(message).to_bytes().to_vec())
        }
        Algorithm::MlDsa44 => of::<MlDsa44>(message),
        Algorithm::MlDsa65 => of::<MlDsa65>(message),
        Algorithm::MlDsa87 => of::<MlDsa87>(message),
    }
}
