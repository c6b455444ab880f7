//! Keeping the boards up to date: in the background when figures change, and at once when an
//! identity hides.
//!
//! A background refresh computes without holding anything and then checks, under the identity
//! feed's lock, that nobody else has written boards of identities meanwhile. So it can neither
//! bring back an identity that has hidden while it computed nor hold up the registry.

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::board::{Board, Kind, Scope};
use super::snapshot::{
    Marks, Part, confirm, encode_group, insert, insert_places, load_marks, next_place_set,
};
use super::standings::Standings;
use super::{IdentityChanges, figures, percentile};
use crate::entities::event::{EventType, NewEvent, put_events};
use crate::locks::AdvisoryLock;
use crate::read::timed;
use crate::{Store, StoreError};

/// Boards of many participants are not made anew all the time: so many participants per
/// millisecond between two refreshes. 100 k participants: 2 s.
const PARTICIPANTS_PER_MS: i64 = 50;
/// Longest time between a change and the boards that show it, leaving room to compute them.
const REFRESH_AGE_MS_MAX: i64 = 3_000;
/// A replaced snapshot is kept this long for clients that are paging through it.
const SNAPSHOT_AGE_MS_MAX: i64 = 10 * 60 * 1000;
/// Lines of snapshots that are kept per board, whatever their age,
const SNAPSHOT_LINES_MAX: i64 = 1_000_000;
/// beyond so many snapshots, which are kept however large they are.
const SNAPSHOTS_MIN: i64 = 3;
/// Replaced snapshots that are removed in one statement.
const PRUNE_ROWS_MAX: i64 = 500;

/// Removed pages that are worth a vacuum of our own: some 50 MB.
const DEAD_PAGES_MIN: i64 = 8_000;

/// What a refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Boards that have a new snapshot.
    pub boards: u32,
    /// Boards that were computed and are as they were.
    pub unchanged: u32,
}

/// What was done about the boards of one scope and kind.
#[derive(Default)]
struct Group {
    written: u32,
    unchanged: u32,
    /// They now stand at another hour.
    hour_moved: bool,
}

