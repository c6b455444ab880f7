//! Reads of identities walk their indexes, with 50 000 of them.

use chert_store::Store;
use chert_store::entities::identity::search::{Place, Tier, list_named};
use chert_store::entities::identity::{query, stats};
use chert_store::entities::{address, counter};
use silica_models::{Address, IdentityId};

use crate::plans::{Expect, Plans, check, with_plans};
use crate::support::{fill, run_sql};

/// Tables that no read may scan.
const TABLES: [&str; 4] = ["identities", "wallet_links", "social_connections", "identity_versions"];
/// Every name holds `miner`, one in a hundred `falcon`, one is `zoë xylophone`.
const FILL: &str = "
    INSERT INTO identities
    SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), name, NULL, NULL,
           CASE WHEN n % 3 = 0 THEN 'private' ELSE 'public' END, 1, 1, 1, 1, 1,
           chert_name_fold(name)
    FROM (SELECT n, CASE WHEN n = 77 THEN 'Zoë Xylophone'
                    WHEN n % 100 = 1 THEN 'falcon ' || n || ' miner'
                    ELSE 'rig ' || n || ' miner' END AS name
          FROM generate_series(1, 50000) n) x;
    INSERT INTO wallet_links
    SELECT identity_id, 'w' || encode(identity_id, 'hex'),
           chert_address_key('w' || encode(identity_id, 'hex')), 'main', '', 1, NULL, 1
    FROM identities;
    INSERT INTO social_connections
    SELECT a.identity_id, b.identity_id, 1
    FROM (SELECT identity_id FROM identities ORDER BY 1 LIMIT 100) a,
         (SELECT identity_id FROM identities ORDER BY 1 LIMIT 100) b";

#[tokio::test]
async fn reads_of_identities_walk_their_indexes() {
    let fill_all = async |pool| {
        fill(&pool, 0, 3, 1).await;
        run_sql(&pool, FILL).await;
    };
    with_plans(fill_all, check_all).await;
}

async fn check_all(plans: &Plans, store: &Store) {
    let db = store.pool();
    let expect =
        |name, indexes| Expect { name, indexes, tables: &TABLES, sort: false, rows_max: 250 };
    let id = IdentityId::parse(&format!("{:064x}", 77)).unwrap();
    let wallet = Address::parse(&format!("w{id}")).unwrap();

    let by = expect("profile", &["identities_pkey", "social_connections_"]);
    check(plans, &by, query::find_profile(db, &id)).await;
    let by = Expect { sort: true, ..expect("wallets", &["identities_pkey", "wallet_links_pkey"]) };
    check(plans, &by, query::list_wallets(store, &id, None, 0, 51)).await;
    let by = expect("link", &["identities_pkey", "wallet_links_"]);
    check(plans, &by, query::find_link(db, &id, wallet.key())).await;
    let by = expect("holder", &["wallet_links_key", "identities_pkey"]);
    check(plans, &by, address::query::get_address_summary(db, &wallet)).await;
    let by = Expect { sort: true, ..expect("figures", &["identities_pkey"]) };
    check(plans, &by, stats::get_identity_figures(store, &id, 0)).await;

    let by = Expect { sort: true, ..expect("name in search", &["identities_name_prefix"]) };
    let terms = counter::query::SearchTerms {
        name: Some("rig".to_owned()),
        identity_id: Some(id),
        ..Default::default()
    };
    check(plans, &by, counter::query::list_search_hits(db, &terms)).await;

    let by = expect("prefix", &["identities_name_prefix"]);
    check(plans, &by, list_named(store, "rig", None, 51)).await;
    let place = |tier| Place { tier, name: "rig 3".to_owned(), identity_id: vec![0; 32] };
    check(plans, &by, list_named(store, "rig", Some(place(Tier::Prefix)), 101)).await;
    // The whole page after the last that begins with it: nothing else is like it.
    let parts = |name, rows_max| Expect {
        name,
        indexes: &["identities_name_prefix", "identities_name_trigram"],
        sort: true,
        tables: &TABLES,
        rows_max,
    };
    let by = parts("rare part", 2_000);
    check(plans, &by, list_named(store, "xyloph", None, 51)).await;
    check(plans, &by, list_named(store, "xilophone", None, 51)).await;
    check(plans, &by, list_named(store, "xy", None, 51)).await;
    let by = parts("some hundreds", 2_000);
    check(plans, &by, list_named(store, "alcon", None, 51)).await;
    // Everything holds it: the names are walked in order after 5 001 were counted, which a scan
    // that stops there may do as well.
    let indexes = &["identities_name_prefix"];
    let by = Expect { tables: &[], indexes, ..parts("frequent part", 50_000) };
    check(plans, &by, list_named(store, "mine", None, 51)).await;
    // Only likeness is left, and there a thousand are enough.
    let by = Expect { indexes: &["identities_name_trigram"], ..parts("like", 50_000) };
    check(plans, &by, list_named(store, "minner", Some(place(Tier::Like)), 51)).await;
}
