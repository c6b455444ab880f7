//! Records of the oracles' work feeds (contract oracle-feed §4.3.3): one type per kind of record,
//! and the rules by which they are understood. None has a field for a credential.

mod record;
mod report;
mod slash;
mod status;
mod task_type;

pub use record::{WorkRecord, submission_id_of};
pub use report::ReportRecord;
pub use slash::SlashRecord;
pub use status::{RewardStatus, WorkKind, WorkStatus, transition_is_legal};
pub use task_type::{canonical_task_type, project_slug, work_type_of};

use sha2::{Digest, Sha256};

/// Longest miner id, in characters: `account:worker` has up to 75.
pub const MINER_ID_CHARS_MAX: usize = 128;

/// Adds a text to a digest so that the borders between texts are part of it.
fn add_text(digest: &mut Sha256, text: &str) {
    // No text here is near 4 GiB: each is bounded when it is parsed.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    digest.update(length.to_le_bytes());
    digest.update(text.as_bytes());
}

/// `true` for what looks like the key of a BOINC account: 32 hex digits, or the weak form
/// `<number>_<32 hex digits>`. Such text must not be stored in any field (contract §0, 6).
pub(crate) fn looks_like_authenticator(text: &str) -> bool {
    let key = match text.split_once('_') {
        Some((number, key)) if number.bytes().all(|b| b.is_ascii_digit()) => key,
        _ => text,
    };
    key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit())
}
