//! The text of one record, with its complete set of wallets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::names::{BIOS, LINK_TYPES, NAMES};
use super::{People, Update, Who};
use crate::account::Account;
use crate::json;
use crate::rng::{Rng, to_index};
use crate::view::View;

const ID_DOMAIN: u64 = 0x6964_5f69;
const TRAITS_DOMAIN: u64 = 0x7472_6169;
const RECORD_DOMAIN: u64 = 0x7265_636f;
const LINK_DOMAIN: u64 = 0x6c69_6e6b;
const PROOF_DOMAIN: u64 = 0x7072_6f6f;
const NAME_CHARS_MAX: usize = 64;
/// Wallets that a member links again and again.
const HOME_WALLETS: u64 = 3;
/// Ed25519; ML-DSA-44, -65 and -87; something short.
const PROOF_BYTES: [usize; 4] = [2420, 3309, 4627, 1];

/// Identity of a record: seeds what does not change with its versions.
#[derive(Clone, Copy, Debug)]
struct Person {
    seed: u64,
    /// Of a member; newcomers have none.
    member: Option<u64>,
    birth: u64,
}

fn person(view: &View<'_>, people: &People, update: Update) -> Person {
    let key = view.recipe.key;
    let of_branch = [key, ID_DOMAIN, 1, update.height, update.salt];
    match update.who {
        Who::Member(number) => Person {
            seed: Rng::new(&[key, ID_DOMAIN, 0, number]).next(),
            member: Some(number),
            birth: people.birth(number),
        },
        Who::Newcomer | Who::Odd => {
            Person { seed: Rng::new(&of_branch).next(), member: None, birth: update.height }
        }
    }
}

/// Exactly as on the wire.
pub(crate) fn write(view: &View<'_>, people: &People, update: Update) -> Value {
    let person = person(view, people, update);
    let key = view.recipe.key;
    let version = update.profile_version.unwrap_or(1);
    let rng =
        &mut Rng::new(&[key, RECORD_DOMAIN, person.seed, update.height, update.salt, version]);
    let traits = &mut Rng::new(&[key, TRAITS_DOMAIN, person.seed]);
    let visible = traits.below(10);
    let mut record = json!({
        "identity_id": identity_id(person.seed, rng),
        "stats_visibility": match if rng.one_in(5) { rng.below(10) } else { visible } {
            0 | 1 => "private",
            2 | 3 => "friends_only",
            _ => "public",
        },
        "wallet_links": links(view, people, &person, update, rng),
        "created_at": view.time_s(person.birth),
        "updated_at": view.time_s(update.height),
        "updated_at_block": update.height,
    });
    if let Some(version) = update.profile_version {
        record["profile_version"] = version.into();
    }
    put_text(&mut record, "display_name", display_name(&person, rng), rng);
    put_text(&mut record, "bio", (!rng.one_in(3)).then(|| rng.pick(&BIOS).to_owned()), rng);
    let mut avatar = [0; 32];
    rng.fill(&mut avatar);
    put_text(&mut record, "avatar_hash", rng.one_in(2).then(|| hex_text(&avatar, rng)), rng);
    if update.who == Who::Odd {
        spoil(&mut record, rng);
    }
    record
}

/// Optional text: missing in one of two ways.
fn put_text(record: &mut Value, name: &str, text: Option<String>, rng: &mut Rng) {
    match text {
        Some(text) => record[name] = text.into(),
        None if rng.one_in(2) => record[name] = Value::Null,
        None => {}
    }
}

/// 32 bytes in one of the spellings of hex.
fn identity_id(seed: u64, rng: &mut Rng) -> String {
    let mut bytes = [0; 32];
    Rng::new(&[seed]).fill(&mut bytes);
    hex_text(&bytes, rng)
}

