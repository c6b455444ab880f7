//! Pages against a real database, and random lives compared with a rebuild.

mod merging;
mod pages;
mod property;
mod world;

use crate::entities::ApplyContext;

fn context() -> ApplyContext {
    ApplyContext { bulk: false, follow: true, now_s: world::START_S }
}
