//! A store to serve, and the keys to ask it for.

use anyhow::Context;
use chert_devnet::Profile;
use silica_models::{TX_INDEX_BITS, TxId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::bench::Bench;
use crate::blocks;
use crate::http::get;
use crate::scale::{PAGE_ROWS, TXS_PER_BLOCK, transactions_text};
use crate::statistics::Random;

/// Keys that pgbench and the uncached endpoints choose from.
const POINT_KEYS: usize = 256;
/// Keys that the mixed load chooses from.
const MIXED_KEYS: u64 = 5_000;
/// An ordinary address has more than a page of history, and less than this.
const ORDINARY_ROWS_MAX: i64 = 1_000;

/// An address and its key.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) address: String,
    pub(super) key: [u8; 16],
}

impl Known {
    fn new(address: String, key: Uuid) -> Self {
        Self { address, key: key.into_bytes() }
    }

    /// A request for the first page of its history.
    pub(super) fn history(&self) -> Vec<u8> {
        get(&format!("/v1/explorer/address/{}/history?limit={PAGE_ROWS}", self.address))
    }

    fn balance(&self) -> Vec<u8> {
        get(&format!("/v1/explorer/address/{}/balance", self.address))
    }
}

/// A loaded database.
pub(super) struct Data {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) tip: u64,
    pub(super) text: String,
    /// Ids of 16 bytes, as most are.
    pub(super) ids: Vec<[u8; 16]>,
    pub(super) ordinary: Vec<Known>,
    pub(super) busiest: Known,
    pub(super) busiest_rows: i64,
}

impl Data {
    /// Loads a whale chain in bulk, and a balance for every address as the balance feed would.
    pub(super) async fn load(bench: &Bench, name: &str, tip: u64) -> anyhow::Result<Self> {
        bench.step(format_args!("loading {} with a busy address", transactions_text(tip)));
        let url = bench.postgres.create(name).await?;
        let chain = blocks::chain(Profile::whale(TXS_PER_BLOCK), tip);
        blocks::load(&url, &chain, tip, |text| bench.step(text)).await?;
        let mut db = bench.postgres.connect(name).await?;
        sqlx::query(
            "INSERT INTO balances (address_key, address, balance, nonce, height, read_at)
             SELECT address_key, address, 1000, 1, $1, $2 FROM addresses",
        )
        .bind(i64::try_from(tip)?)
        .bind(blocks::now_s())
        .execute(&mut db)
        .await?;
        sqlx::query("VACUUM ANALYZE balances").execute(&mut db).await?;
        let (busiest, busiest_rows) = find_busiest(&mut db).await?;
        let ordinary = list_ordinary(&mut db).await?;
        let ids = list_ids(&mut db, tip).await?;
        bench.postgres.settle().await?;
        bench.postgres.warm(name).await?;
        let text = transactions_text(tip);
        let (name, url) = (name.to_owned(), url);
        Ok(Self { name, url, tip, text, ids, ordinary, busiest, busiest_rows })
    }

    /// Blocks by random heights.
    pub(super) fn blocks(&self, count: usize, random: &mut Random) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.block(random)).collect()
    }

    fn block(&self, random: &mut Random) -> Vec<u8> {
        get(&format!("/v1/explorer/block/{}", 1 + random.below(self.tip)))
    }

    /// Transactions by the ids that pgbench asks for.
    pub(super) fn transactions(&self) -> Vec<Vec<u8>> {
        self.point_ids().iter().map(transaction).collect()
    }

    /// Histories of the addresses that pgbench asks for.
    pub(super) fn histories(&self) -> Vec<Vec<u8>> {
        self.point_addresses().iter().map(Known::history).collect()
    }

    /// The ids of the uncached comparison.
    pub(super) fn point_ids(&self) -> &[[u8; 16]] {
        self.ids.get(..POINT_KEYS).unwrap_or(&self.ids)
    }

    /// The addresses of the uncached comparison.
    pub(super) fn point_addresses(&self) -> &[Known] {
        self.ordinary.get(..POINT_KEYS).unwrap_or(&self.ordinary)
    }

    /// A mix in equal parts: block, transaction, history, latest transactions, balance.
    pub(super) fn mix(&self, count: usize, random: &mut Random) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut requests = Vec::with_capacity(count);
        for _ in 0..count {
            let address = random.pick(&self.ordinary).context("no addresses")?.clone();
            requests.push(match random.below(5) {
                0 => self.block(random),
                1 => transaction(random.pick(&self.ids).context("no ids")?),
                2 => address.history(),
                3 => get(&format!("/v1/explorer/transactions?limit={PAGE_ROWS}")),
                _ => address.balance(),
            });
        }
        Ok(requests)
    }
}

fn transaction(id: &[u8; 16]) -> Vec<u8> {
    get(&format!("/v1/explorer/tx/{}", TxId::from_bytes(id.to_vec())))
}

async fn find_busiest(db: &mut PgConnection) -> anyhow::Result<(Known, i64)> {
    let (address, key, rows): (String, Uuid, i64) = sqlx::query_as(
        "SELECT address, address_key, tx_count FROM addresses ORDER BY tx_count DESC LIMIT 1",
    )
    .fetch_one(db)
    .await?;
    Ok((Known::new(address, key), rows))
}

async fn list_ordinary(db: &mut PgConnection) -> anyhow::Result<Vec<Known>> {
    // Keys are hashes: their order is as good as a random one.
    let rows: Vec<(String, Uuid)> = sqlx::query_as(
        "SELECT address, address_key FROM addresses
         WHERE tx_count > $1 AND tx_count <= $2 AND address LIKE '0x%'
         ORDER BY address_key LIMIT $3",
    )
    .bind(i64::try_from(PAGE_ROWS)?)
    .bind(ORDINARY_ROWS_MAX)
    .bind(i64::try_from(MIXED_KEYS)?)
    .fetch_all(db)
    .await?;
    anyhow::ensure!(!rows.is_empty(), "no address has a page of history");
    Ok(rows.into_iter().map(|(address, key)| Known::new(address, key)).collect())
}

async fn list_ids(db: &mut PgConnection, tip: u64) -> anyhow::Result<Vec<[u8; 16]>> {
    let mut random = Random::new(2);
    let mut positions = Vec::new();
    for _ in 0..MIXED_KEYS {
        let (height, index) = (1 + random.below(tip), random.below(TXS_PER_BLOCK));
        positions.push(i64::try_from(height << TX_INDEX_BITS | index)?);
    }
    let ids: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT tx_id FROM transactions WHERE pos = ANY($1)")
            .bind(positions)
            .fetch_all(db)
            .await?;
    let ids: Vec<[u8; 16]> = ids.into_iter().filter_map(|id| id.try_into().ok()).collect();
    anyhow::ensure!(!ids.is_empty(), "no transaction has an id of 16 bytes");
    Ok(ids)
}
