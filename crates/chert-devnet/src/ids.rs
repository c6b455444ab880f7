//! Block hashes and transaction ids that remember where they belong.
//!
//! Eight bytes of each id are an invertible scramble of (height, salt); the rest is a
//! digest. A lookup by id therefore costs one generated block and no memory, over any
//! length of history, and is still verified against every other byte.

use sha2::{Digest, Sha256};

use crate::json;
use crate::rng::{Rng, mix, unmix};

const SALT_BITS: u32 = 24;
/// Reorgs a chain can live through; the last value marks carried transactions.
pub(crate) const SALT_MAX: u32 = (1 << SALT_BITS) - 2;
/// Stands for "on every branch" in the id of a carried transaction.
pub(crate) const SALT_CARRIED: u32 = SALT_MAX + 1;
/// The highest block a chain can have.
pub(crate) const HEIGHT_MAX: u64 = (1 << (64 - SALT_BITS)) - 1;
const TX_DOMAIN: u64 = 0x7478_5f69_6420_7631;

/// Where a block stands: its height, and the branch it was mined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) height: u64,
    pub(crate) salt: u32,
}

impl Place {
    fn seal(self, key: u64) -> u64 {
        mix(((self.height << SALT_BITS) | u64::from(self.salt)) ^ key)
    }

    fn unseal(code: u64, key: u64) -> Place {
        let plain = unmix(code) ^ key;
        Place { height: plain >> SALT_BITS, salt: (plain & ((1 << SALT_BITS) - 1)) as u32 }
    }
}

pub(crate) fn block_hash(key: u64, place: Place) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(b"chert-devnet block");
    digest.update(key.to_be_bytes());
    digest.update(place.height.to_be_bytes());
    digest.update(place.salt.to_be_bytes());
    let mut hash: [u8; 32] = digest.finalize().into();
    hash[..8].copy_from_slice(&place.seal(key).to_be_bytes());
    hash
}

/// The place of the block of this hash, if it is a hash of this chain at all.
pub(crate) fn find_block(key: u64, text: &str) -> Option<Place> {
    let hash: [u8; 32] = parse_hex(strip_0x(text))?;
    let place = Place::unseal(leading_u64(&hash), key);
    (block_hash(key, place) == hash).then_some(place)
}

/// A transaction id in one of the two spellings nodes use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxId {
    Uuid([u8; 16]),
    Hex([u8; 32]),
}

impl TxId {
    pub(crate) fn new(key: u64, place: Place, rng: &mut Rng) -> TxId {
        let code = place.seal(key ^ TX_DOMAIN).to_be_bytes();
        if rng.one_in(12) {
            let mut bytes = [0; 32];
            rng.fill(&mut bytes);
            bytes[..8].copy_from_slice(&code);
            return TxId::Hex(bytes);
        }
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        bytes[..6].copy_from_slice(&code[..6]);
        bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4
        bytes[8] = (bytes[8] & 0x3f) | 0x80; // RFC 9562 variant
        bytes[9..11].copy_from_slice(&code[6..]);
        TxId::Uuid(bytes)
    }

    /// Accepts the dashed form, `0x` and 32 hex digits, and 64 hex digits with or without
    /// `0x`, in either case.
    pub(crate) fn parse(text: &str) -> Option<TxId> {
        let digits = strip_0x(text);
        if let Some(bytes) = parse_hex::<32>(digits) {
            return Some(TxId::Hex(bytes));
        }
        let dashed =
            text.len() == 36 && [8, 13, 18, 23].iter().all(|&at| text.as_bytes()[at] == b'-');
        let bare = if dashed { text.replace('-', "") } else { digits.to_owned() };
        parse_hex::<16>(&bare).map(TxId::Uuid)
    }

    /// The place this id claims to come from; only the block's content can confirm it.
    pub(crate) fn place(&self, key: u64) -> Place {
        let code = match self {
            TxId::Hex(bytes) => leading_u64(bytes),
            TxId::Uuid(bytes) => {
                let mut code = [0; 8];
                code[..6].copy_from_slice(&bytes[..6]);
                code[6..].copy_from_slice(&bytes[9..11]);
                u64::from_be_bytes(code)
            }
        };
        Place::unseal(code, key ^ TX_DOMAIN)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            TxId::Hex(bytes) => json::hex(out, bytes),
            TxId::Uuid(bytes) => {
                for (index, part) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
                    if index > 0 {
                        out.push(b'-');
                    }
                    json::hex(out, &bytes[part]);
                }
            }
        }
    }
}

pub(crate) fn strip_0x(text: &str) -> &str {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text)
}

/// Exactly `2 * N` hex digits of either case.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

fn leading_u64(bytes: &[u8; 32]) -> u64 {
    let mut leading = [0; 8];
    leading.copy_from_slice(&bytes[..8]);
    u64::from_be_bytes(leading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_place() {
        let mut rng = Rng::new(&[3]);
        for height in [0, 1, 77, 1_000_000, HEIGHT_MAX] {
            let place = Place { height, salt: 5 };
            let mut hash = String::from("0X");
            for byte in block_hash(9, place) {
                hash.push_str(&format!("{byte:02X}"));
            }
            assert_eq!(find_block(9, &hash), Some(place));
            assert_eq!(find_block(8, &hash), None);
            for _ in 0..30 {
                let id = TxId::new(9, place, &mut rng);
                let mut text = Vec::new();
                id.write(&mut text);
                let text = String::from_utf8_lossy(&text).into_owned();
                assert_eq!(TxId::parse(&text), Some(id));
                assert_eq!(id.place(9), place);
            }
        }
    }
}
