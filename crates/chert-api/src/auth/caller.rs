//! Who asks: the account behind a key, and the identity that holds the account.

use axum::http::Extensions;
use chert_store::privacy::Viewer;
use silica_models::{Address, IdentityId};

/// The signer of a request. In the request's extensions where the request was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account that its key stands for.
    pub account: Address,
    /// The identity that links the account, where exactly one does.
    pub identity: Option<IdentityId>,
}

impl Caller {
    /// On whose behalf a request reads; nobody's where it was not signed.
    pub fn viewer(extensions: &Extensions) -> Viewer {
        match extensions.get::<Self>() {
            Some(caller) => Viewer::Account { identity: caller.identity },
            None => Viewer::Anonymous,
        }
    }
}
