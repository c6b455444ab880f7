//! Indexes taken off a table for the time of loading: building them at once afterwards is much
//! faster, and gives an index like one that has been vacuumed.

use sqlx::PgConnection;

use crate::postgres::execute;

/// Indexes that are not there at the moment, as the statements that make them again.
#[must_use]
pub(in crate::people) struct Shelved(Vec<String>);

impl Shelved {
    /// Takes all indexes off the tables, primary keys included.
    pub(in crate::people) async fn take(
        db: &mut PgConnection,
        tables: &[&str],
    ) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for table in tables {
            all.extend(take(db, table, true).await?);
        }
        Ok(Self(all))
    }

    /// Takes the indexes off a table that no constraint needs.
    pub(in crate::people) async fn take_secondary(
        db: &mut PgConnection,
        table: &str,
    ) -> anyhow::Result<Self> {
        Ok(Self(take(db, table, false).await?))
    }

    /// Makes them again.
    pub(in crate::people) async fn put_back(self, db: &mut PgConnection) -> anyhow::Result<()> {
        for statement in self.0 {
            execute(db, statement).await?;
        }
        Ok(())
    }
}

/// Gives the statements that make the dropped indexes again.
async fn take(db: &mut PgConnection, table: &str, keys: bool) -> anyhow::Result<Vec<String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT CASE WHEN k.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass)
                     ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, k.conname)
                END,
                CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
                     ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass,
                                 k.conname, pg_get_constraintdef(k.oid))
                END
         FROM pg_index i
         LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
         WHERE i.indrelid = $1::text::regclass AND ($2 OR k.oid IS NULL)
         ORDER BY k.oid IS NULL, i.indexrelid",
    )
    .bind(table)
    .bind(keys)
    .fetch_all(&mut *db)
    .await?;
    let mut again = Vec::with_capacity(rows.len());
    for (drop, make) in rows {
        execute(db, drop).await?;
        again.push(make);
    }
    Ok(again)
}
