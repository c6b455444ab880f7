//! Writing snapshots of boards.

use std::collections::HashMap;
use std::thread;

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::board::{Board, Kind, Scope};
use super::encoding::{Line, PAGE_ROWS, PLACE_ROWS, Place, Places, encode_page, encode_places};
use super::ranking::Ranking;
use super::standings::{Standings, at};
use crate::StoreError;
use crate::copy::CopyBuffer;

/// What boards have to be compared with: where the figures stand, and the newest snapshots.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// `feeds('work').generation`.
    pub generation: i64,
    /// `pouw_clock.hour`.
    pub hour: i64,
    /// The newest snapshot of each board that has one.
    pub newest: HashMap<String, Head>,
}

/// A row of `leaderboard_snapshots`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub snapshot_id: i64,
    pub participants: i64,
    pub computed_at_ms: i64,
    pub hour: i64,
    pub generation: i64,
    pub digest: Vec<u8>,
}

/// A board in the form in which it is stored.
#[derive(Debug)]
pub(super) struct Encoded {
    pub board: Board,
    pub participants: i64,
    pub digest: Vec<u8>,
    pages: Vec<Vec<u8>>,
}

/// What ranking a group gives, in this order.
#[derive(Debug)]
pub(super) enum Part {
    /// Each board.
    Board(Encoded),
    /// Who everybody is and where they stand: first subject and body of each row. Accounts have no
    /// columns, since nobody asks where they stand.
    Places(Vec<(Vec<u8>, Vec<u8>)>),
}

/// Reads the marks of some boards. Index: `leaderboard_snapshots_board`.
pub(super) async fn load_marks(
    db: &mut PgConnection,
    boards: &[Board],
) -> Result<Marks, StoreError> {
    let names: Vec<String> = boards.iter().map(Board::to_string).collect();
    let marks = sqlx::query!(
        r#"SELECT f.generation, c.hour FROM feeds f, pouw_clock c WHERE f.feed = 'work'"#
    )
    .fetch_one(&mut *db)
    .await?;
    let rows = sqlx::query!(
        r#"SELECT b.board AS "board!", s.snapshot_id, s.participants, s.computed_at, s.hour,
                  s.generation, s.digest
           FROM UNNEST($1::text[]) b(board)
           CROSS JOIN LATERAL (SELECT * FROM leaderboard_snapshots l WHERE l.board = b.board
                               ORDER BY l.snapshot_id DESC LIMIT 1) s"#,
        &names
    )
    .fetch_all(&mut *db)
    .await?;
    let newest = rows.into_iter().map(|r| {
        let head = Head {
            snapshot_id: r.snapshot_id,
            participants: r.participants,
            computed_at_ms: r.computed_at,
            hour: r.hour,
            generation: r.generation,
            digest: r.digest,
        };
        (r.board, head)
    });
    Ok(Marks { generation: marks.generation, hour: marks.hour, newest: newest.collect() })
}

/// Boards that are encoded and wait to be written: enough to keep both sides busy, few enough to
/// hold little.
const ENCODED_AHEAD: usize = 2;
/// Boards of a group that are ranked at the same time.
const RANKED_AT_ONCE: usize = 2;

/// Ranks and encodes the boards of one scope and kind, off the runtime's threads and while the
/// boards before are being written.
pub(super) fn encode_group(
    scope: Scope,
    kind: Kind,
    mut standings: Standings,
) -> mpsc::Receiver<Part> {
    let (sender, receiver) = mpsc::channel(ENCODED_AHEAD);
    tokio::task::spawn_blocking(move || {
        standings.put_in_order();
        if let Some(columns) = encode_boards(&Board::group(scope, kind), &standings, &sender) {
            // It does not matter whether anybody still waits.
            let _ = sender.blocking_send(Part::Places(rows_of_places(&standings, &columns)));
        }
    });
    receiver
}

/// Where everybody stands on a board, by index.
type Column = Vec<Option<Place>>;

/// Sends every board of a group and gives a column for each of identities; `None` where nobody waits
/// any more.
fn encode_boards(
    boards: &[Board],
    standings: &Standings,
    sender: &mpsc::Sender<Part>,
) -> Option<Vec<Column>> {
    // Pages say by numbers who is on them.
    let mut who = Sha256::new();
    standings.by_number().for_each(|(_, subject)| who.update(subject));
    let one = |board: Board| {
        let ranking = Ranking::new(board, standings);
        let part = Part::Board(encode(board, &ranking, who.clone()));
        sender.blocking_send(part).ok()?;
        Some((board.scope() == Scope::Identities).then(|| ranking.places()))
    };
    let mut columns = Vec::with_capacity(boards.len());
    for boards in boards.chunks(RANKED_AT_ONCE) {
        thread::scope(|threads| {
            let tasks: Vec<_> = boards.iter().map(|board| threads.spawn(|| one(*board))).collect();
            for task in tasks {
                columns.extend(task.join().ok()??);
            }
            Some(())
        })?;
    }
    Some(columns)
}

