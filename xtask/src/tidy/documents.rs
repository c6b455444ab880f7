//! Rules about documents that must keep up with the code.

use super::Findings;

/// Lists every dependency with its reason.
pub(super) const DEPENDENCIES: &str = "docs/dependencies.md";
/// Lists every crate.
pub(super) const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Every dependency of the workspace is explained.
pub(super) fn check_dependencies(manifest: &str, listed: &str, findings: &mut Findings) {
    for name in external_dependencies(manifest) {
        if !has_word(listed, name) {
            findings.error(format!("{DEPENDENCIES}: {name} of Cargo.toml has no line"));
        }
    }
}

/// Every crate is on the map.
pub(super) fn check_crates(crates: &[String], map: &str, findings: &mut Findings) {
    for name in crates.iter().filter(|name| !has_word(map, name)) {
        findings.error(format!("{ARCHITECTURE}: crates/{name} is not listed"));
    }
}

/// Names in `[workspace.dependencies]` that are not paths. One per line, as we write them.
fn external_dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.trim_start().starts_with('#') && !line.contains("path ="))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()))
}

/// Whether `word` stands alone somewhere: `serde` is not in `serde_json`.
fn has_word(text: &str, word: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(in_word) && !after.is_some_and(in_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nx = 1\n[workspace.dependencies]\nours = { path = \"a\" }\n\n\
                            # why\nserde = \"1\"\nserde_json = { version = \"1\" }\n[profile.dev]\ny = 1\n";

    #[test]
    fn dependencies_without_a_line_are_found() {
        let found = |listed: &str| {
            let mut findings = Findings::default();
            check_dependencies(MANIFEST, listed, &mut findings);
            findings.errors
        };
        assert_eq!(found("| `serde`, `serde_json` | data |"), Vec::<String>::new());
        assert_eq!(found("`serde_json`").len(), 1);
        assert_eq!(found("").len(), 2);
    }

    #[test]
    fn crates_that_are_not_on_the_map_are_found() {
        let crates = ["chert".to_owned(), "chert-api".to_owned()];
        let mut findings = Findings::default();
        check_crates(&crates, "* `chert-api`: the server", &mut findings);
        assert_eq!(findings.errors, ["ARCHITECTURE.md: crates/chert is not listed"]);
    }
}