impl Store {
    /// Makes the boards anew whose figures have changed since their newest snapshot, or whose
    /// clock has moved. Cheap when nothing has changed.
    pub async fn refresh_leaderboards(&self, now_ms: i64) -> Result<Refreshed, StoreError> {
        let mut done = Refreshed::default();
        // Held by a transaction, not by a session, so that a pooler may stand in between.
        let mut holder = self.begin().await?;
        let mine = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock($1) AS "ok!""#,
            AdvisoryLock::Boards.key()
        )
        .fetch_one(&mut *holder)
        .await?;
        if mine {
            done = self.refresh_all(now_ms).await?;
        }
        holder.rollback().await?;
        Ok(done)
    }

    async fn refresh_all(&self, now_ms: i64) -> Result<Refreshed, StoreError> {
        let (mut done, mut hour_moved) = (Refreshed::default(), false);
        // One after the other, each on several cores: a change that comes just after a group was
        // read waits for all others and for that group once more, which is to be short.
        for (scope, kind) in Scope::ALL.into_iter().flat_map(|s| Kind::ALL.map(|k| (s, k))) {
            let group = self.refresh_group((scope, kind), now_ms).await?;
            done.boards += group.written;
            done.unchanged += group.unchanged;
            hour_moved |= scope == Scope::Identities && group.hour_moved;
        }
        if hour_moved {
            percentile::store(self).await?;
        }
        Ok(done)
    }

    async fn refresh_group(
        &self,
        (scope, kind): (Scope, Kind),
        now_ms: i64,
    ) -> Result<Group, StoreError> {
        let boards = Board::group(scope, kind);
        let mut tx = self.begin().await?;
        // The marks first: figures that are newer than their marks are only computed once more.
        let marks = load_marks(&mut tx, &boards).await?;
        if !is_due(&boards, &marks, now_ms) {
            return Ok(Group::default());
        }
        let now_s = now_ms.div_euclid(1000);
        let standings = figures::load(&mut tx, scope, kind, now_s).await?;
        tx.commit().await?;
        let mut tx = self.begin().await?;
        let written = write_group(&mut tx, (scope, kind), standings, &marks, now_ms).await?;
        if !still_newest(&mut tx, scope, &boards, &marks, &written.ids()).await? {
            // An identity has hidden or shown itself: what was computed is out of date.
            return Ok(Group::default());
        }
        confirm(&mut tx, &written.same, &marks, now_ms).await?;
        put_events(&mut tx, written.event((scope, kind)).as_slice(), None, now_s).await?;
        tx.commit().await?;
        let at_another_hour =
            |b: &Board| marks.newest.get(&b.to_string()).is_none_or(|h| h.hour != marks.hour);
        Ok(Group {
            written: u32::try_from(written.new.len()).unwrap_or(u32::MAX),
            unchanged: u32::try_from(written.same.len()).unwrap_or(u32::MAX),
            hour_moved: boards.iter().any(at_another_hour),
        })
    }

    /// Removes snapshots that nobody pages through any more, never the newest of a board, and makes
    /// room where much was removed. Gives their number. Beside a refresh, so that it does not wait.
    pub async fn prune_leaderboards(&self, now_ms: i64) -> Result<u64, StoreError> {
        // Locked in order and skipping what a registry commit removes at the same time.
        let statement = sqlx::query!(
            "WITH replaced AS (
                 SELECT s.snapshot_id, lag(s.computed_at) OVER newest_first AS replaced_at,
                        row_number() OVER newest_first AS place,
                        sum(s.participants) OVER newest_first AS lines
                 FROM leaderboard_snapshots s
                 WINDOW newest_first AS (PARTITION BY s.board ORDER BY s.snapshot_id DESC)),
             old AS (
                 SELECT s.snapshot_id FROM leaderboard_snapshots s
                 JOIN replaced r USING (snapshot_id)
                 WHERE r.replaced_at < $1 OR (r.place > $4 AND r.lines > $2::bigint)
                 ORDER BY s.snapshot_id LIMIT $3 FOR UPDATE OF s SKIP LOCKED)
             DELETE FROM leaderboard_snapshots d USING old WHERE d.snapshot_id = old.snapshot_id",
            now_ms - SNAPSHOT_AGE_MS_MAX,
            SNAPSHOT_LINES_MAX,
            PRUNE_ROWS_MAX,
            SNAPSHOTS_MIN
        );
        let done = timed!("prune_leaderboards", statement.execute(self.pool())).await?;
        self.vacuum_leaderboards().await?;
        Ok(done.rows_affected())
    }

    /// Boards of many participants leave more behind in a minute than autovacuum, as it is usually
    /// set, works off: their tables would grow without end.
    async fn vacuum_leaderboards(&self) -> Result<(), StoreError> {
        let due = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT 1 FROM pg_stat_user_tables
                   WHERE relid = 'leaderboard_pages'::regclass
                     AND n_dead_tup > GREATEST($1, n_live_tup / 4)) AS "due!""#,
            DEAD_PAGES_MIN
        )
        .fetch_one(self.pool())
        .await?;
        if due {
            // What is free at a table's end is needed again at once, and giving it back would stop
            // readers.
            let vacuum = sqlx::raw_sql(
                "VACUUM (TRUNCATE FALSE) leaderboard_pages, leaderboard_places, \
                 leaderboard_snapshots",
            );
            timed!("vacuum_leaderboards", vacuum.execute(self.pool())).await?;
        }
        Ok(())
    }
}

/// Whether the boards have to be made anew now.
fn is_due(boards: &[Board], marks: &Marks, now_ms: i64) -> bool {
    let heads = boards.iter().map(|board| marks.newest.get(&board.to_string()));
    heads.into_iter().any(|head| {
        let Some(head) = head else { return true };
        let changed = head.generation != marks.generation || head.hour != marks.hour;
        let pause_ms = (head.participants / PARTICIPANTS_PER_MS).min(REFRESH_AGE_MS_MAX);
        // A clock that was set back must not stop the boards.
        let age_ms = now_ms - head.computed_at_ms;
        changed && !(0..pause_ms).contains(&age_ms)
    })
}

/// Snapshots that a group's boards now have.
struct Written {
    /// New ones.
    new: Vec<(Board, i64)>,
    /// The newest ones of boards that are as they were.
    same: Vec<i64>,
}

impl Written {
    /// Numbers of the new snapshots.
    fn ids(&self) -> Vec<i64> {
        self.new.iter().map(|(_, id)| *id).collect()
    }

    /// What the event log has to tell of a group of boards: one event, whatever their number, and
    /// none where all are as they were.
    fn event(&self, (scope, kind): (Scope, Kind)) -> Option<NewEvent> {
        let board = |(board, id): &(Board, i64)| {
            json!([board.timeframe().as_str(), board.metric().as_str(), id])
        };
        let boards: Vec<Value> = self.new.iter().map(board).collect();
        let data = json!({"scope": scope.as_str(), "type": kind.as_str(), "boards": boards});
        (!self.new.is_empty()).then(|| NewEvent::new(EventType::LeaderboardChanged, data))
    }
}