fn hex_text(bytes: &[u8], rng: &mut Rng) -> String {
    let mut out = Vec::with_capacity(bytes.len() * 2 + 2);
    match rng.below(8) {
        0 => json::hex_upper(&mut out, bytes),
        1 => {
            json::text(&mut out, "0x");
            json::hex(&mut out, bytes);
        }
        _ => json::hex(&mut out, bytes),
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Mostly the person's own name, sometimes another or none.
fn display_name(person: &Person, rng: &mut Rng) -> Option<String> {
    let number = person.member.unwrap_or(person.seed % 1000 + 1000);
    let count = NAMES.len() as u64;
    let index = match rng.below(8) {
        0 => return None,
        1 => rng.below(count),
        _ => number % count,
    };
    let name = NAMES[to_index(index)];
    // The first members have the names as they are; others differ from them.
    let suffix = if number < count { String::new() } else { format!(" {number}") };
    match name.chars().count() + suffix.len() <= NAME_CHARS_MAX {
        true => Some(format!("{name}{suffix}")),
        false => Some(name.to_owned()),
    }
}

/// The complete set of wallets: those at home that are linked in these blocks, sometimes a
/// validator's, rarely somebody else's.
fn links(
    view: &View<'_>,
    people: &People,
    person: &Person,
    update: Update,
    rng: &mut Rng,
) -> Vec<Value> {
    let mut links = Vec::new();
    let mut accounts = Vec::new();
    for place in 0..HOME_WALLETS {
        let Some(since) = linked_since(view, people, person, place, update.height) else {
            continue;
        };
        // A version may lack a link that the next one has again, with its old date.
        if !rng.one_in(8) {
            accounts.push((home(view, person, place), since));
        }
    }
    if rng.one_in(10) {
        accounts.push((view.recipe.book.pick(rng, update.height), update.height));
    }
    for (index, (account, since)) in accounts.iter().enumerate() {
        if accounts[..index].iter().all(|(earlier, _)| earlier != account) {
            links.push(link(view, person, *account, *since, rng));
        }
    }
    links
}

/// Neighbours share their third wallet now and then; the first members run validators.
fn home(view: &View<'_>, person: &Person, place: u64) -> Account {
    let book = &view.recipe.book;
    match person.member {
        Some(number) if number < book.validators && place == 1 => Account::Validator(number),
        Some(number) => Account::Pool((number * 2 + place) % book.pool_size(0)),
        None => Account::Pool((person.seed ^ place) % book.pool_size(0)),
    }
}

/// Height since which a wallet at home is linked, if it is. It is linked or not for whole
/// stretches of blocks, in the same way on every branch.
fn linked_since(
    view: &View<'_>,
    people: &People,
    person: &Person,
    place: u64,
    height: u64,
) -> Option<u64> {
    let phase = person.seed % people.link_blocks;
    let is_linked = |stretch: u64| {
        let parts = [view.recipe.key, LINK_DOMAIN, person.seed, place, stretch];
        Rng::new(&parts).below(8) >= if place == 2 { 5 } else { 2 }
    };
    let mut stretch = (height + phase) / people.link_blocks;
    if !is_linked(stretch) {
        return None;
    }
    while stretch > 0 && is_linked(stretch - 1) {
        stretch -= 1;
    }
    Some((stretch * people.link_blocks).saturating_sub(phase).max(person.birth))
}

fn link(view: &View<'_>, person: &Person, account: Account, since: u64, rng: &mut Rng) -> Value {
    let mut address = Vec::new();
    view.recipe.book.write(&mut address, account, rng.one_in(10));
    let address = String::from_utf8_lossy(&address).trim_matches('"').to_owned();
    let proof_seed = address
        .bytes()
        .fold(person.seed, |seed, byte| seed.rotate_left(8) ^ u64::from(byte.to_ascii_lowercase()));
    let proof = &mut Rng::new(&[view.recipe.key, PROOF_DOMAIN, proof_seed, since]);
    let made_at = view.time_s(since);
    // Dates are what somebody claims: some lie before the identity was, some in the future.
    let created_at = match proof.below(16) {
        0 => view.time_s(0),
        1 => made_at + 3600,
        _ => made_at,
    };
    let verified_at = match proof.below(4) {
        0 => Value::Null,
        _ => (made_at + 60).into(),
    };
    json!({
        "wallet_address": address,
        "link_type": if rng.one_in(4) { rng.pick(&LINK_TYPES) } else { proof.pick(&LINK_TYPES) },
        "proof_signature": proof_signature(proof),
        "created_at": created_at,
        "verified_at": verified_at,
        "updated_at_block": since,
    })
}

fn proof_signature(rng: &mut Rng) -> String {
    let length = if rng.one_in(10) { rng.pick(&PROOF_BYTES) } else { 64 };
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    match rng.below(3) {
        0 => STANDARD.encode(&bytes),
        _ => hex_text(&bytes, rng),
    }
}

/// Makes something of a record that is not a registry record.
fn spoil(record: &mut Value, rng: &mut Rng) {
    match rng.below(5) {
        0 => record["identity_id"] = "not hex".into(),
        1 => record["updated_at"] = "the day before yesterday".into(),
        2 => record["wallet_links"] = "none".into(),
        3 => record["created_at"] = json!({ "not": "a number" }),
        _ => record["display_name"] = "ü".repeat(NAME_CHARS_MAX + 1).into(),
    }
}
