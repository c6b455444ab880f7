//! Who held a wallet when: a pure function of the versions of one identity.

use std::collections::BTreeMap;

use uuid::Uuid;

/// What intervals need of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionPart {
    /// Block of the version.
    pub height: i64,
    /// The identity's beginning, Unix seconds.
    pub created_at: i64,
    /// The version's own time, Unix seconds.
    pub updated_at: i64,
    /// Every wallet of the version, each once.
    pub links: Vec<LinkPart>,
}

/// What intervals need of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkPart {
    /// Address key.
    pub key: Uuid,
    /// The registry's spelling.
    pub address: String,
    /// Unix seconds, as the registry states it.
    pub created_at: i64,
}

/// A time during which an identity held a wallet: from ≤ t < to; open while it holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interval {
    /// Address key.
    pub wallet_key: Uuid,
    /// Block of the version that brought the link.
    pub from_height: i64,
    /// Unix seconds.
    pub from_time: i64,
    /// Block and time of the first later version without the link.
    pub end: Option<(i64, i64)>,
    /// The spelling in the version that brought it.
    pub wallet_address: String,
}

/// Takes the versions of one identity by (height, `profile_version`) and gives its intervals.
///
/// Within one block only the last version counts, so a wallet begins at most one interval per
/// block. A later version never changes what an earlier one began or ended.
#[derive(Debug, Default)]
pub(crate) struct IntervalFold {
    pending: Option<VersionPart>,
    previous_at: Option<i64>,
    open: BTreeMap<Uuid, Interval>,
    closed: Vec<Interval>,
}

impl IntervalFold {
    /// Adds the next version.
    pub fn push(&mut self, version: VersionPart) {
        let height = version.height;
        let before = self.pending.replace(version);
        if let Some(before) = before.filter(|before| before.height != height) {
            self.settle(&before);
        }
    }

    /// The intervals by wallet and beginning.
    pub fn finish(mut self) -> Vec<Interval> {
        if let Some(last) = self.pending.take() {
            self.settle(&last);
        }
        let mut intervals = self.closed;
        intervals.extend(self.open.into_values());
        intervals.sort_unstable();
        intervals
    }