/// Ranks the boards of a scope and kind and writes those that differ from their newest snapshot.
async fn write_group(
    db: &mut PgConnection,
    (scope, kind): (Scope, Kind),
    standings: Standings,
    marks: &Marks,
    now_ms: i64,
) -> Result<Written, StoreError> {
    let mut written = Written { new: Vec::new(), same: Vec::new() };
    let place_set = next_place_set(db).await?;
    let mut complete = false;
    let mut parts = encode_group(scope, kind, standings);
    while let Some(part) = parts.recv().await {
        match part {
            Part::Board(encoded) => match marks.newest.get(&encoded.board.to_string()) {
                Some(head) if head.digest == encoded.digest => written.same.push(head.snapshot_id),
                _ => {
                    let insert = insert(db, &encoded, place_set, marks, now_ms);
                    let id = timed!("insert_leaderboard", insert).await?;
                    written.new.push((encoded.board, id));
                }
            },
            Part::Places(rows) => {
                if !written.new.is_empty() {
                    timed!("insert_places", insert_places(db, place_set, &rows)).await?;
                }
                complete = true;
            }
        }
    }
    if !complete {
        return Err(StoreError::Batch("ranking the leaderboards was cut short".to_owned()));
    }
    Ok(written)
}

/// Holds the identity feed shared and tells whether the newest snapshots, apart from our own, are
/// still those that were seen before computing. Boards of addresses hold nothing of identities.
async fn still_newest(
    db: &mut PgConnection,
    scope: Scope,
    boards: &[Board],
    marks: &Marks,
    ours: &[i64],
) -> Result<bool, StoreError> {
    if scope == Scope::Addresses {
        return Ok(true);
    }
    sqlx::query!("SELECT generation FROM feeds WHERE feed = 'identity' FOR SHARE")
        .fetch_one(&mut *db)
        .await?;
    let names: Vec<String> = boards.iter().map(Board::to_string).collect();
    let rows = sqlx::query!(
        r#"SELECT b.board AS "board!", s.snapshot_id, s.generation
           FROM UNNEST($1::text[]) b(board)
           CROSS JOIN LATERAL (
               SELECT l.snapshot_id, l.generation FROM leaderboard_snapshots l
               WHERE l.board = b.board AND l.snapshot_id <> ALL($2)
               ORDER BY l.snapshot_id DESC LIMIT 1) s"#,
        &names,
        ours
    )
    .fetch_all(&mut *db)
    .await?;
    let seen = |board: &str, id: i64, generation: i64| {
        marks
            .newest
            .get(board)
            .is_some_and(|head| (head.snapshot_id, head.generation) == (id, generation))
    };
    Ok(rows.len() == marks.newest.len()
        && rows.iter().all(|r| seen(&r.board, r.snapshot_id, r.generation)))
}

/// Called in the transaction that changed visibilities: nothing of a hidden identity may stay on
/// a board that a reader can see after the commit, not even as a number that is missing. Gives what
/// the event log has to tell.
pub(crate) async fn identities_changed(
    db: &mut PgConnection,
    changes: &IdentityChanges,
    now_ms: i64,
) -> Result<Vec<NewEvent>, StoreError> {
    if !changes.shown.is_empty() {
        // The next refresh finds its snapshots out of date.
        sqlx::query!(
            "UPDATE leaderboard_snapshots SET generation = -1
             WHERE board LIKE 'identities/%'
               AND EXISTS (SELECT 1 FROM pouw_scores
                           WHERE scope = 1 AND work_kind IN (0, 1) AND subject = ANY($1))",
            &changes.shown
        )
        .execute(&mut *db)
        .await?;
    }
    if changes.hidden.is_empty() || !have_worked(db, &changes.hidden).await? {
        return Ok(Vec::new());
    }
    let (mut fresh, mut told) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        let group = (Scope::Identities, kind);
        let mut marks = load_marks(db, &Board::group(group.0, kind)).await?;
        // New snapshots in any case: background refreshes notice by them that they are late.
        marks.newest.clear();
        let standings = figures::load(db, group.0, kind, now_ms.div_euclid(1000)).await?;
        let written = write_group(db, group, standings, &marks, now_ms).await?;
        fresh.extend(written.ids());
        told.extend(written.event(group));
    }
    sqlx::query!(
        "DELETE FROM leaderboard_snapshots
         WHERE board LIKE 'identities/%' AND NOT snapshot_id = ANY($1)",
        &fresh
    )
    .execute(db)
    .await?;
    Ok(told)
}

/// Whether any of the identities may stand on a snapshot, of now or of before.
/// Indexes: `pouw_scores_pkey`, `work_submissions_identity`.
async fn have_worked(db: &mut PgConnection, identities: &[Vec<u8>]) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM pouw_scores
                          WHERE scope = 1 AND work_kind IN (0, 1) AND subject = ANY($1))
               OR EXISTS (SELECT 1 FROM work_submissions WHERE identity_id = ANY($1)) AS "found!""#,
        identities
    )
    .fetch_one(db)
    .await?;
    Ok(found)
}
