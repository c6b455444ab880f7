//! Writing snapshots of boards.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::board::{Board, Kind, Scope};
use super::encoding::{Line, PAGE_ROWS, PLACE_ROWS, Place, encode_page, encode_places};
use super::ranking::{Standing, rank};
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
    /// First subject and body.
    places: Vec<(Vec<u8>, Vec<u8>)>,
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

/// Ranks and encodes the boards of one scope and kind, off the runtime's threads and while the
/// boards before are being written.
pub(super) fn encode_group(
    scope: Scope,
    kind: Kind,
    mut standings: Vec<Standing>,
) -> mpsc::Receiver<Encoded> {
    let (sender, receiver) = mpsc::channel(ENCODED_AHEAD);
    tokio::task::spawn_blocking(move || {
        standings.sort_unstable_by(|a, b| a.subject.cmp(&b.subject));
        for board in Board::group(scope, kind) {
            // Nobody waits any more.
            if sender.blocking_send(encode(board, &standings)).is_err() {
                return;
            }
        }
    });
    receiver
}

fn encode(board: Board, standings: &[Standing]) -> Encoded {
    let ranked = rank(board, standings);
    let places = match board.scope() {
        Scope::Identities => places_of(&ranked, standings),
        // Nobody asks where an account stands.
        Scope::Addresses => Vec::new(),
    };
    let lines: Vec<Line<'_>> = ranked.into_iter().map(|(_, line)| line).collect();
    let pages: Vec<Vec<u8>> = lines.chunks(PAGE_ROWS).map(encode_page).collect();
    // A board without lines has a digest, too.
    let mut digest = Sha256::new();
    for page in &pages {
        digest.update(page);
    }
    Encoded {
        board,
        participants: i64::try_from(lines.len()).unwrap_or(i64::MAX),
        digest: digest.finalize().to_vec(),
        pages,
        places,
    }
}

/// Where everybody stands, by subject, which is the order of `standings`.
fn places_of(ranked: &[(usize, Line<'_>)], standings: &[Standing]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut by_subject: Vec<Option<Place>> = vec![None; standings.len()];
    for (position, (index, line)) in ranked.iter().enumerate() {
        if let Some(slot) = by_subject.get_mut(*index) {
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            *slot = Some(Place { position, rank: line.rank });
        }
    }
    let places: Vec<(&[u8], Place)> = standings
        .iter()
        .zip(by_subject)
        .filter_map(|(standing, place)| Some((standing.subject.as_slice(), place?)))
        .collect();
    let chunks = places.chunks(PLACE_ROWS);
    chunks.filter_map(|c| c.first().map(|(first, _)| (first.to_vec(), encode_places(c)))).collect()
}

/// Writes a board as a new snapshot and gives its number.
pub(super) async fn insert(
    db: &mut PgConnection,
    encoded: &Encoded,
    marks: &Marks,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let snapshot_id = sqlx::query_scalar!(
        "INSERT INTO leaderboard_snapshots (board, participants, computed_at, hour, generation,
                                            digest)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING snapshot_id",
        encoded.board.to_string(),
        encoded.participants,
        now_ms,
        marks.hour,
        marks.generation,
        encoded.digest
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
    let mut places = CopyBuffer::new(3);
    for (first, body) in &encoded.places {
        places.row().i64(snapshot_id).bytes(Some(first)).bytes(Some(body));
    }
    let statement =
        "COPY leaderboard_places (snapshot_id, first_subject, body) FROM STDIN (FORMAT binary)";
    places.send(db, statement).await?;
    Ok(snapshot_id)
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
