//! Reads of the votes of a proposal. Identities appear only where they are public.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::super::row::proposal;
use super::super::row::vote::{Column, Entity};
use crate::read::{checkpoint_in, timed};
use crate::{Checkpoint, Store, StoreError};

/// A vote as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteRow {
    /// Who voted.
    pub voter: String,
    /// Key of that address.
    pub voter_key: Uuid,
    /// The identity that held the wallet then, if it is public now.
    pub voter_identity: Option<Vec<u8>>,
    /// 0 against, 1 for, 2 abstain.
    pub choice: i16,
    /// Decimal text.
    pub power: String,
    /// Why.
    pub reason: Option<String>,
    /// Unix seconds.
    pub cast_at: i64,
}

/// The voter's identity, if it is public. Looked up per row of the page: a join may read the whole
/// table of identities for it.
const PUBLIC_VOTER: &str = "(SELECT i.identity_id FROM public_identities i \
                             WHERE i.identity_id = votes.voter_identity)";

#[derive(Debug, FromQueryResult)]
struct Listed {
    voter: String,
    voter_key: String,
    public_voter: Option<Vec<u8>>,
    vote_power: String,
    vote_choice: i16,
    reason: Option<String>,
    cast_at: i64,
}

impl VoteRow {
    fn new(row: Listed) -> Result<Self, StoreError> {
        let voter_key = Uuid::parse_str(&row.voter_key)
            .map_err(|_| StoreError::Corrupt(format!("votes.voter_key {}", row.voter_key)))?;
        Ok(Self {
            voter: row.voter,
            voter_key,
            voter_identity: row.public_voter,
            choice: row.vote_choice,
            power: row.vote_power,
            reason: row.reason,
            cast_at: row.cast_at,
        })
    }
}

/// Votes of a proposal from the latest down, after (cast_at, voter_key) where given; `None` where
/// there is no such proposal. Indexes: `votes_proposal_cast`, then the primary key of `identities`
/// per row.
pub async fn list_votes(
    store: &Store,
    proposal_id: &str,
    after: Option<(i64, Uuid)>,
    offset: u32,
    rows: u64,
) -> Result<(Checkpoint, Option<Vec<VoteRow>>), StoreError> {
    let mut query = Entity::find().filter(Column::ProposalId.eq(proposal_id));
    if let Some((cast_at, key)) = after {
        let key = Column::VoterKey.lt(key.to_string());
        let same = Condition::all().add(Column::CastAt.eq(cast_at)).add(key);
        // The first condition is what the index serves; the second only breaks ties.
        query = query
            .filter(Column::CastAt.lte(cast_at))
            .filter(Condition::any().add(Column::CastAt.lt(cast_at)).add(same));
    }
    let query = query
        .expr_as(Expr::cust(PUBLIC_VOTER), "public_voter")
        .order_by_desc(Column::CastAt)
        .order_by_desc(Column::VoterKey)
        .offset(u64::from(offset))
        .limit(rows)
        .into_model::<Listed>();
    let db = store.snapshot().await?;
    let checkpoint = checkpoint_in(&db).await?;
    let known = proposal::Entity::find_by_id(proposal_id)
        .select_only()
        .column(proposal::Column::ProposalId)
        .into_tuple::<String>();
    if timed!("find_proposal_id", known.one(&db)).await?.is_none() {
        return Ok((checkpoint, None));
    }
    let votes = timed!("list_votes", query.all(&db)).await?;
    db.commit().await?;
    let votes: Result<Vec<VoteRow>, StoreError> = votes.into_iter().map(VoteRow::new).collect();
    Ok((checkpoint, Some(votes?)))
}
