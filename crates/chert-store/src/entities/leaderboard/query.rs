//! Reads of boards: a page, and the neighbours of an identity.
//!
//! A page is one statement: the page's rows are cut out of the stored pages by the database, which
//! looks up the names beside them, so that what an identity shows is of the same snapshot.

use std::collections::HashMap;

use silica_models::IdentityId;
use sqlx::PgExecutor;

use super::board::{Board, Scope};
use super::edition::Edition;
use super::encoding::{Line, PAGE_ROWS, Place, decode_page, find_place};
use super::percentile::percentile_hundredths;
use crate::privacy::Guarded;
use crate::read::{checkpoint_of, no_checkpoint, timed};
use crate::{Checkpoint, Store, StoreError};

/// A page of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardPage {
    /// The snapshot it was cut from; the same number on every page of a walk.
    pub snapshot_id: i64,
    /// Subjects on the board.
    pub participants: i64,
    /// When the board was computed, Unix milliseconds.
    pub computed_at_ms: i64,
    /// The lines.
    pub lines: Vec<BoardLine>,
    /// Position of the last line of the page where others follow it.
    pub last_position: Option<i64>,
    /// What it follows from; only of boards of identities.
    pub edition: Option<Edition>,
}

/// A line of a board as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardLine {
    /// Standard competition rank, from 1.
    pub rank: u32,
    /// The public identity; absent where an account has none or more than one.
    pub identity_id: Option<Vec<u8>>,
    /// Its name.
    pub display_name: Option<String>,
    /// The account; absent on boards of identities.
    pub address: Option<String>,
    /// What the board compares, decimal text.
    pub score: String,
    /// Counted submissions in the timeframe.
    pub tasks: u64,
    /// Their rewards in base units, decimal text.
    pub rewards: String,
    /// Hundredths of a per cent of participants that it is at least as good as.
    pub percentile_hundredths: i64,
    /// Ranks gained since 24 hours ago.
    pub rank_change_24h: Option<i64>,
}

/// Which lines of which snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The snapshot; the newest where absent.
    pub snapshot_id: Option<i64>,
    /// Lines before the first.
    pub first: i64,
    /// Lines at most.
    pub rows: i64,
}

impl Extent {
    fn last(&self) -> i64 {
        self.first.saturating_add(self.rows).saturating_sub(1)
    }

    /// Numbers of the pages that hold the first and the last line.
    fn pages(&self) -> (i32, i32) {
        let page_rows = i64::try_from(PAGE_ROWS).unwrap_or(1);
        let page = |position: i64| i32::try_from(position / page_rows).unwrap_or(i32::MAX);
        (page(self.first), page(self.last()))
    }
}

/// What either statement brings.
struct Read {
    checkpoint: Checkpoint,
    /// Snapshot, participants, time.
    head: Option<(i64, i64, i64)>,
    /// How often anything changed of what identities show.
    visibility: Option<i64>,
    /// Pages by number.
    bodies: Vec<(i32, Vec<u8>)>,
    pieces: Vec<Piece>,
}

/// Who stands on a line.
struct Piece {
    page_no: i32,
    n: i32,
    identity_id: Option<Vec<u8>>,
    display_name: Option<String>,
    address: Option<String>,
}

/// What stands in the one row of either statement below.
macro_rules! collect {
    ($row:expr) => {{
        let row = $row.ok_or_else(no_checkpoint)?;
        let checkpoint = checkpoint_of!(row);
        let head = row.snapshot_id.zip(row.participants).zip(row.computed_at);
        let head = head.map(|((s, p), c)| (s, p, c));
        let mut bodies = Vec::new();
        let mut pieces = Vec::new();
        let page_bodies = row.bodies.unwrap_or_default();
        let (ids, names) = (row.ids.unwrap_or_default(), row.names.unwrap_or_default());
        let mut addresses = row.addresses.unwrap_or_default().into_iter();
        let places = row.page_nos.unwrap_or_default().into_iter().zip(row.ns.unwrap_or_default());
        for ((((page_no, n), body), identity_id), display_name) in
            places.zip(page_bodies).zip(ids).zip(names)
        {
            bodies.extend(body.map(|body| (page_no, body)));
            let address = addresses.next().flatten();
            pieces.push(Piece { page_no, n, identity_id, display_name, address });
        }
        Read { checkpoint, head, visibility: row.visibility, bodies, pieces }
    }};
}

