//! `pouw_stats.rank_percentile`, as of the last hour's boards.

use std::collections::BTreeMap;

use super::board::{Board, Kind, Metric, Scope, Timeframe};
use super::encoding::decode_column;
use crate::{Store, StoreError};

/// Rows changed in one transaction, so that ingest waits for milliseconds only.
const UPDATE_ROWS_MAX: usize = 2_000;

/// Hundredths of a per cent of participants that a rank is at least as good as: 10 000 for the
/// first of any board.
pub fn percentile_hundredths(rank: u32, participants: i64) -> i64 {
    if participants <= 0 {
        return 0;
    }
    let behind = (participants - i64::from(rank) + 1).clamp(0, participants);
    10_000 * behind / participants
}

/// The boards whose better place is an identity's percentile.
pub(crate) fn percentile_boards() -> [Option<Board>; 2] {
    let all = |kind, metric| Board::new(Scope::Identities, kind, Timeframe::All, metric);
    [all(Kind::Nuw, Metric::Tasks), all(Kind::Boinc, Metric::Credits)]
}

/// Stores the percentiles of the newest boards.
pub(super) async fn store(store: &Store) -> Result<(), StoreError> {
    let mut best: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for board in percentile_boards().into_iter().flatten() {
        let rows = sqlx::query!(
            "SELECT s.participants, p.body
             FROM (SELECT place_set, participants FROM leaderboard_snapshots
                   WHERE board = $1 ORDER BY snapshot_id DESC LIMIT 1) s
             JOIN leaderboard_places p USING (place_set)",
            board.to_string()
        )
        .fetch_all(store.pool())
        .await?;
        for row in rows {
            for (subject, place) in decode_column(&row.body, board.column())? {
                let Some(place) = place else { continue };
                let value = percentile_hundredths(place.rank, row.participants);
                let slot = best.entry(subject.to_vec()).or_default();
                *slot = value.max(*slot);
            }
        }
    }
    let rows: Vec<(Vec<u8>, i64)> = best.into_iter().collect();
    for chunk in rows.chunks(UPDATE_ROWS_MAX) {
        let (identities, values): (Vec<Vec<u8>>, Vec<i64>) = chunk.iter().cloned().unzip();
        let mut tx = store.begin().await?;
        // Whoever changes these rows holds this lock.
        sqlx::query!("SELECT generation FROM feeds WHERE feed = 'work' FOR UPDATE")
            .fetch_one(&mut *tx)
            .await?;
        sqlx::query!(
            "UPDATE pouw_stats p SET rank_percentile = n.value / 100.0
             FROM UNNEST($1::bytea[], $2::bigint[]) n(identity_id, value)
             WHERE p.identity_id = n.identity_id
               AND p.rank_percentile IS DISTINCT FROM n.value / 100.0",
            &identities,
            &values
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_at_one_hundred_and_the_last_above_nothing() {
        assert_eq!(percentile_hundredths(1, 1), 10_000);
        assert_eq!(percentile_hundredths(1, 3), 10_000);
        assert_eq!(percentile_hundredths(2, 3), 6_666);
        assert_eq!(percentile_hundredths(3, 3), 3_333);
        assert_eq!(percentile_hundredths(100_000, 100_000), 0);
        assert_eq!(percentile_hundredths(5, 0), 0);
    }
}
