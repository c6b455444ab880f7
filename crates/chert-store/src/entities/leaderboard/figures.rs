//! Reading what boards are made from: `pouw_scores` once per scope and kind.

use futures::TryStreamExt;
use sqlx::PgConnection;

use super::board::{Kind, Scope};
use super::figure::Figure;
use super::standings::{Standing, Standings, Sums};
use crate::StoreError;
use crate::entities::pouw::RacClock;
use crate::read::timed;

/// For joins of 100 k participants without temporary files; until the end of the transaction.
const READ_MEMORY: &str = "SELECT set_config('work_mem', '64MB', TRUE)";

/// Takes up the rows of either statement below.
macro_rules! collect {
    ($rows:expr, $clock:expr) => {{
        let (mut rows, mut standings) = ($rows, Standings::default());
        while let Some(row) = rows.try_next().await? {
            standings.push(&standing_of!(row, $clock))?;
        }
        Ok(standings)
    }};
}

/// Builds a [`Standing`] from such a row.
macro_rules! standing_of {
    ($row:expr, $clock:expr) => {{
        let row = $row;
        Standing {
            subject: row.subject,
            last_at: row.last_at,
            all: sums(row.tasks_all, row.credits_all, row.rewards_all),
            hours_24: sums(row.tasks_24, row.credits_24, row.rewards_24),
            hours_48: sums(row.tasks_48, row.credits_48, row.rewards_48),
            hours_168: sums(row.tasks_168, row.credits_168, row.rewards_168),
            hours_192: sums(row.tasks_192, row.credits_192, row.rewards_192),
            hours_720: sums(row.tasks_720, row.credits_720, row.rewards_720),
            hours_744: sums(row.tasks_744, row.credits_744, row.rewards_744),
            recent_average: row
                .weight
                .map_or(Figure::ZERO, |w| recent_average($clock, &w, &row.today)),
        }
    }};
}

fn sums(tasks: i64, credits: Option<Figure>, rewards: Figure) -> Sums {
    Sums { tasks, credits: credits.unwrap_or(Figure::ZERO), rewards }
}

/// One contributor with an average beyond all measure must not stop the boards of all others: it
/// is left off the boards that compare averages.
fn recent_average(clock: &RacClock, weight: &str, today: &str) -> Figure {
    match clock.credits(weight, today) {
        Ok(credits) => Figure::atto(u128::try_from(credits.atto()).unwrap_or(0)),
        Err(error) => {
            tracing::warn!(%error, "a recent average credit cannot be computed");
            Figure::ZERO
        }
    }
}

/// Everybody that may stand on a board of this scope and kind, in any order; in a transaction. Only
/// BOINC work has credits and a recent average; of other work they are not read.
pub(super) async fn load(
    db: &mut PgConnection,
    scope: Scope,
    kind: Kind,
    now_s: i64,
) -> Result<Standings, StoreError> {
    sqlx::query(READ_MEMORY).execute(&mut *db).await?;
    let clock = &RacClock::new(now_s);
    match scope {
        Scope::Identities => timed!("load_identity_standings", identities(db, kind, clock)).await,
        Scope::Addresses => timed!("load_account_standings", accounts(db, kind, clock)).await,
    }
}

/// Identities that are not hidden; one that is not in the registry holds no wallet, so that it has
/// no figures. Index: the primary keys of `pouw_scores` and `pouw_daily` by prefix,
/// `identities_hidden`.
async fn identities(
    db: &mut PgConnection,
    kind: Kind,
    clock: &RacClock,
) -> Result<Standings, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT s.subject AS "subject!", s.last_at AS "last_at!",
                  s.tasks_all AS "tasks_all!", s.rewards_all AS "rewards_all!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_all END AS "credits_all: Figure",
                  s.tasks_24 AS "tasks_24!", s.rewards_24 AS "rewards_24!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_24 END AS "credits_24: Figure",
                  s.tasks_48 AS "tasks_48!", s.rewards_48 AS "rewards_48!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_48 END AS "credits_48: Figure",
                  s.tasks_168 AS "tasks_168!", s.rewards_168 AS "rewards_168!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_168 END AS "credits_168: Figure",
                  s.tasks_192 AS "tasks_192!", s.rewards_192 AS "rewards_192!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_192 END AS "credits_192: Figure",
                  s.tasks_720 AS "tasks_720!", s.rewards_720 AS "rewards_720!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_720 END AS "credits_720: Figure",
                  s.tasks_744 AS "tasks_744!", s.rewards_744 AS "rewards_744!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_744 END AS "credits_744: Figure",
                  CASE WHEN $1 = 1 THEN s.rac_weight::text END AS weight,
                  COALESCE(t.credits, 0)::text AS "today!"
           FROM pouw_scores s
           LEFT JOIN (SELECT identity_id, sum(credits) AS credits FROM pouw_daily
                      WHERE day = $2 AND work_kind = $1 AND $1 = 1 GROUP BY identity_id) t
               ON t.identity_id = s.subject
           WHERE s.scope = 1 AND s.work_kind = $1
             AND NOT EXISTS (SELECT 1 FROM hidden_identities h WHERE h.identity_id = s.subject)"#,
        kind.code(),
        clock.today()
    )
    .fetch(db);
    collect!(rows, clock)
}

/// Every account. Index: the primary keys of `pouw_scores` and `pouw_daily` by prefix.
async fn accounts(
    db: &mut PgConnection,
    kind: Kind,
    clock: &RacClock,
) -> Result<Standings, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT s.subject AS "subject!", s.last_at AS "last_at!",
                  s.tasks_all AS "tasks_all!", s.rewards_all AS "rewards_all!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_all END AS "credits_all: Figure",
                  s.tasks_24 AS "tasks_24!", s.rewards_24 AS "rewards_24!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_24 END AS "credits_24: Figure",
                  s.tasks_48 AS "tasks_48!", s.rewards_48 AS "rewards_48!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_48 END AS "credits_48: Figure",
                  s.tasks_168 AS "tasks_168!", s.rewards_168 AS "rewards_168!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_168 END AS "credits_168: Figure",
                  s.tasks_192 AS "tasks_192!", s.rewards_192 AS "rewards_192!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_192 END AS "credits_192: Figure",
                  s.tasks_720 AS "tasks_720!", s.rewards_720 AS "rewards_720!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_720 END AS "credits_720: Figure",
                  s.tasks_744 AS "tasks_744!", s.rewards_744 AS "rewards_744!: Figure",
                  CASE WHEN $1 = 1 THEN s.credits_744 END AS "credits_744: Figure",
                  CASE WHEN $1 = 1 THEN s.rac_weight::text END AS weight,
                  COALESCE(t.credits, 0)::text AS "today!"
           FROM pouw_scores s
           LEFT JOIN (SELECT uuid_send(account_key) AS subject, sum(credits) AS credits
                      FROM pouw_daily
                      WHERE day = $2 AND work_kind = $1 AND $1 = 1
                      GROUP BY account_key) t
               ON t.subject = s.subject
           WHERE s.scope = 0 AND s.work_kind = $1"#,
        kind.code(),
        clock.today()
    )
    .fetch(db);
    collect!(rows, clock)
}