/// Lines of a board; `None` where the snapshot is gone, or where there is none yet.
///
/// Indexes: `leaderboard_snapshots_board`, `leaderboard_pages_pkey`, and per line the primary keys
/// of `leaderboard_places` and `identities`, or of `leaderboard_places` and `pouw_accounts`,
/// `wallet_links_key` and the primary key of `identities`.
pub async fn list_board(
    db: impl PgExecutor<'_>,
    board: Board,
    extent: Extent,
) -> Result<(Checkpoint, Option<BoardPage>), StoreError> {
    let Read { checkpoint, head, visibility, bodies, pieces } = match board.scope() {
        Scope::Identities => timed!("list_identity_board", identities(db, board, extent)).await?,
        Scope::Addresses => timed!("list_address_board", accounts(db, board, extent)).await?,
    };
    let Some((snapshot_id, participants, computed_at_ms)) = head else {
        return Ok((checkpoint, None));
    };
    let mut pages: HashMap<i32, Vec<Line>> = HashMap::new();
    for (page_no, body) in &bodies {
        pages.insert(*page_no, decode_page(body)?);
    }
    let mut lines = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let n = usize::try_from(piece.n).unwrap_or(usize::MAX);
        let line = pages.get(&piece.page_no).and_then(|page| page.get(n));
        // Beyond the end of the last page there are pieces without a line; and an identity that
        // has hidden itself is left out.
        if let Some(line) = line
            && (board.scope() == Scope::Addresses || piece.identity_id.is_some())
        {
            lines.push(shown(line, participants, piece));
        }
    }
    let last_position = Some(extent.last()).filter(|last| last + 1 < participants);
    let edition = visibility.map(|visibility| Edition { snapshot_id, computed_at_ms, visibility });
    let page =
        BoardPage { snapshot_id, participants, computed_at_ms, lines, last_position, edition };
    Ok((checkpoint, Some(page)))
}

fn shown(line: &Line, participants: i64, piece: Piece) -> BoardLine {
    BoardLine {
        rank: line.rank,
        identity_id: piece.identity_id,
        display_name: piece.display_name,
        address: piece.address,
        score: line.score.to_string(),
        tasks: line.tasks,
        rewards: line.rewards.to_string(),
        percentile_hundredths: percentile_hundredths(line.rank, participants),
        rank_change_24h: line.change,
    }
}

// In both statements: a page has 192 lines (`PAGE_ROWS`); its body starts with two bytes, then come
// the numbers of its subjects. The subject with that number is one of 64 (`PLACE_ROWS`) of a row of
// places, behind four bytes (see encoding.rs). `|| ''` reads the body once and not once per line. The
// look-ups stand behind limits, so that they stay look-ups however many rows the planner expects. The
// lines come as arrays in one row, each page's body with its first line.

