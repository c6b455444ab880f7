//! The gRPC streams deliver what the log holds: live, through reorganisations, and resumed at any
//! position without a gap or a repeat.
#![expect(clippy::expect_used, reason = "a failure is the test's failure")]

use anyhow::{Context, ensure};
use chert_proto::v1;
use chert_proto::v1::event_service_client::EventServiceClient;
use e2e::api::Api;
use e2e::fast_settings;
use e2e::stage::{Stage, small_chain};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Streaming};

const SEED: u64 = 71;
const HISTORY: u64 = 20;

type Client = EventServiceClient<Channel>;

/// The events of the log after a number, by REST.
async fn log(api: &Api, after: i64, filter: &str) -> anyhow::Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut place = format!("after={after}");
    loop {
        let page = api.get(&format!("/v1/events?limit=500&{place}{filter}")).await?;
        items.extend(page["items"].as_array().context("items")?.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => place = format!("cursor={cursor}"),
            None => return Ok(items),
        }
    }
}

/// The next event of a stream, as REST writes it, and where to resume.
async fn next(stream: &mut Streaming<v1::EventDelivery>) -> anyhow::Result<(i64, Value)> {
    loop {
        let delivery = stream.message().await?.context("the stream ended")?;
        let Some(event) = delivery.event else { continue };
        ensure!(delivery.position == event.seq, "{} {event:?}", delivery.position);
        let data: Value = serde_json::from_str(&event.data)?;
        let json = json!({"seq": event.seq, "type": event.r#type, "height": event.height,
            "block_hash": event.block_hash, "at": event.at, "identity_id": event.identity_id,
            "data": data});
        return Ok((delivery.position, json));
    }
}

async fn follow(stage: &Stage, api: &Api, client: &mut Client) -> anyhow::Result<()> {
    let begin = api.get("/v1/status").await?["event_seq"].as_i64().context("event_seq")?;
    let all = v1::SubscribeEventsRequest { after: u64::try_from(begin).ok(), ..Default::default() };
    let mut live = client.subscribe_events(all.clone()).await?.into_inner();
    let opening = live.message().await?.context("an opening")?;
    ensure!(opening.position == begin && opening.event.is_none(), "{opening:?}");
    let mut blocks =
        client.subscribe_blocks(v1::SubscribeBlocksRequest::default()).await?.into_inner();
    ensure!(blocks.message().await?.context("an opening")?.position >= begin);
    // Applied one by one, so that the reorganisation retracts what was told.
    for _ in 0..3 {
        stage.chain.mine(1);
        stage.caught_up().await?;
    }
    stage.chain.reorg(2, 4);
    stage.caught_up().await?;

    let mut told = Vec::new();
    for (kind, height) in [
        ("block.applied", 21),
        ("block.applied", 22),
        ("block.applied", 23),
        ("block.retracted", 23),
        ("block.retracted", 22),
        ("block.applied", 22),
        ("block.applied", 23),
        ("block.applied", 24),
        ("block.applied", 25),
    ] {
        let (_, event) = next(&mut blocks).await?;
        ensure!(event["type"] == kind && event["height"] == height, "{kind} {height}: {event}");
        told.push(event);
    }
    let stored = log(api, begin, "&type=block.applied,block.retracted").await?;
    ensure!(told == stored, "streamed {told:?}\nstored {stored:?}");

    let stored = log(api, begin, "").await?;
    ensure!(stored.len() > told.len(), "no transactions in {stored:?}");
    let mut positions = Vec::new();
    for expected in &stored {
        let (position, event) = next(&mut live).await?;
        ensure!(event == *expected, "streamed {event}\nstored {expected}");
        positions.push(position);
    }
    // A new connection, anywhere in between.
    for index in [0, positions.len() / 2, positions.len() - 2] {
        let after = u64::try_from(positions[index])?;
        let request = v1::SubscribeEventsRequest { after: Some(after), ..all.clone() };
        let mut resumed = client.subscribe_events(request).await?.into_inner();
        for expected in &stored[index + 1..] {
            let (_, event) = next(&mut resumed).await?;
            ensure!(event == *expected, "resumed {event}\nstored {expected}");
        }
    }
    filters(api, client, begin, &stored).await
}

/// What each stream leaves out, by the log itself.
async fn filters(
    api: &Api,
    client: &mut Client,
    begin: i64,
    stored: &[Value],
) -> anyhow::Result<()> {
    let confirmed = stored.iter().find(|event| event["type"] == "transaction.confirmed");
    let data = &confirmed.context("a transaction")?["data"];
    let address = data["sender"].as_str().or(data["recipient"].as_str()).context("a party")?;
    let filter = format!("&address={address}&type=transaction.confirmed,transaction.retracted");
    let wanted = log(api, begin, &filter).await?;
    ensure!(!wanted.is_empty(), "nothing of {address}");
    let request = v1::SubscribeTransactionsRequest {
        after: u64::try_from(begin).ok(),
        address: Some(address.to_owned()),
        min_confirmations: None,
    };
    let mut stream = client.subscribe_transactions(request).await?.into_inner();
    for expected in &wanted {
        let (_, event) = next(&mut stream).await?;
        ensure!(event == *expected, "streamed {event}\nstored {expected}");
    }
    // Two confirmations: of what was retracted with less, neither event comes.
    let request =
        v1::SubscribeBlocksRequest { after: u64::try_from(begin).ok(), min_confirmations: Some(2) };
    let mut settled = client.subscribe_blocks(request).await?.into_inner();
    let (_, first) = next(&mut settled).await?;
    ensure!(first["height"] == 21 && first["type"] == "block.applied", "{first}");
    let future = v1::SubscribeWorkRequest { after: Some(1 << 40), ..Default::default() };
    let refused = client.subscribe_work(future).await.map(|_| ()).expect_err("a refusal");
    ensure!(refused.code() == Code::InvalidArgument, "{refused:?}");
    ensure!(refused.message().contains("newest event"), "{refused:?}");
    let nobody =
        v1::SubscribeGovernanceRequest { identity: Some("ab".repeat(32)), ..Default::default() };
    let refused = client.subscribe_governance(nobody).await.map(|_| ()).expect_err("a refusal");
    ensure!(refused.code() == Code::NotFound, "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn streams_follow_the_log_and_can_be_resumed_anywhere() {
    let chain = small_chain(SEED, HISTORY);
    let mut stage = Stage::indexed(chain, fast_settings()).await.expect("a stage");
    let api = Api::start(&stage.database.url).await.expect("a server");
    let mut client =
        EventServiceClient::connect(api.grpc().to_owned()).await.expect("a connection");
    if let Err(error) = follow(&stage, &api, &mut client).await {
        panic!("{error:#}");
    }
    stage.stop().await.expect("the indexer ends in order");
    // A stream that is open while the server stops is cut off with where to resume.
    let mut open = client
        .subscribe_blocks(v1::SubscribeBlocksRequest::default())
        .await
        .expect("a stream")
        .into_inner();
    let opening = open.message().await.expect("an opening").expect("an opening").position;
    let finished = tokio::spawn(api.finish());
    let ended = loop {
        match open.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
    let resume = ended.metadata().get("resume-after").expect("resume-after");
    assert_eq!(resume.to_str().expect("a number"), opening.to_string());
    finished.await.expect("no panic").expect("the servers end in order");
}
