//! Progress of the backfill: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use chert_indexer::{Mode, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const LINE_EVERY: Duration = Duration::from_secs(3);
const BAR_EVERY: Duration = Duration::from_millis(200);
/// Closer to the tip than this there is nothing to show.
const BEHIND_MIN: i64 = 50;

/// Shows progress until stopped.
pub async fn show(progress: watch::Receiver<Progress>, stop: CancellationToken) {
    let terminal = std::io::stderr().is_terminal();
    let every = if terminal { BAR_EVERY } else { LINE_EVERY };
    let mut bar: Option<ProgressBar> = None;
    let mut last = (Instant::now(), 0_u64);
    let mut following = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => break,
        }
        let now = *progress.borrow();
        let behind = now.node_height - now.height;
        if now.mode == Mode::Follow || behind < BEHIND_MIN {
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
            if !following && now.height >= 0 && now.mode == Mode::Follow {
                following = true;
                eprintln!("at the tip: block {}", now.height);
            }
            continue;
        }
        following = false;
        if terminal {
            draw(bar.get_or_insert_with(new_bar), &now);
            continue;
        }
        let seconds = last.0.elapsed().as_secs_f64();
        let rate = now.blocks.saturating_sub(last.1) as f64 / seconds.max(0.001);
        last = (Instant::now(), now.blocks);
        eprintln!("{}", line(&now, rate));
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn line(now: &Progress, rate: f64) -> String {
    if now.mode == Mode::BuildingIndexes {
        return "building indexes and totals".to_owned();
    }
    let behind = (now.node_height - now.height).max(0);
    let eta =
        if rate > 0.0 { format!("{:.0} s left", behind as f64 / rate) } else { "waiting".into() };
    format!("backfill: block {} of {}, {rate:.0} blocks/s, {eta}", now.height, now.node_height)
}

fn new_bar() -> ProgressBar {
    let style = "{msg} {bar:30} {pos}/{len} {per_sec} {eta} left";
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

fn draw(bar: &ProgressBar, now: &Progress) {
    let building = now.mode == Mode::BuildingIndexes;
    bar.set_message(if building { "building indexes" } else { "backfill" });
    bar.set_length(u64::try_from(now.node_height).unwrap_or(0));
    bar.set_position(u64::try_from(now.height).unwrap_or(0));
}
