//! A dev chain with people, governance and oracles, indexed and then left alone, and what there is
//! to ask about it.
#![allow(dead_code, missing_docs, reason = "each test uses a part")]

use anyhow::{Context, ensure};
use chert_api::ApiSettings;
use chert_devnet::{Chain, Server};
use chert_testkit::{TestDatabase, dump};
use e2e::api::Api;
use e2e::oracles::Oracles;
use e2e::stage::{node_of, small_chain};
use e2e::{RunningIndexer, fast_settings, wait_for_balances, wait_for_feeds, wait_for_tip};
use serde_json::{Map, Value, json};

const SEED: u64 = 44;
const HISTORY: u64 = 150;
/// Objects of a kind that are asked for.
const EACH: usize = 5;
const WAIT: std::time::Duration = std::time::Duration::from_millis(10);
const NOBODY: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

pub struct World {
    pub api: Api,
    pub registry: Vec<Value>,
    pub transactions: Vec<String>,
    pub addresses: Vec<String>,
    tip: u64,
    hashes: Vec<String>,
    proposals: Vec<String>,
    oracles: Vec<String>,
    submissions: Vec<String>,
    // Dropped last: the server's pool must be gone before its database.
    database: TestDatabase,
}

fn texts(list: &Value, name: &str) -> Vec<String> {
    let items = list["items"].as_array().into_iter().flatten();
    items.filter_map(|item| item[name].as_str().map(str::to_owned)).take(EACH).collect()
}

/// All boards.
const BOARDS: i64 = 48;
/// How many of them show the figures that there are.
const BOARDS_OF_NOW: &str = "SELECT count(*) FROM feeds f, pouw_clock c,
         (SELECT DISTINCT ON (board) generation, hour FROM leaderboard_snapshots
          ORDER BY board, snapshot_id DESC) s
     WHERE f.feed = 'work' AND s.generation = f.generation AND s.hour = c.hour";

/// Indexes a chain through a reorganisation until everything is read, and ends the indexer.
async fn index(chain: &Chain, database: &str) -> anyhow::Result<()> {
    let node: Server = node_of(chain).await?;
    let oracles = Oracles::start(SEED, chain).await?;
    let (urls, setups) = ([node.url()], oracles.setups());
    let indexer = RunningIndexer::start_with(database, &urls, fast_settings(), setups);
    let store = chert_store::Store::connect_lazy(&chert_store::PoolSettings::new(database))?;
    wait_for_tip(&store, chain.tip()).await?;
    chain.reorg(2, 4);
    wait_for_tip(&store, chain.tip()).await?;
    wait_for_balances(database).await?;
    wait_for_feeds(database).await?;
    oracles.wait_until_read(database).await?;
    e2e::wait_until("boards are computed", async || {
        Ok(dump::count(database, BOARDS_OF_NOW).await? == BOARDS)
    })
    .await?;
    indexer.stop().await?;
    Ok(())
}

impl World {
    pub async fn new() -> anyhow::Result<Self> {
        let chain = small_chain(SEED, HISTORY);
        let database = TestDatabase::create().await;
        index(&chain, &database.url).await?;
        // Nobody reads figures any more: waiting for them would be in vain.
        let settings = ApiSettings { balance_wait: WAIT, ..ApiSettings::default() };
        let api = Api::start_as(&database.url, settings).await?;
        let tip = chain.tip().0;
        let mut world = Self {
            api,
            registry: Vec::new(),
            transactions: Vec::new(),
            addresses: Vec::new(),
            tip,
            hashes: Vec::new(),
            proposals: Vec::new(),
            oracles: Vec::new(),
            submissions: Vec::new(),
            database,
        };
        world.look_around().await?;
        Ok(world)
    }