async fn identities(
    db: impl PgExecutor<'_>,
    board: Board,
    extent: Extent,
) -> Result<Read, StoreError> {
    let (page_first, page_last) = extent.pages();
    let row = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  s.snapshot_id AS "snapshot_id?", s.participants AS "participants?",
                  s.computed_at AS "computed_at?", v.generation AS "visibility?",
                  l.page_nos AS "page_nos?: Vec<i32>", l.ns AS "ns?: Vec<i32>",
                  l.bodies AS "bodies?: Vec<Option<Vec<u8>>>",
                  l.ids AS "ids?: Vec<Option<Vec<u8>>>",
                  l.names AS "names?: Vec<Option<String>>",
                  NULL::text[] AS "addresses?: Vec<Option<String>>"
           FROM checkpoints c
           LEFT JOIN visibility v ON v.id = 1
           LEFT JOIN LATERAL (
               SELECT snapshot_id, participants, computed_at, place_set FROM leaderboard_snapshots
               WHERE board = $1 AND ($2::bigint IS NULL OR snapshot_id = $2)
               ORDER BY snapshot_id DESC LIMIT 1
           ) s ON TRUE
           LEFT JOIN LATERAL (
               SELECT array_agg(page_no) AS page_nos, array_agg(n) AS ns, array_agg(body) AS bodies,
                      array_agg(identity_id) AS ids, array_agg(display_name) AS names
               FROM (
                   SELECT p.page_no, n.n, CASE WHEN n.n = p.first THEN p.body END AS body,
                          i.identity_id, i.display_name
                   FROM (SELECT page_no, body || ''::bytea AS body,
                                GREATEST($5 - page_no * 192::bigint, 0)::int AS first,
                                LEAST($6 - page_no * 192::bigint, 191)::int AS last
                         FROM leaderboard_pages
                         WHERE snapshot_id = s.snapshot_id AND page_no BETWEEN $3 AND $4 OFFSET 0) p
                   CROSS JOIN LATERAL generate_series(p.first, p.last) n(n)
                   CROSS JOIN LATERAL (
                       SELECT ('x' || encode(substring(p.body FROM 3 + n.n * 4 FOR 4), 'hex'))
                              ::bit(32)::int AS number
                   ) k
                   LEFT JOIN LATERAL (
                       SELECT substring(body FROM 5 + k.number % 64 * 32 FOR 32) AS subject
                       FROM leaderboard_places
                       WHERE place_set = s.place_set AND row_no = k.number / 64 LIMIT 1
                   ) w ON TRUE
                   LEFT JOIN LATERAL (
                       SELECT identity_id, display_name FROM public_identities
                       WHERE identity_id = w.subject LIMIT 1
                   ) i ON TRUE
                   ORDER BY p.page_no, n.n
               ) ordered
           ) l ON TRUE
           WHERE c.pipeline = 'chain'"#,
        board.to_string(),
        extent.snapshot_id,
        page_first,
        page_last,
        extent.first,
        extent.last()
    )
    .fetch_optional(db)
    .await?;
    Ok(collect!(row))
}

async fn accounts(
    db: impl PgExecutor<'_>,
    board: Board,
    extent: Extent,
) -> Result<Read, StoreError> {
    let (page_first, page_last) = extent.pages();
    let row = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  s.snapshot_id AS "snapshot_id?", s.participants AS "participants?",
                  s.computed_at AS "computed_at?", NULL::bigint AS visibility,
                  l.page_nos AS "page_nos?: Vec<i32>", l.ns AS "ns?: Vec<i32>",
                  l.bodies AS "bodies?: Vec<Option<Vec<u8>>>",
                  l.ids AS "ids?: Vec<Option<Vec<u8>>>",
                  l.names AS "names?: Vec<Option<String>>",
                  l.addresses AS "addresses?: Vec<Option<String>>"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT snapshot_id, participants, computed_at, place_set FROM leaderboard_snapshots
               WHERE board = $1 AND ($2::bigint IS NULL OR snapshot_id = $2)
               ORDER BY snapshot_id DESC LIMIT 1
           ) s ON TRUE
           LEFT JOIN LATERAL (
               SELECT array_agg(page_no) AS page_nos, array_agg(n) AS ns, array_agg(body) AS bodies,
                      array_agg(identity_id) AS ids, array_agg(display_name) AS names,
                      array_agg(address) AS addresses
               FROM (
                   SELECT p.page_no, n.n, CASE WHEN n.n = p.first THEN p.body END AS body,
                          i.identity_id, i.display_name, a.miner_address AS address
                   FROM (SELECT page_no, body || ''::bytea AS body,
                                GREATEST($5 - page_no * 192::bigint, 0)::int AS first,
                                LEAST($6 - page_no * 192::bigint, 191)::int AS last
                         FROM leaderboard_pages
                         WHERE snapshot_id = s.snapshot_id AND page_no BETWEEN $3 AND $4 OFFSET 0) p
                   CROSS JOIN LATERAL generate_series(p.first, p.last) n(n)
                   CROSS JOIN LATERAL (
                       SELECT ('x' || encode(substring(p.body FROM 3 + n.n * 4 FOR 4), 'hex'))
                              ::bit(32)::int AS number
                   ) k
                   LEFT JOIN LATERAL (
                       SELECT substring(body FROM 5 + k.number % 64 * 16 FOR 16) AS subject
                       FROM leaderboard_places
                       WHERE place_set = s.place_set AND row_no = k.number / 64 LIMIT 1
                   ) w ON TRUE
                   LEFT JOIN LATERAL (
                       SELECT account_key, miner_address FROM pouw_accounts
                       WHERE account_key = CASE WHEN length(w.subject) = 16
                                                THEN encode(w.subject, 'hex')::uuid END LIMIT 1
                   ) a ON TRUE
                   LEFT JOIN LATERAL (
                       SELECT CASE WHEN count(*) = 1 THEN (array_agg(links.identity_id))[1] END
                                  AS identity_id
                       FROM (SELECT DISTINCT identity_id FROM wallet_links
                             WHERE wallet_key = a.account_key LIMIT 2) links
                   ) h ON TRUE
                   LEFT JOIN LATERAL (
                       SELECT identity_id, display_name FROM public_identities
                       WHERE identity_id = h.identity_id LIMIT 1
                   ) i ON TRUE
                   ORDER BY p.page_no, n.n
               ) ordered
           ) l ON TRUE
           WHERE c.pipeline = 'chain'"#,
        board.to_string(),
        extent.snapshot_id,
        page_first,
        page_last,
        extent.first,
        extent.last()
    )
    .fetch_optional(db)
    .await?;
    Ok(collect!(row))
}

