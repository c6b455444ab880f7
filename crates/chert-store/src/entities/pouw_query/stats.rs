//! What an identity has done in all.

use silica_models::IdentityId;
use sqlx::PgExecutor;

use crate::entities::leaderboard::{Board, find_place, percentile_boards, percentile_hundredths};
use crate::entities::pouw::RacClock;
use crate::privacy::Guarded;
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// Totals of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PouwStats {
    /// Counted tasks of the network's own kind.
    pub total_nuw_completed: i64,
    /// Granted BOINC credits, decimal text.
    pub total_boinc_credits: String,
    /// Rewards of counted work, base units, decimal text.
    pub total_rewards: String,
    /// The part of them that is not final yet, base units, decimal text.
    pub pending_rewards: String,
    /// `{task_type: {count, credits, rewards}}` as JSON text.
    pub work_breakdown: String,
    /// Credit per day, half of it forgotten every 7 days, as of the moment asked for, decimal text
    /// of six decimals at most; absent where it is beyond all measure.
    pub recent_average_credit: Option<String>,
    /// Place among public identities by tasks of the network's own kind.
    pub nuw: Ranking,
    /// Place among public identities by BOINC credits.
    pub boinc: Ranking,
    /// Unix seconds of the first counted submission.
    pub active_since: Option<i64>,
    /// Unix seconds of the last.
    pub last_contribution: Option<i64>,
    /// Unix seconds when these figures last changed; absent where there never were any.
    pub updated_at: Option<i64>,
}

/// A place on the newest board of all time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ranking {
    /// Standard competition rank; absent for who is not on the board.
    pub rank: Option<u32>,
    /// Subjects on the board; absent while there is no board.
    pub of: Option<i64>,
}

impl Ranking {
    fn read(
        identity: &IdentityId,
        board: Option<Board>,
        participants: Option<i64>,
        places: Option<&[u8]>,
    ) -> Result<Self, StoreError> {
        let place = match board.zip(places) {
            Some((board, body)) => find_place(body, identity.as_bytes(), board.column())?,
            None => None,
        };
        Ok(Self { rank: place.map(|place| place.rank), of: participants })
    }

    fn percentile_hundredths(self) -> Option<i64> {
        self.rank.zip(self.of).map(|(rank, of)| percentile_hundredths(rank, of))
    }
}

impl PouwStats {
    /// Hundredths of a per cent of participants that the better of the two ranks is at least as
    /// good as.
    pub fn rank_percentile_hundredths(&self) -> Option<i64> {
        self.nuw.percentile_hundredths().max(self.boinc.percentile_hundredths())
    }
}

/// Totals of an identity as of `now_s`; zeros for one that has done nothing.
///
/// Indexes: the primary keys of `identities`, `pouw_stats` and `pouw_scores`,
/// `leaderboard_places_subject`, `pouw_daily_identity`, `leaderboard_snapshots_board`.
pub async fn get_stats(
    db: impl PgExecutor<'_>,
    identity: &IdentityId,
    now_s: i64,
) -> Result<(Checkpoint, Guarded<PouwStats>), StoreError> {
    let clock = RacClock::new(now_s);
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  i.stats_visibility AS "visibility?",
                  COALESCE(p.total_nuw_completed, 0) AS "total_nuw_completed!",
                  trim_scale(COALESCE(p.total_boinc_credits, 0))::text AS total_boinc_credits,
                  trim_scale(COALESCE(p.total_rewards, 0))::text AS total_rewards,
                  trim_scale(COALESCE(p.pending_rewards, 0))::text AS pending_rewards,
                  COALESCE(p.work_breakdown, '{}')::text AS work_breakdown,
                  p.active_since AS "active_since?", p.last_contribution AS "last_contribution?",
                  p.updated_at AS "updated_at?",
                  COALESCE(s.rac_weight, 0)::text AS "weight!",
                  COALESCE((SELECT sum(d.credits) FROM pouw_daily d
                            WHERE d.identity_id = $1 AND d.identity_id <> '' AND d.day = $2
                              AND d.work_kind = 1), 0)::text AS "today!",
                  n.participants AS "nuw_of?", np.body AS "nuw_places?",
                  b.participants AS "boinc_of?", bp.body AS "boinc_places?"
           FROM checkpoints c
           LEFT JOIN identities i ON i.identity_id = $1
           LEFT JOIN pouw_stats p ON p.identity_id = $1
           LEFT JOIN pouw_scores s ON s.scope = 1 AND s.work_kind = 1 AND s.subject = $1
           LEFT JOIN LATERAL (
               SELECT place_set, participants FROM leaderboard_snapshots
               WHERE board = 'identities/nuw/all/tasks' ORDER BY snapshot_id DESC LIMIT 1
           ) n ON TRUE
           LEFT JOIN LATERAL (
               SELECT body FROM leaderboard_places
               WHERE place_set = n.place_set AND first_subject <= $1
               ORDER BY first_subject DESC LIMIT 1
           ) np ON TRUE
           LEFT JOIN LATERAL (
               SELECT place_set, participants FROM leaderboard_snapshots
               WHERE board = 'identities/boinc/all/credits' ORDER BY snapshot_id DESC LIMIT 1
           ) b ON TRUE
           LEFT JOIN LATERAL (
               SELECT body FROM leaderboard_places
               WHERE place_set = b.place_set AND first_subject <= $1
               ORDER BY first_subject DESC LIMIT 1
           ) bp ON TRUE
           WHERE c.pipeline = 'chain'"#,
        identity.as_bytes(),
        clock.today()
    );
    let row = timed!("get_pouw_stats", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    // The statement names them, too.
    let [nuw, boinc] = percentile_boards();
    let stats = PouwStats {
        total_nuw_completed: row.total_nuw_completed,
        total_boinc_credits: present("pouw_stats.total_boinc_credits", row.total_boinc_credits)?,
        total_rewards: present("pouw_stats.total_rewards", row.total_rewards)?,
        pending_rewards: present("pouw_stats.pending_rewards", row.pending_rewards)?,
        work_breakdown: present("pouw_stats.work_breakdown", row.work_breakdown)?,
        recent_average_credit: clock.credits(&row.weight, &row.today).ok().map(|c| c.to_string()),
        nuw: Ranking::read(identity, nuw, row.nuw_of, row.nuw_places.as_deref())?,
        boinc: Ranking::read(identity, boinc, row.boinc_of, row.boinc_places.as_deref())?,
        active_since: row.active_since,
        last_contribution: row.last_contribution,
        updated_at: row.updated_at,
    };
    Ok((checkpoint, Guarded::new(identity, row.visibility.as_deref(), stats)))
}