    async fn look_around(&mut self) -> anyhow::Result<()> {
        let get = |path: &'static str| self.api.get(path);
        self.hashes = texts(&get("/v1/explorer/blocks?limit=2").await?, "hash");
        let orphans = texts(&get("/v1/explorer/orphans").await?, "hash");
        ensure!(orphans.len() == 2, "orphans: {orphans:?}");
        self.hashes.extend(orphans);
        let list = get("/v1/explorer/transactions?limit=100").await?;
        self.transactions = texts(&list, "tx_id");
        self.addresses = texts(&list, "sender");
        self.addresses.sort();
        self.addresses.dedup();
        self.proposals = texts(&get("/v1/governance/proposals").await?, "proposal_id");
        self.oracles = texts(&get("/v1/pouw/oracles").await?, "oracle_id");
        for oracle in &self.oracles {
            let known = dump::submissions(&self.database.url, oracle).await?;
            self.submissions.extend(known.into_iter().map(|(id, _)| id).take(EACH));
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "identity_registryUpdates",
                          "params": [0, 128]});
        let (_, _, text) =
            self.api.send(reqwest::Method::POST, "/jsonrpc", Some(body.to_string())).await?;
        let answer: Value = serde_json::from_str(&text)?;
        let updates = answer["result"]["updates"].as_array().context("updates")?;
        self.registry = updates.iter().take(4 * EACH).cloned().collect();
        for (what, list) in [
            ("transactions", self.transactions.len()),
            ("addresses", self.addresses.len()),
            ("proposals", self.proposals.len()),
            ("submissions", self.submissions.len()),
            ("identities", self.registry.len()),
        ] {
            ensure!(list >= 2, "{list} {what}");
        }
        let figures = |v: &&Value| v["stats_visibility"] == "public";
        let open = self.registry.iter().filter(figures).count();
        ensure!(open > 0 && open < self.registry.len(), "{open} public identities");
        Ok(())
    }

    pub fn heights(&self) -> Vec<u64> {
        vec![0, 1, self.tip / 2, self.tip - 1, self.tip]
    }

    fn identities(&self) -> Vec<String> {
        // Somebody whose figures everybody may see comes first.
        let mut all: Vec<&Value> = self.registry.iter().collect();
        all.sort_by_key(|one| one["stats_visibility"] != "public");
        all.iter().filter_map(|one| one["identity_id"].as_str().map(str::to_owned)).collect()
    }

    /// Every name of something.
    pub fn texts(&self) -> Vec<String> {
        let mut all: Vec<String> = self.heights().iter().map(u64::to_string).collect();
        for list in [
            &self.hashes,
            &self.transactions,
            &self.addresses,
            &self.proposals,
            &self.oracles,
            &self.submissions,
            &self.identities(),
        ] {
            all.extend(list.iter().cloned());
        }
        all
    }

    /// Values of a parameter: good ones first, then such that lead nowhere and such that are none.
    pub fn values(&self, path: &str, name: &str) -> Vec<Value> {
        let own = |good: &[&str]| good.iter().map(|v| json!(v)).collect::<Vec<_>>();
        let of = |good: &[String], bad: &[&str]| {
            let good = good.iter().map(|v| json!(v));
            good.chain(bad.iter().map(|v| json!(v))).collect()
        };
        match name {
            "height" => {
                let mut all: Vec<Value> =
                    self.heights().iter().map(|h| json!(h.to_string())).collect();
                all.extend(of(&self.hashes, &[NOBODY, "99999999", "zz", "0x", "-1", "é/ä?x=y#z"]));
                all
            }
            "hash" => of(&self.transactions, &[NOBODY, "zz", "a/b", "%00"]),
            "addr" | "address" => of(&self.addresses, &["nobody", "a b/c", &"x".repeat(129)]),
            "id" if path.contains("/proposals/") => of(&self.proposals, &["999999", "a/b", "?"]),
            "id" | "identity_id" | "identity" => of(&self.identities(), &[NOBODY, "zz", "0x"]),
            "submission_id" => of(&self.submissions, &[NOBODY, "zz"]),
            "oracle_id" => of(&self.oracles, &[NOBODY, "http://x/y", "zz"]),
            "type" if path == "/v1/events" => {
                own(&["block.applied", "transaction.confirmed,vote.cast", "x"])
            }
            "type" => own(&["boinc", "nuw", "both"]),
            "timeframe" => own(&["day", "week", "month", "all", "year"]),
            "metric" => own(&["tasks", "credits", "rewards", "recent_average_credit", ""]),
            "scope" => own(&["identities", "addresses", "x"]),
            "window" => own(&["24h", "7d", "30d", "all", "1h"]),
            "interval" => own(&["hour", "day", "year"]),
            "status" => own(&["all", "active", "passed", "rejected", "executed", "pending", "x"]),
            "q" | "name" => {
                let first = |name: &str| self.registry.first().map(|one| one[name].clone());
                let mut all: Vec<Value> = first("display_name").into_iter().collect();
                all.retain(Value::is_string);
                all.extend(own(&["an", "ER", "é&=+ %", "x", "", "17"]));
                all.extend(self.hashes.iter().chain(&self.transactions).map(|text| json!(text)));
                all
            }
            _ => Vec::new(),
        }
    }

    /// Drafts of updates, and wallets to verify, by the operation that takes them.
    pub fn drafts(&self, path: &str) -> Vec<Map<String, Value>> {
        let known = &self.registry[0];
        let id = known["identity_id"].clone();
        let version = known["profile_version"].as_u64().unwrap_or_default();
        let wallet = self.registry.iter().find_map(|one| one["wallet_links"].get(0));
        let wallet = wallet.map_or(json!("0x00"), |link| link["wallet_address"].clone());
        let link = json!({"wallet_address": "0xa9b36f133ee0c47100d08719689e1df65c12761a",
                          "link_type": "main", "proof_signature": "abcd"});
        let unknown = "ab".repeat(32);
        let all = match path {
            "/v1/identity" => json!([
                {"identity_id": unknown, "display_name": "Süd & Co", "wallet_links": [link]},
                {"identity_id": unknown, "stats_visibility": "public", "wallet_links": []},
                {"identity_id": id, "wallet_links": []},
                {"identity_id": "zz", "wallet_links": []},
                {"identity_id": unknown, "stats_visibility": "everybody", "wallet_links": []},
            ]),
            "/v1/identity/{id}" => json!([
                {"id": id, "profile_version": version, "stats_visibility": "private",
                 "bio": "", "wallet_links": [link]},
                {"id": id, "profile_version": version, "stats_visibility": "x", "wallet_links": []},
                {"id": id, "profile_version": version + 7, "stats_visibility": "public",
                 "wallet_links": []},
                {"id": NOBODY, "profile_version": 1, "stats_visibility": "public",
                 "wallet_links": []},
                {"id": id, "profile_version": version},
                {"id": id, "profile_version": 0},
                {"id": NOBODY, "profile_version": 1},
                {"id": id},
            ]),
            _ => json!([
                {"id": id, "wallet_address": wallet},
                {"id": NOBODY, "wallet_address": wallet},
                {"id": id, "wallet_address": "0xabc", "public_key": "00"},
                {"id": id, "wallet_address": "0xabc", "public_key": "00", "signature": "zz"},
                {"id": "zz", "wallet_address": wallet},
            ]),
        };
        let all = all.as_array().cloned().unwrap_or_default();
        all.into_iter().filter_map(|one| one.as_object().cloned()).collect()
    }

    pub async fn finish(self) -> anyhow::Result<()> {
        self.api.finish().await?;
        self.database.close().await
    }
}
