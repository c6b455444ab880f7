//! Keys and their signatures, of requests and of wallets: which algorithm a key is for, whether a
//! signature is one of it, and the address that a key stands for (api.md §2, contract §4.1 and §4.2).
//!
//! Only public keys come here; the API holds no secret.

use ml_dsa::{EncodedVerifyingKey, MlDsa44, MlDsa65, MlDsa87, MlDsaParams};
use sha3::{Digest, Sha3_256};

/// Longest public key, in bytes (ML-DSA-87).
pub const PUBLIC_KEY_BYTES_MAX: usize = 2592;
/// Longest signature, in bytes (ML-DSA-87).
pub const SIGNATURE_BYTES_MAX: usize = 4627;
/// Bytes of the digest that make an address.
const ADDRESS_BYTES: usize = 20;

/// A signature algorithm of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::MlDsa44, Self::MlDsa65, Self::MlDsa87];

    /// Its name in the `alg` parameter of a signature.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        }
    }

    /// The algorithm of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The algorithm of a public key, which its length tells.
    pub fn of_key(public_key: &[u8]) -> Option<Self> {
        match public_key.len() {
            32 => Some(Self::Ed25519),
            1312 => Some(Self::MlDsa44),
            1952 => Some(Self::MlDsa65),
            PUBLIC_KEY_BYTES_MAX => Some(Self::MlDsa87),
            _ => None,
        }
    }

    /// Length of its signatures, in bytes.
    pub fn signature_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 64,
            Self::MlDsa44 => 2420,
            Self::MlDsa65 => 3309,
            Self::MlDsa87 => SIGNATURE_BYTES_MAX,
        }
    }

    /// Whether `signature` over `message` was made with the secret half of `public_key`.
    ///
    /// Ed25519 strictly (no small-order keys, one form per signature); ML-DSA in its pure form with
    /// an empty context.
    pub fn verify(self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519 => verify_ed25519(public_key, message, signature),
            Self::MlDsa44 => verify_ml_dsa::<MlDsa44>(public_key, message, signature),
            Self::MlDsa65 => verify_ml_dsa::<MlDsa65>(public_key, message, signature),
            Self::MlDsa87 => verify_ml_dsa::<MlDsa87>(public_key, message, signature),
        }
    }
}

fn verify_ed25519(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::try_from(public_key) else { return false };
    let Ok(signature) = ed25519_dalek::Signature::try_from(signature) else { return false };
    key.verify_strict(message, &signature).is_ok()
}

fn verify_ml_dsa<P: MlDsaParams>(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(encoded) = EncodedVerifyingKey::<P>::try_from(public_key) else { return false };
    let Ok(signature) = ml_dsa::Signature::<P>::try_from(signature) else { return false };
    ml_dsa::VerifyingKey::<P>::decode(&encoded).verify_with_context(message, &[], &signature)
}

/// What an address derived from a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// `0x…`
    Account,
    /// `VAL…`
    Validator,
}

impl AddressKind {
    /// The kind of an address that can come from a key; others (names, other chains' forms) cannot.
    pub fn of(address: &str) -> Option<Self> {
        let hex = |digits: &str| {
            digits.len() == 2 * ADDRESS_BYTES && digits.bytes().all(|b| b.is_ascii_hexdigit())
        };
        if address.strip_prefix("0x").is_some_and(hex) {
            Some(Self::Account)
        } else {
            address.strip_prefix("VAL").is_some_and(hex).then_some(Self::Validator)
        }
    }

    /// The address of a public key, in lower case.
    pub fn address_of(self, public_key: &[u8]) -> String {
        let (domain, prefix) = match self {
            Self::Account => ("CHERT_ADDRESS_ACCOUNT_V2", "0x"),
            Self::Validator => ("CHERT_ADDRESS_NODE_V2", "VAL"),
        };
        let digest = Sha3_256::new().chain_update(domain).chain_update(public_key).finalize();
        let payload = digest.get(..ADDRESS_BYTES).unwrap_or_default();
        format!("{prefix}{}", hex::encode(payload))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use ml_dsa::{Keypair, SigningKey};
    use sha2::Sha256;

    fn seed() -> [u8; 32] {
        std::array::from_fn(|i| u8::try_from(i).unwrap())
    }

    #[test]
    fn addresses_of_the_contract() {
        let account = AddressKind::Account.address_of(&seed());
        assert_eq!(account, "0xa9b36f133ee0c47100d08719689e1df65c12761a");
        let validator = AddressKind::Validator.address_of(&seed());
        assert_eq!(validator, "VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d");
        assert_eq!(AddressKind::of(&account.to_uppercase().replace("0X", "0x")), {
            Some(AddressKind::Account)
        });
        assert_eq!(AddressKind::of(&validator), Some(AddressKind::Validator));
        for other in ["", "0x12", "chert_a9b36f133ee0c47100d08719689e1df65c12761a", &account[2..]] {
            assert_eq!(AddressKind::of(other), None, "{other}");
        }
    }

    /// RFC 8032 §7.1, test 2.
    #[test]
    fn ed25519_of_the_rfc() {
        let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let (key, signature) = (hex::decode(key).unwrap(), hex::decode(signature).unwrap());
        let algorithm = Algorithm::of_key(&key).unwrap();
        assert_eq!(algorithm, Algorithm::Ed25519);
        assert!(algorithm.verify(&key, &[0x72], &signature));
        assert!(!algorithm.verify(&key, &[0x73], &signature));
        assert!(!algorithm.verify(&[0; 32], &[0x72], &signature));
        assert!(!algorithm.verify(&key, &[0x72], &signature[..63]));
    }

    /// Keys and deterministic signatures over `abc` from the seed 00 01 … 1f, as the independent
    /// implementation dilithium-py 1.5.1 makes them: address of the key, SHA-256 of the signature.
    #[test]
    fn ml_dsa_as_another_implementation_makes_it() {
        fn check<P: MlDsaParams>(address: &str, digest: &str) {
            let key = SigningKey::<P>::from_seed(&seed().into());
            let public_key = key.verifying_key().encode().to_vec();
            let signature = key.expanded_key().sign_deterministic(b"abc", &[]).unwrap();
            let signature = signature.encode().to_vec();
            assert_eq!(AddressKind::Account.address_of(&public_key), address);
            assert_eq!(hex::encode(Sha256::digest(&signature)), digest);
            let algorithm = Algorithm::of_key(&public_key).unwrap();
            assert_eq!(algorithm.signature_bytes(), signature.len());
            assert!(algorithm.verify(&public_key, b"abc", &signature));
            assert!(!algorithm.verify(&public_key, b"abd", &signature));
            assert!(!algorithm.verify(&public_key, b"abc", &signature[1..]));
            let mut altered = signature;
            altered[0] ^= 1;
            assert!(!algorithm.verify(&public_key, b"abc", &altered));
        }
        check::<MlDsa44>(
            "0x71c7fb7ab3fd8b7040a781de601eaad74828050e",
            "9c2afc5db0e15c199977be79eaee52ca0b538a1b6f8039dcac032a06120cfa87",
        );
        check::<MlDsa65>(
            "0xb1064a9135eb536a44f61be54dc7e02f190d9802",
            "4b01e98dfaa062b0ef64c949f50d2ee923d82f721379727d160ce6fccaa8a6e6",
        );
        check::<MlDsa87>(
            "0x3c71c81680cc2c0820cfacf29edfedb37c437c7c",
            "91e6609815657b405b6868f9d7ef71ee7882e62a3f5609657156007cdd9a2137",
        );
        assert_eq!(Algorithm::of_key(&[0; 33]), None);
    }
}
