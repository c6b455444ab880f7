//! The server that the databases of the tests are on.

use std::sync::{Arc, Weak};

use chert_postgres::TemporaryPostgres;
use tokio::sync::Mutex;

/// Names the maintenance database of a running cluster, as a superuser.
pub const ADMIN_URL_VARIABLE: &str = "CHERT_TEST_DATABASE_URL";

/// Connections of the server that a test process starts for itself.
const CONNECTIONS_MAX: u32 = 200;

/// Held weakly, so that the last test of the process stops the server and deletes its data: a
/// static would never be dropped.
static OWN: Mutex<Weak<TemporaryPostgres>> = Mutex::const_new(Weak::new());

/// The server of this test run.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// Keeps our own server running; `None` when the runner owns it.
    _own: Option<Arc<TemporaryPostgres>>,
    /// URL of the maintenance database.
    pub(crate) admin_url: String,
}

impl Cluster {
    pub(crate) async fn get() -> anyhow::Result<Self> {
        if let Ok(admin_url) = std::env::var(ADMIN_URL_VARIABLE) {
            return Ok(Self { _own: None, admin_url });
        }
        let mut slot = OWN.lock().await;
        let server = match slot.upgrade() {
            Some(server) => server,
            None => {
                let server = Arc::new(TemporaryPostgres::start(CONNECTIONS_MAX).await?);
                *slot = Arc::downgrade(&server);
                server
            }
        };
        Ok(Self { admin_url: server.url("postgres"), _own: Some(server) })
    }

    /// The URL of another database of this cluster, with the parameters of the admin URL.
    pub(crate) fn url_of(&self, database: &str) -> String {
        let (base, parameters) = match self.admin_url.split_once('?') {
            Some((base, parameters)) => (base, format!("?{parameters}")),
            None => (self.admin_url.as_str(), String::new()),
        };
        let authority_start = base.find("://").map_or(0, |at| at + 3);
        let end = base[authority_start..].find('/').map_or(base.len(), |at| authority_start + at);
        format!("{}/{database}{parameters}", &base[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::Cluster;

    #[test]
    fn url_of_replaces_only_the_database() {
        for (admin_url, expected) in [
            ("postgres://u:p@h:1/postgres", "postgres://u:p@h:1/x"),
            ("postgres://u@h", "postgres://u@h/x"),
            ("postgres://u@h:1/postgres?sslmode=disable", "postgres://u@h:1/x?sslmode=disable"),
        ] {
            let cluster = Cluster { _own: None, admin_url: admin_url.to_owned() };
            assert_eq!(cluster.url_of("x"), expected);
        }
    }
}
