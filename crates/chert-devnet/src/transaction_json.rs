//! The text of a transaction (§3.2, §3.5).

use crate::account::{AccountBook, Party};
use crate::json;
use crate::rng::Rng;
use crate::transaction::{Defect, Kind, Transaction};

/// Finished JSON strings. Plain ones first: they are drawn most of the time.
const MEMOS: [&str; 8] = [
    r#""rent""#,
    r#""invoice 2026-07""#,
    r#""thanks!""#,
    r#""Спасибо 🙏 ありがとう""#,
    r#""שלום עולם""#,
    r#""line\nbreak, \"quotes\", back\\slash""#,
    r#""<script>alert(1)</script>""#,
    r#""""#,
];
const MEMO_WITH_NUL: &str = r#""nul\u0000inside""#;
const NOT_AN_OBJECT: [&str; 4] = [r#""corrupt""#, "null", "42", "[]"];

/// Appends the transaction as JSON.
pub(crate) fn write(out: &mut Vec<u8>, tx: &Transaction, book: &AccountBook) {
    let rng = &mut Rng::new(&[tx.detail_seed]);
    if tx.defect == Some(Defect::NotAnObject) {
        json::text(out, rng.pick(&NOT_AN_OBJECT));
        return;
    }
    out.push(b'{');
    if tx.defect != Some(Defect::NoId) {
        json::text(out, "\"tx_id\":\"");
        tx.id.write(out);
        json::text(out, "\",");
    }
    if tx.shows_kind {
        json::text(out, "\"transaction_type\":\"");
        json::text(out, tx.kind.name());
        json::text(out, "\",");
    }
    write_party(out, "\"sender\":", tx.sender, book);
    write_party(out, "\"recipient\":", tx.recipient, book);
    write_amount(out, tx);
    if !tx.outputs.is_empty() {
        write_outputs(out, tx, book, rng.one_in(3));
    }
    json::text(out, "\"fee\":");
    json::number(out, tx.fee);
    json::text(out, ",\"nonce\":");
    json::number(out, tx.nonce);
    if let Some(stamp) = tx.stamp {
        json::text(out, ",\"timestamp\":");
        json::timestamp(out, stamp);
    }
    json::text(out, ",\"signature\":\"");
    json::hex(out, &rng.next().to_be_bytes());
    out.push(b'"');
    if tx.stealth_outputs > 0 {
        write_stealth_outputs(out, tx, rng);
    }
    if rng.one_in(8) {
        json::text(out, ",\"memo\":");
        json::text(out, if rng.one_in(200) { MEMO_WITH_NUL } else { rng.pick(&MEMOS) });
    }
    write_data(out, tx, book, rng);
    out.push(b'}');
}

fn write_party(out: &mut Vec<u8>, name: &str, party: Party, book: &AccountBook) {
    match party {
        Party::Missing => return,
        Party::Null => {
            json::text(out, name);
            json::text(out, "null");
        }
        Party::Account(account) => {
            json::text(out, name);
            book.write(out, account, false);
        }
        Party::UpperCase(account) => {
            json::text(out, name);
            book.write(out, account, true);
        }
    }
    out.push(b',');
}

fn write_amount(out: &mut Vec<u8>, tx: &Transaction) {
    match (tx.defect, tx.amount) {
        (Some(Defect::NegativeAmount), _) => json::text(out, "\"amount\":-5,"),
        (Some(Defect::FractionalAmount), _) => json::text(out, "\"amount\":1.5,"),
        (_, None) => {}
        (_, Some(amount)) => {
            json::text(out, "\"amount\":");
            json::number(out, amount);
            out.push(b',');
        }
    }
}

fn write_outputs(out: &mut Vec<u8>, tx: &Transaction, book: &AccountBook, with_total: bool) {
    json::text(out, "\"outputs\":[");
    for (index, (recipient, amount)) in tx.outputs.iter().enumerate() {
        json::text(out, if index > 0 { ",{" } else { "{" });
        write_party(out, "\"recipient\":", *recipient, book);
        json::text(out, "\"amount\":");
        json::number(out, *amount);
        out.push(b'}');
    }
    json::text(out, "],");
    let total = tx.outputs.iter().try_fold(0_u64, |sum, (_, amount)| sum.checked_add(*amount));
    if let (true, Some(total)) = (with_total, total) {
        json::text(out, "\"total_amount\":");
        json::number(out, total);
        out.push(b',');
    }
}

fn write_stealth_outputs(out: &mut Vec<u8>, tx: &Transaction, rng: &mut Rng) {
    json::text(out, ",\"stealth_outputs\":[");
    for index in 0..tx.stealth_outputs {
        json::text(out, if index > 0 { ",{\"tx_id\":\"" } else { "{\"tx_id\":\"" });
        tx.id.write(out);
        json::text(out, "\",\"index\":");
        json::number(out, index);
        json::text(out, ",\"commitment\":");
        write_random_bytes::<32>(out, rng);
        json::text(out, ",\"address\":{\"public_key\":");
        write_random_bytes::<32>(out, rng);
        json::text(out, ",\"tx_public_key\":");
        write_random_bytes::<32>(out, rng);
        json::text(out, "},\"amount\":");
        match rng.one_in(3) {
            true => json::number(out, 1 + rng.below(1_000_000_000)),
            false => json::text(out, "null"),
        }
        json::text(out, ",\"memo_plaintext\":");
        json::text(out, if rng.one_in(4) { rng.pick(&MEMOS) } else { "null" });
        json::text(out, ",\"memo_encrypted\":");
        if rng.one_in(4) {
            json::text(out, "{\"ciphertext\":");
            write_random_bytes::<24>(out, rng);
            json::text(out, ",\"nonce\":");
            write_random_bytes::<12>(out, rng);
            json::text(out, ",\"message_number\":");
            json::number(out, rng.below(100));
            out.push(b'}');
        } else {
            json::text(out, "null");
        }
        json::text(out, ",\"created_at\":");
        match tx.stamp {
            Some(stamp) => json::timestamp(out, stamp),
            None => json::text(out, "\"2026-01-01T00:00:00Z\""),
        }
        out.push(b'}');
    }
    out.push(b']');
}

fn write_random_bytes<const N: usize>(out: &mut Vec<u8>, rng: &mut Rng) {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    json::byte_array(out, &bytes);
}

/// Payloads are opaque to clients: they only have to survive.
fn write_data(out: &mut Vec<u8>, tx: &Transaction, book: &AccountBook, rng: &mut Rng) {
    match tx.kind {
        Kind::SmartContract => {
            json::text(out, ",\"data\":{\"method\":\"swap\",\"args\":[");
            json::number(out, rng.next());
            json::text(out, ",\"");
            json::hex(out, &rng.next().to_be_bytes());
            json::text(out, "\",null,{\"slippage\":0.005}]}");
        }
        Kind::Governance => {
            json::text(out, ",\"data\":{\"proposal_id\":");
            json::number(out, 1 + rng.below(40));
            json::text(out, ",\"support\":");
            json::number(out, rng.below(3));
            json::text(out, ",\"reason\":");
            json::text(out, if rng.one_in(50) { MEMO_WITH_NUL } else { rng.pick(&MEMOS) });
            out.push(b'}');
        }
        Kind::Staking => {
            json::text(out, ",\"data\":{\"action\":");
            json::text(out, rng.pick(&["\"stake\"", "\"unstake\"", "\"claim\""]));
            json::text(out, ",\"term_months\":");
            json::number(out, rng.below(49));
            out.push(b'}');
        }
        Kind::ContractDeployment => {
            json::text(out, ",\"data\":{\"code_hash\":\"");
            let mut hash = [0; 32];
            rng.fill(&mut hash);
            json::hex(out, &hash);
            json::text(out, "\",\"code\":");
            write_random_bytes::<32>(out, rng);
            out.push(b'}');
        }
        Kind::CrossShard => {
            json::text(out, ",\"data\":{\"source_shard\":0,\"target_shard\":");
            json::number(out, 1 + rng.below(7));
            out.push(b'}');
        }
        Kind::Finality => {
            json::text(out, ",\"data\":{\"finalized_commit\":");
            json::number(out, tx.nonce / 64);
            json::text(out, ",\"signers\":[");
            book.write(out, book.pick_validator(rng), false);
            json::text(out, "]}");
        }
        Kind::Transfer | Kind::Consensus => {}
    }
}
