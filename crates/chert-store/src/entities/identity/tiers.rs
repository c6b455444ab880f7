//! The statements of a search by name, one per tier, and which of them a text gets.

use sqlx::PgConnection;

use super::search::{FoundIdentity, Place, Tier};
use crate::StoreError;
use crate::read::timed;

/// Letters and digits that must stand together in a text to be looked for anywhere in a name; a
/// text without must begin a word: an index of trigrams has nothing to say about two letters.
const RUN_CHARS_MIN: usize = 3;
/// Matches that are gathered by trigrams and sorted; where there are more, the names are walked in
/// order instead, which meets so frequent a text soon.
const SORTED_ROWS_MAX: i64 = 5_000;
/// Names like the text that are considered, where more than these are like it.
const LIKE_ROWS_MAX: i64 = 1_000;
/// How alike a name must have a part to be found in the last tier (`word_similarity`, 0 to 1), and
/// that only the trigrams may find it: the planner guesses a share of all names and would rather
/// compare each.
const BY_LIKENESS: &str = "SELECT set_config('pg_trgm.word_similarity_threshold', '0.5', TRUE),
    set_config('enable_seqscan', 'off', TRUE), set_config('enable_indexscan', 'off', TRUE),
    set_config('enable_indexonlyscan', 'off', TRUE), set_config('enable_bitmapscan', 'on', TRUE),
    set_config('enable_sort', 'on', TRUE)";
/// That names are walked in order: the planner guesses few matches, but they were counted.
const IN_ORDER: &str = "SELECT set_config('enable_seqscan', 'off', TRUE),
    set_config('enable_bitmapscan', 'off', TRUE), set_config('enable_sort', 'off', TRUE)";

/// The text in the forms that the tiers compare with.
pub(super) struct Needle {
    /// Folded.
    text: String,
    /// `LIKE` pattern of the second tier; none where no trigram would help.
    inside: Option<String>,
    /// Long enough for likeness.
    long: bool,
}

impl Needle {
    /// From a folded text.
    pub fn new(folded: String) -> Self {
        let long = folded
            .split(|c: char| !c.is_alphanumeric())
            .any(|run| run.chars().count() >= RUN_CHARS_MIN);
        let literal = escape_like(&folded);
        let inside = if long {
            Some(format!("%{literal}%"))
        } else {
            folded.starts_with(char::is_alphanumeric).then(|| format!("% {literal}%"))
        };
        Self { text: folded, inside, long }
    }

    /// Nothing is left of the text when it is folded.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Makes `LIKE` take a text literally.
fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// At most `rows` identities of the tier of `from`, after that place.
pub(super) async fn list_tier(
    db: &mut PgConnection,
    needle: &Needle,
    from: &Place,
    rows: i64,
) -> Result<Vec<FoundIdentity>, StoreError> {
    match (from.tier, &needle.inside) {
        (Tier::Prefix, _) => list_prefix(db, needle, from, rows).await,
        (Tier::Inside, Some(pattern)) if is_frequent(db, pattern).await? => {
            list_inside_in_order(db, needle, pattern, from, rows).await
        }
        (Tier::Inside, Some(pattern)) => list_inside_sorted(db, needle, pattern, from, rows).await,
        (Tier::Like, Some(pattern)) if needle.long => {
            list_like(db, needle, pattern, from, rows).await
        }
        _ => Ok(Vec::new()),
    }
}

/// A row of every tier's statement.
struct NamedRow {
    name_search: String,
    identity_id: Vec<u8>,
    display_name: Option<String>,
    avatar_hash: Option<Vec<u8>>,
    stats_visibility: String,
    updated_at: i64,
}

fn found(tier: Tier, rows: Vec<NamedRow>) -> Vec<FoundIdentity> {
    let of = |row: NamedRow| FoundIdentity {
        tier,
        name_search: row.name_search,
        identity_id: row.identity_id,
        display_name: row.display_name,
        avatar_hash: row.avatar_hash,
        stats_visibility: row.stats_visibility,
        updated_at: row.updated_at,
    };
    rows.into_iter().map(of).collect()
}

/// Index: `identities_name_prefix`, as many entries as rows are given.
async fn list_prefix(
    db: &mut PgConnection,
    needle: &Needle,
    from: &Place,
    rows: i64,
) -> Result<Vec<FoundIdentity>, StoreError> {
    // What begins with the text lies between it and itself followed by the last code point.
    let statement = sqlx::query_as!(
        NamedRow,
        r#"SELECT name_search AS "name_search!", identity_id, display_name, avatar_hash,
                  stats_visibility, updated_at
           FROM identities
           WHERE name_search ~>=~ $1 AND name_search ~<=~ ($1 || U&'\+10FFFF')
             AND name_search ~>=~ $2 AND (name_search ~>~ $2 OR identity_id > $3)
           ORDER BY name_search USING ~<~, identity_id LIMIT $4"#,
        needle.text,
        from.name,
        from.identity_id,
        rows
    );
    let rows = timed!("list_named_prefix", statement.fetch_all(db)).await?;
    Ok(found(Tier::Prefix, rows))
}

/// Whether more names hold the text than are worth sorting. Index: `identities_name_trigram`.
async fn is_frequent(db: &mut PgConnection, pattern: &str) -> Result<bool, StoreError> {
    let statement = sqlx::query_scalar!(
        r#"SELECT count(*) > $2 AS "frequent!" FROM (
               SELECT 1 FROM identities WHERE name_search LIKE $1 LIMIT $2::bigint + 1) m"#,
        pattern,
        SORTED_ROWS_MAX
    );
    timed!("count_named_inside", statement.fetch_one(db)).await
}

