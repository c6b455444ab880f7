//! What somebody knows who believes the event log alone.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use chert_devnet::Chain;
use chert_store::entities::event::{Event, EventFilter, EventType};
use chert_store::{PoolSettings, Store};
use chert_testkit::dump;
use serde_json::Value;
use silica_models::TxId;

/// Events of a page: odd, so that pages end inside of blocks.
const PAGE_EVENTS: i64 = 97;

/// The log, folded.
#[derive(Debug, Default)]
pub struct Told {
    /// Height and hash of the blocks that it told of, oldest first.
    blocks: Vec<(i64, String)>,
    /// State by what a thing is and its key, as in [`dump::told`].
    states: BTreeMap<(&'static str, String), String>,
    retracted: usize,
    of_people: usize,
    last_seq: i64,
}

fn text(event: &Event, member: &str) -> anyhow::Result<String> {
    match event.data.get(member) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        other => anyhow::bail!("{member} is {other:?} in {event:?}"),
    }
}

impl Told {
    /// Reads the whole log, page by page.
    pub async fn read(url: &str) -> anyhow::Result<Self> {
        let store = Store::connect_lazy(&PoolSettings::new(url))?;
        let mut told = Self::default();
        loop {
            let filter = EventFilter::default();
            let page = store.list_events(told.last_seq, &filter, PAGE_EVENTS).await?;
            for event in &page.events {
                told.take(event).with_context(|| format!("{event:?}"))?;
            }
            if told.last_seq == page.head.last_seq {
                store.pool().close().await;
                return Ok(told);
            }
            ensure!(!page.events.is_empty(), "an empty page after {}", told.last_seq);
        }
    }

    /// Blocks that were taken back.
    pub fn retracted(&self) -> usize {
        self.retracted
    }

    /// Events that are of neither blocks nor transactions.
    pub fn of_people(&self) -> usize {
        self.of_people
    }

    fn take(&mut self, event: &Event) -> anyhow::Result<()> {
        ensure!(event.seq == self.last_seq + 1, "after {}", self.last_seq);
        self.last_seq = event.seq;
        let of_block = matches!(event.kind, EventType::BlockApplied | EventType::BlockRetracted);
        self.of_people += usize::from(!of_block && !event.kind.is_transaction());
        match event.kind {
            EventType::BlockApplied | EventType::BlockRetracted => self.take_block(event),
            EventType::TransactionConfirmed | EventType::TransactionRetracted => {
                self.take_transaction(event)
            }
            EventType::VoteCast => {
                let state = format!("{} {}", text(event, "choice")?, text(event, "power")?);
                self.set("vote", vote_key(event)?, state)
            }
            EventType::VoteRetracted => self.unset("vote", &vote_key(event)?),
            EventType::ProposalCreated | EventType::ProposalStateChanged => {
                let id = text(event, "proposal_id")?;
                let before = self.states.get(&("proposal", id.clone()));
                let from = event.data["from"].as_str();
                ensure!(before.map(String::as_str) == from, "{before:?} before");
                self.set("proposal", id, text(event, "to")?)
            }
            EventType::ProposalRetracted => self.unset("proposal", &text(event, "proposal_id")?),
            EventType::IdentityUpdated => self.take_identity(event),
            EventType::WorkValidated | EventType::WorkReinstated => {
                self.take_work(event, "validated")
            }
            EventType::WorkRejected => self.take_work(event, "rejected"),
            EventType::WorkClawedBack => self.take_work(event, "clawed_back"),
            EventType::LeaderboardChanged => self.take_boards(event),
        }
    }

    fn set(&mut self, what: &'static str, key: String, state: String) -> anyhow::Result<()> {
        self.states.insert((what, key), state);
        Ok(())
    }

    fn unset(&mut self, what: &'static str, key: &str) -> anyhow::Result<()> {
        let gone = self.states.remove(&(what, key.to_owned()));
        gone.map(drop).with_context(|| format!("takes back the {what} {key}, which is not there"))
    }

