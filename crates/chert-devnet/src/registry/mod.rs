//! The identity registry (§2.11): which records change at which block.
//!
//! All of it follows from (seed, height, branch): nothing is stored, and a reorg changes the
//! updates of the blocks it replaces. Members are created over the first blocks and change again
//! and again; newcomers exist on one branch only.

mod names;
mod record;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chain::Chain;
use crate::profile::Profile;
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::view::View;

const UPDATES_DOMAIN: u64 = 0x7570_6461;
/// A newcomer in each slot of this many.
const NEWCOMER_EVERY: u64 = 16;
/// Members of such a number never say which version of their profile a record is.
const VERSIONLESS: (u64, u64) = (8, 5);

/// How many identities there are, and how often they change.
#[derive(Clone, Copy, Debug)]
struct People {
    members: u64,
    /// Members are created so many at a time,
    at_once: u64,
    /// every so many blocks.
    spacing: u64,
    updates: Schedule,
    /// Wallets are linked or not for whole multiples of this many blocks.
    link_blocks: u64,
}

impl People {
    fn of(profile: Profile) -> People {
        match profile.is_small() {
            true => People {
                members: 8,
                at_once: 1,
                spacing: 2,
                updates: Schedule { every: 2, dense: 2000, sparse: 32 },
                link_blocks: 40,
            },
            false => People {
                members: 200,
                at_once: 2,
                spacing: 1,
                updates: Schedule { every: 8, dense: 2000, sparse: 128 },
                link_blocks: 3000,
            },
        }
    }

    /// Height of the block that creates a member; at least 1.
    fn birth(&self, member: u64) -> u64 {
        1 + member / self.at_once * self.spacing
    }

    fn born_at(&self, height: u64) -> std::ops::Range<u64> {
        match height.checked_sub(1) {
            Some(since) if since % self.spacing == 0 => {
                let first = since / self.spacing * self.at_once;
                first.min(self.members)..(first + self.at_once).min(self.members)
            }
            _ => 0..0,
        }
    }

    /// The lowest height from this one on at which something happens.
    fn next_height(&self, height: u64) -> u64 {
        if height <= self.birth(self.members.saturating_sub(1)) {
            return height.max(1);
        }
        self.updates.next_height(height)
    }
}

/// Whose record an update is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Member(u64),
    /// Created in this slot's block, and known on its branch only.
    Newcomer,
    /// A record that no reader understands.
    Odd,
}

/// One update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Update {
    who: Who,
    height: u64,
    salt: u64,
    profile_version: Option<u64>,
}

impl Chain {
    /// The truth: the newest record of every identity, exactly as on the wire, in the order of
    /// their last change. Records that cannot be understood are left out.
    pub fn identities(&self) -> Vec<Value> {
        let view = self.view(0);
        let people = People::of(view.recipe.profile);
        let mut newest = BTreeMap::new();
        for_each_update(&view, &people, 0, view.tip, |update| {
            let key = match update.who {
                Who::Odd => return,
                Who::Member(number) => (0, number),
                Who::Newcomer => (1, update.height),
            };
            newest.insert(key, update);
        });
        let mut newest: Vec<Update> = newest.into_values().collect();
        newest.sort_by_key(|update| update.height);
        newest.into_iter().map(|update| record::write(&view, &people, update)).collect()
    }

    /// All updates of these blocks, both ends included, oldest first, exactly as on the wire;
    /// those that cannot be understood included.
    pub fn identity_updates(&self, from: u64, to: u64) -> Vec<Value> {
        let view = self.view(0);
        let people = People::of(view.recipe.profile);
        let mut updates = Vec::new();
        for_each_update(&view, &people, from, to.min(view.tip), |update| {
            updates.push(record::write(&view, &people, update));
        });
        updates
    }

    /// Whole blocks of updates from a height on, as many as fit; of the first block with updates
    /// as much as fits. The height is the last that is wholly covered, or that was begun.
    pub(crate) fn registry_page(&self, request: &RegistryRequest) -> (u64, Vec<Value>) {
        let view = self.view(request.lag);
        let people = People::of(view.recipe.profile);
        let mut page = Vec::new();
        let mut covered = view.tip;
        let mut height = people.next_height(request.from);
        while height <= view.tip {
            let mut block = updates_at(&view, &people, height);
            let room = request.limit - page.len();
            if block.len() > room {
                covered = height;
                match page.is_empty() || request.split {
                    true => block.truncate(room),
                    false => {
                        block.clear();
                        covered -= 1;
                    }
                }
            }
            page.extend(block);
            if covered < view.tip {
                break;
            }
            height = people.next_height(height + 1);
        }
        (covered, page.into_iter().map(|update| record::write(&view, &people, update)).collect())
    }
}

/// A page of `identity_registryUpdates`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistryRequest {
    pub(crate) from: u64,
    /// At least 1.
    pub(crate) limit: usize,
    /// Fill the page to the limit, wherever in a block that is.
    pub(crate) split: bool,
    pub(crate) lag: u64,
}

fn for_each_update(
    view: &View<'_>,
    people: &People,
    from: u64,
    to: u64,
    mut visit: impl FnMut(Update),
) {
    let mut height = people.next_height(from);
    while height <= to {
        updates_at(view, people, height).into_iter().for_each(&mut visit);
        height = people.next_height(height + 1);
    }
}

/// What one block changes, in its order.
fn updates_at(view: &View<'_>, people: &People, height: u64) -> Vec<Update> {
    let salt = view.salt(height);
    let update = |who, profile_version| Update { who, height, salt, profile_version };
    let version =
        |member: u64, version: u64| (member % VERSIONLESS.0 != VERSIONLESS.1).then_some(version);
    let mut updates: Vec<Update> = people
        .born_at(height)
        .map(|member| update(Who::Member(member), version(member, 1)))
        .collect();
    let Some(slot) = people.updates.slot_at(height) else { return updates };
    let key = view.recipe.key;
    let rng = &mut Rng::new(&[key, UPDATES_DOMAIN, height, salt]);
    if view.recipe.profile.odd_records && rng.one_in(12) {
        updates.push(update(Who::Odd, None));
    }
    let mut changed = Vec::new();
    // A few identities change much more often than most.
    for _ in 0..rng.below(4) {
        let among = if rng.one_in(3) { people.members.min(5) } else { people.members };
        let member = rng.below(among);
        let twice = rng.one_in(6);
        if people.birth(member) >= height || changed.contains(&member) {
            continue;
        }
        changed.push(member);
        let first = 2 * (slot - people.updates.last_at(people.birth(member)));
        updates.push(update(Who::Member(member), version(member, first)));
        if twice && version(member, first).is_some() {
            updates.push(update(Who::Member(member), Some(first + 1)));
        }
    }
    if slot % NEWCOMER_EVERY == 5 {
        updates.push(update(Who::Newcomer, Some(1)));
    }
    updates
}