/// Index: `identities_name_trigram`; sorts at most [`SORTED_ROWS_MAX`] names.
async fn list_inside_sorted(
    db: &mut PgConnection,
    needle: &Needle,
    pattern: &str,
    from: &Place,
    rows: i64,
) -> Result<Vec<FoundIdentity>, StoreError> {
    let statement = sqlx::query_as!(
        NamedRow,
        r#"SELECT name_search AS "name_search!", identity_id, display_name, avatar_hash,
                  stats_visibility, updated_at
           FROM (SELECT * FROM identities WHERE name_search LIKE $1 LIMIT $6) m
           WHERE NOT (name_search ~>=~ $2 AND name_search ~<=~ ($2 || U&'\+10FFFF'))
             AND name_search ~>=~ $3 AND (name_search ~>~ $3 OR identity_id > $4)
           ORDER BY name_search USING ~<~, identity_id LIMIT $5"#,
        pattern,
        needle.text,
        from.name,
        from.identity_id,
        rows,
        SORTED_ROWS_MAX
    );
    let rows = timed!("list_named_inside", statement.fetch_all(db)).await?;
    Ok(found(Tier::Inside, rows))
}

/// Index: `identities_name_prefix`, walked in order until enough names hold the text.
async fn list_inside_in_order(
    db: &mut PgConnection,
    needle: &Needle,
    pattern: &str,
    from: &Place,
    rows: i64,
) -> Result<Vec<FoundIdentity>, StoreError> {
    sqlx::query(IN_ORDER).execute(&mut *db).await?;
    let statement = sqlx::query_as!(
        NamedRow,
        r#"SELECT m.name_search AS "name_search!", m.identity_id, i.display_name, i.avatar_hash,
                  i.stats_visibility, i.updated_at
           FROM (SELECT name_search, identity_id FROM identities
                 WHERE name_search LIKE $1
                   AND NOT (name_search ~>=~ $2 AND name_search ~<=~ ($2 || U&'\+10FFFF'))
                   AND name_search ~>=~ $3 AND (name_search ~>~ $3 OR identity_id > $4)
                 ORDER BY name_search USING ~<~, identity_id LIMIT $5) m
           JOIN identities i ON i.identity_id = m.identity_id
           ORDER BY m.name_search USING ~<~, m.identity_id"#,
        pattern,
        needle.text,
        from.name,
        from.identity_id,
        rows
    );
    let rows = timed!("list_named_in_order", statement.fetch_all(db)).await?;
    Ok(found(Tier::Inside, rows))
}

/// Index: `identities_name_trigram`; sorts at most [`LIKE_ROWS_MAX`] names.
async fn list_like(
    db: &mut PgConnection,
    needle: &Needle,
    pattern: &str,
    from: &Place,
    rows: i64,
) -> Result<Vec<FoundIdentity>, StoreError> {
    sqlx::query(BY_LIKENESS).execute(&mut *db).await?;
    let statement = sqlx::query_as!(
        NamedRow,
        r#"SELECT name_search AS "name_search!", identity_id, display_name, avatar_hash,
                  stats_visibility, updated_at
           FROM (SELECT * FROM identities WHERE name_search %> $1 LIMIT $6) m
           WHERE name_search NOT LIKE $2
             AND name_search ~>=~ $3 AND (name_search ~>~ $3 OR identity_id > $4)
           ORDER BY name_search USING ~<~, identity_id LIMIT $5"#,
        needle.text,
        pattern,
        from.name,
        from.identity_id,
        rows,
        LIKE_ROWS_MAX
    );
    let rows = timed!("list_named_like", statement.fetch_all(db)).await?;
    Ok(found(Tier::Like, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_the_text_literally() {
        assert_eq!(escape_like(r"50%_\x"), r"50\%\_\\x");
        let pattern = |text: &str| Needle::new(text.to_owned()).inside;
        assert_eq!(pattern("ab").as_deref(), Some("% ab%"));
        assert_eq!(pattern("abc").as_deref(), Some("%abc%"));
        assert_eq!(pattern("a_c").as_deref(), Some(r"% a\_c%"));
        assert_eq!(pattern("_abc").as_deref(), Some(r"%\_abc%"));
        assert_eq!(pattern("\u{2665}\u{2665}\u{2665}"), None);
    }
}