    fn settle(&mut self, version: &VersionPart) {
        let kept = |key: &Uuid| version.links.iter().any(|link| link.key == *key);
        let ended: Vec<Uuid> = self.open.keys().filter(|key| !kept(key)).copied().collect();
        for key in ended {
            if let Some(mut interval) = self.open.remove(&key) {
                let to_time = version.updated_at.max(interval.from_time);
                interval.end = Some((version.height, to_time));
                self.closed.push(interval);
            }
        }
        // The registry's word for when a link began counts only inside the time in which the
        // version can have brought it: nobody gets what was earned before by dating back.
        let earliest = self.previous_at.unwrap_or(version.created_at);
        for link in &version.links {
            self.open.entry(link.key).or_insert_with(|| Interval {
                wallet_key: link.key,
                from_height: version.height,
                from_time: link.created_at.max(earliest).min(version.updated_at),
                end: None,
                wallet_address: link.address.clone(),
            });
        }
        self.previous_at = Some(version.updated_at);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn version(height: i64, at: i64, wallets: &[(u128, i64)]) -> VersionPart {
        let link = |&(key, created_at): &(u128, i64)| LinkPart {
            key: Uuid::from_u128(key),
            address: format!("w{key}"),
            created_at,
        };
        let links = wallets.iter().map(link).collect();
        VersionPart { height, created_at: 100, updated_at: at, links }
    }

    fn derive(versions: &[VersionPart]) -> Vec<Interval> {
        let mut fold = IntervalFold::default();
        for version in versions {
            fold.push(version.clone());
        }
        fold.finish()
    }

    /// (wallet, from height, from time, end).
    type Brief = (u128, i64, i64, Option<(i64, i64)>);

    fn brief(intervals: &[Interval]) -> Vec<Brief> {
        let parts = |i: &Interval| (i.wallet_key.as_u128(), i.from_height, i.from_time, i.end);
        intervals.iter().map(parts).collect()
    }

    #[test]
    fn links_begin_end_and_come_back() {
        let versions = [
            version(10, 200, &[(1, 150), (2, 50)]),
            version(20, 300, &[(1, 150)]),
            version(30, 400, &[(1, 150), (2, 50)]),
            version(40, 500, &[(2, 450)]),
        ];
        let expected = [
            // Dated back to 50: not before the identity's beginning.
            (1, 10, 150, Some((40, 500))),
            (2, 10, 100, Some((20, 300))),
            // Dated back again: not before the version that lacked it.
            (2, 30, 300, None),
        ];
        assert_eq!(brief(&derive(&versions)), expected);
        assert_eq!(brief(&derive(&versions[..1])), [(1, 10, 150, None), (2, 10, 100, None)]);
        assert_eq!(derive(&[]), []);
    }

    #[test]
    fn odd_times_are_put_right() {
        // A link from the future begins with its version; a clock that runs backwards ends an
        // interval where it began.
        let versions = [version(10, 200, &[(1, 9_999)]), version(20, 50, &[])];
        assert_eq!(brief(&derive(&versions)), [(1, 10, 200, Some((20, 200)))]);
    }

    #[test]
    fn within_a_block_the_last_version_counts() {
        let versions = [
            version(10, 200, &[(1, 150)]),
            version(20, 300, &[]),
            version(20, 310, &[(1, 150), (2, 305)]),
            version(20, 320, &[(1, 150)]),
        ];
        assert_eq!(brief(&derive(&versions)), [(1, 10, 150, None)]);
    }

    prop_compose! {
        fn any_versions()(steps in proptest::collection::vec(
            (0_i64..3, 0_i64..1000, proptest::collection::btree_map(0_u128..5, 0_i64..1000, 0..4)),
            0..12,
        )) -> Vec<VersionPart> {
            let mut height = 0;
            steps.into_iter().map(|(step, at, links)| {
                height += step;
                version(height, at, &links.into_iter().collect::<Vec<_>>())
            }).collect()
        }
    }

    proptest! {
        #[test]
        fn open_intervals_are_the_links_of_the_last_version(versions in any_versions()) {
            let intervals = derive(&versions);
            let open: Vec<_> =
                intervals.iter().filter(|i| i.end.is_none()).map(|i| i.wallet_key).collect();
            let mut linked: Vec<_> =
                versions.last().map_or(Vec::new(), |v| v.links.iter().map(|l| l.key).collect());
            linked.sort_unstable();
            prop_assert_eq!(open, linked);
            for interval in &intervals {
                let ends_after = interval
                    .end
                    .is_none_or(|(h, t)| h > interval.from_height && t >= interval.from_time);
                prop_assert!(ends_after);
            }
            let mut begun: Vec<_> =
                intervals.iter().map(|i| (i.wallet_key, i.from_height)).collect();
            begun.dedup();
            prop_assert_eq!(begun.len(), intervals.len());
        }

        #[test]
        fn a_later_block_leaves_the_past_alone(versions in any_versions(), cut in 0_usize..12) {
            let cut = cut.min(versions.len());
            let (early, late) = versions.split_at(cut);
            // A prefix that ends between two blocks.
            if let (Some(a), Some(b)) = (early.last(), late.first()) {
                prop_assume!(a.height != b.height);
            }
            let after = derive(&versions);
            for interval in derive(early) {
                let same = after.iter().find(|i| {
                    (i.wallet_key, i.from_height) == (interval.wallet_key, interval.from_height)
                });
                let same = same.unwrap();
                prop_assert_eq!(same.from_time, interval.from_time);
                prop_assert!(interval.end.is_none() || same.end == interval.end);
            }
        }
    }
}