    fn take_block(&mut self, event: &Event) -> anyhow::Result<()> {
        let height = event.height.context("a height")?;
        let hash = hex::encode(event.block_hash.as_ref().context("a hash")?);
        if event.kind == EventType::BlockApplied {
            let follows = self.blocks.last().is_none_or(|(below, _)| below + 1 == height);
            ensure!(follows, "applied after {:?}", self.blocks.last());
            self.blocks.push((height, hash));
        } else {
            self.retracted += 1;
            // Blocks of the bulk backfill have no event of their own.
            let newest = self.blocks.pop();
            ensure!(newest.is_none_or(|block| block == (height, hash)), "not the newest");
        }
        Ok(())
    }

    fn take_transaction(&mut self, event: &Event) -> anyhow::Result<()> {
        let key = format!("{}/{}", event.height.context("a height")?, text(event, "index")?);
        let id = hex::encode(TxId::parse(&text(event, "tx_id")?)?.as_bytes());
        if event.kind == EventType::TransactionConfirmed {
            let tip = self.blocks.last().map(|(height, _)| *height);
            ensure!(tip == event.height, "not of the block before it");
            return self.set("transaction", key, id);
        }
        let gone = self.states.remove(&("transaction", key));
        let known = self.blocks.last().is_some_and(|(height, _)| Some(*height) == event.height);
        ensure!(!known || gone == Some(id), "takes back {gone:?}");
        Ok(())
    }

    fn take_identity(&mut self, event: &Event) -> anyhow::Result<()> {
        let id = text(event, "identity_id")?;
        if event.data["removed"] == true {
            return self.unset("identity", &id);
        }
        self.set("identity", id, text(event, "profile_version")?)
    }

    fn take_work(&mut self, event: &Event, state: &str) -> anyhow::Result<()> {
        self.set("work", text(event, "submission_id")?, state.to_owned())
    }

    fn take_boards(&mut self, event: &Event) -> anyhow::Result<()> {
        for board in event.data["boards"].as_array().context("boards")? {
            let part = |name: &str| board[name].as_str().with_context(|| name.to_owned());
            let name = [part("scope")?, part("type")?, part("timeframe")?, part("metric")?];
            let id = board["snapshot_id"].as_i64().context("snapshot_id")?;
            self.set("board", name.join("/"), id.to_string())?;
        }
        Ok(())
    }

    /// What was told is what is stored, and the blocks are the chain's.
    pub async fn is_true(&self, url: &str, chain: &Chain) -> anyhow::Result<()> {
        for (height, hash) in &self.blocks {
            let block = chain.block(u64::try_from(*height)?).context("a block of the chain")?;
            ensure!(block["block_hash"] == hash.as_str(), "the log has another block {height}");
        }
        let first = self.blocks.first().map_or(i64::MAX, |(height, _)| *height);
        let untold = |what: &str, key: &str| {
            let height = key.split('/').next().and_then(|text| text.parse::<i64>().ok());
            what == "transaction" && height.is_some_and(|height| height < first)
        };
        let stored = dump::told(url).await?;
        let stored: BTreeMap<(&'static str, String), String> = stored
            .into_iter()
            .filter(|(what, key, _)| !untold(what, key))
            .map(|(what, key, state)| ((what, key), state))
            .collect();
        for (key, state) in &stored {
            let told = self.states.get(key);
            ensure!(told == Some(state), "{key:?}: stored {state}, told {told:?}");
        }
        for (key, state) in &self.states {
            // Work in dispute, for example: the log does not speak of that.
            ensure!(key.0 == "work" || stored.contains_key(key), "{key:?}: told {state} only");
        }
        Ok(())
    }
}

fn vote_key(event: &Event) -> anyhow::Result<String> {
    let key = event.address_keys.first().context("a voter")?;
    Ok(format!("{}/{}", text(event, "proposal_id")?, key.to_uuid()))
}