/// `digest` is one of who the numbers are.
fn encode(board: Board, ranking: &Ranking<'_>, mut digest: Sha256) -> Encoded {
    let mut lines = ranking.lines();
    let mut page: Vec<Line> = Vec::with_capacity(PAGE_ROWS);
    let mut pages = Vec::with_capacity(ranking.len().div_ceil(PAGE_ROWS));
    loop {
        page.clear();
        page.extend(lines.by_ref().take(PAGE_ROWS));
        if page.is_empty() {
            break;
        }
        let bytes = encode_page(&page);
        digest.update(&bytes);
        pages.push(bytes);
    }
    let participants = i64::try_from(ranking.len()).unwrap_or(i64::MAX);
    Encoded { board, participants, digest: digest.finalize().to_vec(), pages }
}

/// Who everybody is, and where they stand. `columns` have a place for each index.
fn rows_of_places(standings: &Standings, columns: &[Column]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut row: Vec<(&[u8], Places)> = Vec::with_capacity(PLACE_ROWS);
    let mut end = |row: &mut Vec<(&[u8], Places)>| {
        if let Some((first, _)) = row.first() {
            rows.push((first.to_vec(), encode_places(row)));
            row.clear();
        }
    };
    for (index, subject) in standings.by_number() {
        row.push((subject, columns.iter().map(|c| c.get(at(index)).copied().flatten()).collect()));
        if row.len() == PLACE_ROWS {
            end(&mut row);
        }
    }
    end(&mut row);
    rows
}

/// Writes a board as a new snapshot and gives its number. Its places are to be written as set
/// `place_set` in the same transaction.
pub(super) async fn insert(
    db: &mut PgConnection,
    encoded: &Encoded,
    place_set: i64,
    marks: &Marks,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let snapshot_id = sqlx::query_scalar!(
        "INSERT INTO leaderboard_snapshots (board, participants, computed_at, hour, generation,
                                            digest, place_set)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING snapshot_id",
        encoded.board.to_string(),
        encoded.participants,
        now_ms,
        marks.hour,
        marks.generation,
        encoded.digest,
        place_set
    )
    .fetch_one(&mut *db)
    .await?;
    let mut pages = CopyBuffer::new(3);
    for (page_no, body) in (0_i32..).zip(&encoded.pages) {
        pages.row().i64(snapshot_id).i32(page_no).bytes(Some(body));
    }
    let statement =
        "COPY leaderboard_pages (snapshot_id, page_no, body) FROM STDIN (FORMAT binary)";
    pages.send(db, statement).await?;
    Ok(snapshot_id)
}

/// The number of a new set of places.
pub(super) async fn next_place_set(db: &mut PgConnection) -> Result<i64, StoreError> {
    let number = sqlx::query_scalar!(r#"SELECT nextval('leaderboard_place_sets') AS "number!""#);
    Ok(number.fetch_one(db).await?)
}

/// Writes a set of places.
pub(super) async fn insert_places(
    db: &mut PgConnection,
    place_set: i64,
    rows: &[(Vec<u8>, Vec<u8>)],
) -> Result<(), StoreError> {
    let mut places = CopyBuffer::new(4);
    for (row_no, (first, body)) in (0_i32..).zip(rows) {
        places.row().i64(place_set).i32(row_no).bytes(Some(first)).bytes(Some(body));
    }
    let statement = "COPY leaderboard_places (place_set, row_no, first_subject, body)
                     FROM STDIN (FORMAT binary)";
    places.send(db, statement).await
}

/// Notes that the newest snapshots of some boards were found to be what they should be.
pub(super) async fn confirm(
    db: &mut PgConnection,
    snapshot_ids: &[i64],
    marks: &Marks,
    now_ms: i64,
) -> Result<(), StoreError> {
    if snapshot_ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE leaderboard_snapshots SET computed_at = $2, hour = $3, generation = $4
         WHERE snapshot_id = ANY($1)",
        snapshot_ids,
        now_ms,
        marks.hour,
        marks.generation
    )
    .execute(db)
    .await?;
    Ok(())
}
