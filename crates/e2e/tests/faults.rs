//! Every way in which a node can fail, one at a time on the only node: nothing wrong is stored, and
//! when it is over the index goes on.

use chert_devnet::Fault;
use chert_indexer::IndexerSettings;
use e2e::stage::{Stage, always, small_chain};
use e2e::{fast_settings, ground_truth, wait_until};

/// Kinds of fault, each of which is tried alone.
const KINDS: [Fault; 15] = [
    Fault::Latency { ms: 30 },
    Fault::TooManyRequests { retry_after_s: 1 },
    Fault::ServerError,
    Fault::Timeout { ms: 250 },
    Fault::HalfOpen,
    Fault::EmptyList,
    Fault::MissingTransactions,
    Fault::WrongParent,
    Fault::Lagging { blocks: 5 },
    Fault::InvalidJson,
    Fault::Oversized { bytes: 70 << 20 },
    Fault::RpcError,
    Fault::WrongHeights,
    Fault::GarbageFields,
    Fault::NullResult,
];
/// Faults that must have been served before a node is healed.
const FAULTS_SERVED: u64 = 3;
/// Lives at the same time.
const AT_ONCE: usize = 5;

/// A node that fails in one way, at first and again after it had been healed, in which time the
/// chain moves on and reorganises.
async fn survives(kind: Fault) -> anyhow::Result<()> {
    let mut stage = Stage::new(small_chain(28, 40)).await?;
    let faults = stage.node.faults();
    let enough = async || {
        let served = faults.injected() + FAULTS_SERVED;
        wait_until("the fault was served", async || Ok(faults.injected() >= served)).await?;
        ground_truth::is_clean(&stage.database.url, None).await
    };
    // A node whose tip is lower is, to an empty store, just a shorter chain; the same goes for
    // slow ones, which are right.
    let harmless = matches!(kind, Fault::Lagging { .. } | Fault::Latency { .. });
    faults.set(always(kind, None));
    let indexer = e2e::RunningIndexer::start(
        &stage.database.url,
        &[stage.node.url()],
        IndexerSettings { batch_blocks: 10, ..fast_settings() },
    );
    enough().await?;
    if !harmless {
        let height = stage.store.checkpoint().await?.height;
        assert_eq!(height, -1, "{kind:?}: blocks came through");
    }
    faults.clear();
    stage.caught_up().await?;
    let before = stage.tip().await?;
    faults.set(always(kind, None));
    stage.chain.mine(2);
    stage.chain.reorg(3, 4);
    enough().await?;
    if !harmless {
        assert_eq!(stage.tip().await?, before, "{kind:?}: blocks came through");
    }
    faults.clear();
    stage.caught_up().await?;
    indexer.stop().await?;
    stage.kill().await;
    stage.equals_clean_run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_fault_is_survived_and_stored_by_none() -> anyhow::Result<()> {
    use futures::StreamExt;
    let outcomes: Vec<(Fault, anyhow::Result<()>)> = futures::stream::iter(KINDS)
        .map(|kind| async move { (kind, survives(kind).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert_eq!(outcomes.len(), KINDS.len());
    for (kind, outcome) in outcomes {
        outcome.map_err(|error| error.context(format!("{kind:?}")))?;
    }
    Ok(())
}
