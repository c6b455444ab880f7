//! Validators: what the node lists now replaces what is stored.

use std::collections::BTreeMap;

use silica_models::{AddressKey, Validator};
use sqlx::PgConnection;
use uuid::Uuid;

use super::clean;
use crate::StoreError;

/// Makes the stored validators those given.
pub(super) async fn write_validators(
    db: &mut PgConnection,
    validators: &[Validator],
    height: i64,
) -> Result<(), StoreError> {
    let latest: BTreeMap<AddressKey, &Validator> =
        validators.iter().map(|v| (v.address.key(), v)).collect();
    let keys: Vec<Uuid> = latest.keys().map(|key| key.to_uuid()).collect();
    let rows = || latest.values();
    let texts = |text: fn(&Validator) -> Option<&String>| -> Vec<Option<String>> {
        rows().map(|v| text(v).map(|t| clean(t))).collect()
    };
    let addresses: Vec<&str> = rows().map(|v| v.address.as_str()).collect();
    let stakes: Vec<String> = rows().map(|v| v.stake.to_string()).collect();
    let active: Vec<bool> = rows().map(|v| v.is_active).collect();
    let commissions: Vec<Option<i32>> = rows().map(|v| v.commission_rate).collect();
    let reputations: Vec<Option<i32>> = rows().map(|v| v.reputation_score).collect();
    let delegated: Vec<Option<String>> =
        rows().map(|v| v.total_delegated.map(|t| t.to_string())).collect();
    let delegators: Vec<Option<i64>> = rows().map(|v| v.delegator_count).collect();
    sqlx::query!("DELETE FROM validators WHERE address_key <> ALL($1)", &keys)
        .execute(&mut *db)
        .await?;
    sqlx::query!(
        "INSERT INTO validators AS v (address_key, address, public_key, network_key, stake,
             is_active, commission_rate, reputation_score, last_activity, total_delegated,
             delegator_count, height)
         SELECT k, address, public_key, network_key, stake::numeric, is_active, commission,
                reputation, last_activity, delegated::numeric, delegators, $12
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[],
                     $7::integer[], $8::integer[], $9::text[], $10::text[], $11::bigint[])
             AS t(k, address, public_key, network_key, stake, is_active, commission, reputation,
                  last_activity, delegated, delegators)
         ON CONFLICT (address_key) DO UPDATE SET
             address = EXCLUDED.address, public_key = EXCLUDED.public_key,
             network_key = EXCLUDED.network_key, stake = EXCLUDED.stake,
             is_active = EXCLUDED.is_active, commission_rate = EXCLUDED.commission_rate,
             reputation_score = EXCLUDED.reputation_score,
             last_activity = EXCLUDED.last_activity, total_delegated = EXCLUDED.total_delegated,
             delegator_count = EXCLUDED.delegator_count, height = EXCLUDED.height",
        &keys,
        &addresses as &[&str],
        &texts(|v| v.public_key.as_ref()) as &[Option<String>],
        &texts(|v| v.network_key.as_ref()) as &[Option<String>],
        &stakes,
        &active,
        &commissions as &[Option<i32>],
        &reputations as &[Option<i32>],
        &texts(|v| v.last_activity.as_ref()) as &[Option<String>],
        &delegated as &[Option<String>],
        &delegators as &[Option<i64>],
        height
    )
    .execute(db)
    .await?;
    Ok(())
}