/// Where an identity stands on the newest snapshot of a board.
struct Standing {
    snapshot_id: i64,
    place: Place,
}

/// The lines around an identity on a board of identities, itself in the middle where the board
/// allows it; `None` where it has no place on the board.
///
/// Indexes: `identities_pkey`, `leaderboard_snapshots_board`, `leaderboard_places_subject`, and those
/// of [`list_board`].
pub async fn list_board_around(
    store: &Store,
    board: Board,
    identity: &IdentityId,
    rows: i64,
) -> Result<(Checkpoint, Guarded<Option<BoardPage>>), StoreError> {
    let mut tx = store.begin_snapshot().await?;
    let guarded = find_standing(&mut *tx, board, identity).await?;
    let mut around = Extent { snapshot_id: None, first: 0, rows: 1 };
    let mut found = false;
    // The place alone decides which lines are read; the guard stays on what is given out.
    let guarded = guarded.map(|standing| {
        if let Some(Standing { snapshot_id, place }) = standing {
            found = true;
            let first = (i64::from(place.position) - rows / 2).max(0);
            around = Extent { snapshot_id: Some(snapshot_id), first, rows };
        }
    });
    let (checkpoint, page) = list_board(&mut *tx, board, around).await?;
    tx.commit().await?;
    Ok((checkpoint, guarded.map(|()| page.filter(|_| found))))
}

async fn find_standing(
    db: impl PgExecutor<'_>,
    board: Board,
    identity: &IdentityId,
) -> Result<Guarded<Option<Standing>>, StoreError> {
    let statement = sqlx::query!(
        r#"SELECT i.stats_visibility AS "visibility?", s.snapshot_id AS "snapshot_id?",
                  p.body AS "body?"
           FROM (VALUES (1)) one(one)
           LEFT JOIN identities i ON i.identity_id = $1
           LEFT JOIN LATERAL (
               SELECT snapshot_id, place_set FROM leaderboard_snapshots
               WHERE board = $2 ORDER BY snapshot_id DESC LIMIT 1
           ) s ON TRUE
           LEFT JOIN LATERAL (
               SELECT body FROM leaderboard_places
               WHERE place_set = s.place_set AND first_subject <= $1
               ORDER BY first_subject DESC LIMIT 1
           ) p ON TRUE"#,
        identity.as_bytes(),
        board.to_string()
    );
    let row = timed!("find_standing", statement.fetch_one(db)).await?;
    let place = match &row.body {
        Some(body) => find_place(body, identity.as_bytes(), board.column())?,
        None => None,
    };
    let standing =
        row.snapshot_id.zip(place).map(|(snapshot_id, place)| Standing { snapshot_id, place });
    Ok(Guarded::new(identity, row.visibility.as_deref(), standing))
}
