//! Names of tasks and projects, one spelling each (contract oracle-feed §2.2, §2.4, §11 row 45).

const TASK_TYPE_CHARS_MAX: usize = 64;
const SLUG_CHARS_MAX: usize = 128;
/// What an empty or unspeakable name becomes.
const UNNAMED: &str = "unknown";

/// Canonical task types and the public work type of each.
const TASK_TYPES: [(&str, &str); 16] = [
    ("sig_batch_verify", "nuw_sigbatch"),
    ("zk_batch_verify", "nuw_zkproof"),
    ("zk_verify", "nuw_zkproof"),
    ("recursive_snark", "nuw_recursive"),
    ("merkle_batch", "nuw_merkle"),
    ("merkle_verify", "nuw_merkle"),
    ("poseidon_batch", "nuw_poseidon"),
    ("tx_pre_validate", "nuw_txprevalidate"),
    ("el_gamal_range_proof", "nuw_elliptic_curve"),
    ("el_gamal_conservation_proof", "nuw_elliptic_curve"),
    ("el_gamal_batch_verify", "nuw_elliptic_curve"),
    ("boinc_rosetta", "boinc"),
    ("boinc_folding", "boinc"),
    ("boinc_einstein", "boinc"),
    ("boinc_milky_way", "boinc"),
    ("nuw_dag", "nuw_dag"),
];
/// Other names, without `_` and in lower case, for canonical ones.
const ALIASES: [(&str, &str); 1] = [("signaturebatch", "sig_batch_verify")];
/// Families of task types that are not in the list yet.
const FAMILIES: [(&str, &str); 5] = [
    ("boinc_", "boinc"),
    ("merkle_", "nuw_merkle"),
    ("el_gamal_", "nuw_elliptic_curve"),
    ("elgamal_", "nuw_elliptic_curve"),
    ("poseidon_", "nuw_poseidon"),
];

/// The canonical spelling of a task type. Unknown ones are kept in lower snake_case: work is never
/// refused because its type is new.
pub fn canonical_task_type(text: &str) -> String {
    let folded: String =
        text.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).take(256).collect();
    let known = TASK_TYPES.iter().map(|(name, _)| *name);
    if let Some(name) = known.into_iter().find(|n| n.replace('_', "") == folded) {
        return name.to_owned();
    }
    if let Some((_, name)) = ALIASES.iter().find(|(alias, _)| *alias == folded) {
        return (*name).to_owned();
    }
    let mut snake = String::new();
    let mut after_lower = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        let lower = c.to_ascii_lowercase();
        let kept = lower.is_ascii_lowercase() || lower.is_ascii_digit();
        snake.push(if kept { lower } else { '_' });
        if snake.len() >= TASK_TYPE_CHARS_MAX {
            break;
        }
    }
    snake.truncate(TASK_TYPE_CHARS_MAX);
    if snake.trim_matches('_').is_empty() { UNNAMED.to_owned() } else { snake }
}

/// The public work type of a canonical task type; `other` where it belongs to no family.
pub fn work_type_of(task_type: &str) -> String {
    let known = TASK_TYPES.iter().find(|(name, _)| *name == task_type).map(|(_, work)| *work);
    let itself = || TASK_TYPES.iter().map(|(_, work)| *work).find(|work| *work == task_type);
    let family = || FAMILIES.iter().find(|(p, _)| task_type.starts_with(p)).map(|(_, work)| *work);
    known.or_else(itself).or_else(family).unwrap_or("other").to_owned()
}

/// The name of a project as it stands in addresses and comparisons: letters and digits in lower
/// case, everything else one `-` (`MilkyWay@Home` → `milkyway-home`).
pub fn project_slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase).take(SLUG_CHARS_MAX) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { UNNAMED.to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_task_types() {
        for (text, canonical, work) in [
            ("ZkBatchVerify", "zk_batch_verify", "nuw_zkproof"),
            ("zk_verify", "zk_verify", "nuw_zkproof"),
            ("elgamal_range_proof", "el_gamal_range_proof", "nuw_elliptic_curve"),
            ("boinc_milkyway", "boinc_milky_way", "boinc"),
            ("BoincWcg", "boinc_wcg", "boinc"),
            ("signature_batch", "sig_batch_verify", "nuw_sigbatch"),
            ("argon2_pow", "argon2_pow", "other"),
            ("nuw_zkproof", "nuw_zkproof", "nuw_zkproof"),
            ("boinc", "boinc", "boinc"),
            ("Neue Arbeit!", "neue_arbeit_", "other"),
            ("", "unknown", "other"),
        ] {
            assert_eq!(canonical_task_type(text), canonical, "{text}");
            assert_eq!(work_type_of(canonical), work, "{text}");
        }
    }

    #[test]
    fn slugs() {
        assert_eq!(project_slug("MilkyWay@Home"), "milkyway-home");
        assert_eq!(project_slug(" World  Community Grid "), "world-community-grid");
        assert_eq!(project_slug("@@"), "unknown");
    }

    proptest! {
        #[test]
        fn canonical_forms_are_stable(text in "\\PC{0,100}") {
            let once = canonical_task_type(&text);
            prop_assert!(once.len() <= TASK_TYPE_CHARS_MAX);
            prop_assert_eq!(&canonical_task_type(&once), &once);
            let slug = project_slug(&text);
            prop_assert_eq!(project_slug(&slug), slug);
        }
    }
}
