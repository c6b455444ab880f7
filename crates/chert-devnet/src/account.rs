//! The accounts of a chain: a growing pool of hex addresses, validators, and named ones
//! in every odd spelling that an indexer has to carry through unharmed.

use crate::ids::{parse_hex, strip_0x};
use crate::json;
use crate::profile::Profile;
use crate::rng::{Rng, mix, unmix};

/// Accounts that are not derived from the seed: system accounts of the contract, genesis
/// names, foreign spellings. None needs JSON escaping.
const NAMED: [&str; 14] = [
    "0x0000000000000000000000000000000000000002",
    "0x406265294e75151376cb2baafb5937a9f74b148e",
    "0xd62b6bb41286e8002a0cc9c7342879ebb94fcbf5",
    "treasury_000000000000000000000000",
    "faucet_0000000000000000000000000000",
    "governance00000000000000000000000",
    "validator-0-testnet-0000000000000",
    "chert_5f2a9c3de1b07846a2c4e6f8091b3d5f7a9c1e30",
    "chert_qpzry9x8gf2tvdw0s3jn54khce6mua7lqpzry9x8",
    "stealth_7c9e6679f742540de944b",
    "Ключ-адреса-€-東京",
    "محفظة-الاختبار-٠٠٧",
    "\u{202e}evil-override\u{202c}",
    "🦀🌊-wallet-👩‍🚀",
];
const POOL_DOMAIN: u64 = 0x706f_6f6c;
const VALIDATOR_DOMAIN: u64 = 0x7661_6c69;
const BALANCE_DOMAIN: u64 = 0x6261_6c61;
/// [`AccountBook::busiest`] lists at most this many.
const LISTED_MAX: u64 = 1000;

/// One account; the key of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    Pool(u64),
    Validator(u64),
    Named(usize),
}

/// How a transaction names one of its sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// The field is absent.
    Missing,
    /// The field is `null`.
    Null,
    Account(Account),
    /// The same account, hex digits in upper case.
    UpperCase(Account),
}

impl Party {
    pub(crate) fn account(self) -> Option<Account> {
        match self {
            Party::Missing | Party::Null => None,
            Party::Account(account) | Party::UpperCase(account) => Some(account),
        }
    }
}

/// Names and finds the accounts of one chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountBook {
    key: u64,
    pub(crate) validators: u64,
    pool_base: u64,
    blocks_per_address: u64,
}

impl AccountBook {
    pub(crate) fn new(key: u64, profile: Profile) -> AccountBook {
        let (pool_base, blocks_per_address) = profile.pool();
        AccountBook { key, validators: 4 + key % 4, pool_base, blocks_per_address }
    }

    /// Addresses that can have appeared up to this height.
    pub(crate) fn pool_size(&self, height: u64) -> u64 {
        self.pool_base + height / self.blocks_per_address
    }

    /// Log-uniform three times out of four, so that low numbers are very busy, else
    /// uniform, so that the long tail is reached too.
    pub(crate) fn pick(&self, rng: &mut Rng, height: u64) -> Account {
        let size = self.pool_size(height);
        if rng.one_in(4) {
            return Account::Pool(rng.below(size));
        }
        let bits = rng.below(u64::from(size.ilog2()) + 1);
        let first = (1_u64 << bits) - 1;
        Account::Pool((first + rng.below(1 << bits)) % size)
    }

    pub(crate) fn pick_named(&self, rng: &mut Rng) -> Account {
        Account::Named(crate::rng::to_index(rng.below(NAMED.len() as u64)))
    }

    pub(crate) fn pick_validator(&self, rng: &mut Rng) -> Account {
        Account::Validator(rng.below(self.validators))
    }

    fn derived(&self, domain: u64, number: u64) -> [u8; 20] {
        let mut bytes = [0; 20];
        let code = mix(number ^ self.key ^ domain);
        bytes[..8].copy_from_slice(&code.to_be_bytes());
        Rng::new(&[self.key, domain, code]).fill(&mut bytes[8..]);
        bytes
    }

    /// The address as a quoted JSON string.
    pub(crate) fn write(&self, out: &mut Vec<u8>, account: Account, upper_case: bool) {
        out.push(b'"');
        let bytes = match account {
            Account::Pool(number) => {
                json::text(out, "0x");
                self.derived(POOL_DOMAIN, number)
            }
            Account::Validator(number) => {
                json::text(out, "VAL");
                self.derived(VALIDATOR_DOMAIN, number)
            }
            Account::Named(index) => {
                json::text(out, NAMED[index]);
                out.push(b'"');
                return;
            }
        };
        if upper_case {
            json::hex_upper(out, &bytes);
        } else {
            json::hex(out, &bytes);
        }
        out.push(b'"');
    }

    pub(crate) fn text(&self, account: Account) -> String {
        let mut quoted = Vec::with_capacity(48);
        self.write(&mut quoted, account, false);
        String::from_utf8_lossy(&quoted).trim_matches('"').to_owned()
    }

    /// The account of this address if the chain knows it when its tip is at `height`.
    /// Hex digits compare in any case, everything else exactly.
    pub(crate) fn find(&self, address: &str, height: u64) -> Option<Account> {
        let named = NAMED.iter().position(|name| match name.starts_with("0x") {
            true => name.eq_ignore_ascii_case(address),
            false => *name == address,
        });
        if let Some(index) = named {
            return Some(Account::Named(index));
        }
        if let Some(digits) = address.strip_prefix("VAL") {
            let bytes = parse_hex::<20>(digits)?;
            let number = self.number(VALIDATOR_DOMAIN, &bytes)?;
            return (number < self.validators).then_some(Account::Validator(number));
        }
        let digits = strip_0x(address);
        if digits.len() == address.len() {
            return None;
        }
        let number = self.number(POOL_DOMAIN, &parse_hex::<20>(digits)?)?;
        (number < self.pool_size(height)).then_some(Account::Pool(number))
    }

    fn number(&self, domain: u64, bytes: &[u8; 20]) -> Option<u64> {
        let mut code = [0; 8];
        code.copy_from_slice(&bytes[..8]);
        let number = unmix(u64::from_be_bytes(code)) ^ self.key ^ domain;
        (self.derived(domain, number) == *bytes).then_some(number)
    }

    /// Pool addresses, busiest first, then validators and named accounts.
    pub(crate) fn busiest(&self, height: u64) -> Vec<String> {
        let pool = (0..self.pool_size(height).min(LISTED_MAX)).map(Account::Pool);
        let validators = (0..self.validators).map(Account::Validator);
        let named = (0..NAMED.len()).map(Account::Named);
        pool.chain(validators).chain(named).map(|account| self.text(account)).collect()
    }

    /// Balance and nonce at the end of the preloaded history.
    pub(crate) fn base(&self, account: Account) -> (u64, u64) {
        let (kind, number) = match account {
            Account::Pool(number) => (0, number),
            Account::Validator(number) => (1, number),
            Account::Named(index) => (2, index as u64),
        };
        let mut rng = Rng::new(&[self.key, BALANCE_DOMAIN, kind, number]);
        (1_000_000_000_000 + rng.below(1_000_000_000_000_000), rng.below(1000))
    }
}
