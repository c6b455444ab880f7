//! Who may see what belongs to an identity. The only place that decides it.
//!
//! A query that reads figures of an identity reads its visibility in the same statement and returns
//! [`Guarded`]; the value cannot be reached without naming a viewer. Whatever merely *names* people
//! (a proposer, a holder of an address, a line of a board) joins the view `public_identities`; making
//! boards leaves out its complement, `hidden_identities`.

use silica_models::IdentityId;

/// Visibility that lets everybody look, as stored.
const PUBLIC: &str = "public";

/// On whose behalf a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Nobody in particular.
    Anonymous,
    /// The holder of an account's key.
    Account {
        /// The identity that links the account, where exactly one does. It sees its own figures
        /// whatever it shows to others.
        identity: Option<IdentityId>,
    },
}

impl Viewer {
    /// Whether the name of `owner` may be shown beside something it did; `public` is what
    /// `public_identities` says.
    pub fn sees(self, owner: &IdentityId, public: bool) -> bool {
        public || self.is(owner)
    }

    /// Whether this is the identity itself.
    fn is(self, owner: &IdentityId) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Account { identity } => identity.as_ref() == Some(owner),
        }
    }
}

/// Why a value is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// There is no such identity.
    #[error("the identity is not in the registry")]
    Unknown,
    /// The identity does not show it to this viewer.
    #[error("the identity does not show this")]
    Hidden,
}

/// A value that belongs to an identity and is shown only to whom the identity lets see it.
///
/// It can neither be printed nor serialised.
#[must_use]
pub struct Guarded<T> {
    owner: IdentityId,
    lock: Option<Closed>,
    value: T,
}

impl<T> Guarded<T> {
    /// Guards a value of `owner` with the `stats_visibility` read in the same statement; `None`
    /// where the identity is not in the registry. A visibility that is not known hides.
    pub(crate) fn new(owner: &IdentityId, visibility: Option<&str>, value: T) -> Self {
        let lock = match visibility {
            None => Some(Closed::Unknown),
            Some(PUBLIC) => None,
            Some(_) => Some(Closed::Hidden),
        };
        Self { owner: *owner, lock, value }
    }

    /// The value, if `viewer` may see it.
    ///
    /// # Errors
    /// [`Closed`] says why not.
    pub fn open(self, viewer: Viewer) -> Result<T, Closed> {
        match self.lock {
            None => Ok(self.value),
            Some(Closed::Hidden) if viewer.is(&self.owner) => Ok(self.value),
            Some(closed) => Err(closed),
        }
    }

    /// Derives another value that stays under the same guard.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Guarded<U> {
        Guarded { owner: self.owner, lock: self.lock, value: change(self.value) }
    }

    /// Puts two values of one identity under the stricter of their guards. Values of two identities
    /// have no common owner: together they are shown to nobody.
    pub fn zip<U>(self, other: Guarded<U>) -> Guarded<(T, U)> {
        let same = self.owner == other.owner;
        let lock = if same { self.lock.or(other.lock) } else { Some(Closed::Unknown) };
        Guarded { owner: self.owner, lock, value: (self.value, other.value) }
    }
}

impl<T> std::fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("lock", &self.lock).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: IdentityId = IdentityId([1; 32]);
    const OTHER: IdentityId = IdentityId([2; 32]);
    const HIDDEN: [&str; 5] = ["friends_only", "private", "", "Public", "something new"];

    #[test]
    fn only_public_figures_are_shown() {
        for viewer in [
            Viewer::Anonymous,
            Viewer::Account { identity: None },
            Viewer::Account { identity: Some(OTHER) },
        ] {
            let open = |visibility| Guarded::new(&OWNER, visibility, 7).open(viewer);
            assert_eq!(open(Some("public")), Ok(7));
            for hidden in HIDDEN {
                assert_eq!(open(Some(hidden)), Err(Closed::Hidden), "{hidden}");
            }
            assert_eq!(open(None), Err(Closed::Unknown));
        }
    }

    #[test]
    fn the_owner_sees_what_it_hides() {
        let owner = Viewer::Account { identity: Some(OWNER) };
        for hidden in HIDDEN {
            assert_eq!(Guarded::new(&OWNER, Some(hidden), 7).open(owner), Ok(7), "{hidden}");
        }
        assert_eq!(Guarded::new(&OWNER, None, 7).open(owner), Err(Closed::Unknown));
    }

    #[test]
    fn what_is_derived_stays_guarded() {
        let hidden = Guarded::new(&OWNER, Some("private"), "secret").map(str::len);
        assert!(!format!("{hidden:?}").contains('6'));
        assert_eq!(hidden.open(Viewer::Anonymous), Err(Closed::Hidden));
        let one = Guarded::new(&OWNER, Some("public"), 1);
        let both = one.zip(Guarded::new(&OWNER, Some("private"), 2));
        assert_eq!(both.open(Viewer::Anonymous), Err(Closed::Hidden));
        let mixed = Guarded::new(&OWNER, Some("private"), 1);
        let mixed = mixed.zip(Guarded::new(&OTHER, Some("private"), 2));
        let owner = Viewer::Account { identity: Some(OWNER) };
        assert_eq!(mixed.open(owner), Err(Closed::Unknown));
    }
}
