//! Who may see what belongs to an identity. The only place that decides it.
//!
//! A query that reads figures of an identity reads its visibility in the same statement and returns
//! [`Guarded`]; the value cannot be reached without naming a viewer. Whatever merely *names* people
//! (a proposer, a holder of an address, a line of a board) joins the view `public_identities`.

/// Visibility that lets everybody look, as stored.
const PUBLIC: &str = "public";

/// On whose behalf a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Nobody in particular. Owners and friends come with authentication.
    Anonymous,
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
    lock: Option<Closed>,
    value: T,
}

impl<T> Guarded<T> {
    /// Guards `value` with the `stats_visibility` read in the same statement; `None` where the
    /// identity is not in the registry. A visibility that is not known hides.
    pub(crate) fn new(visibility: Option<&str>, value: T) -> Self {
        let lock = match visibility {
            None => Some(Closed::Unknown),
            Some(PUBLIC) => None,
            Some(_) => Some(Closed::Hidden),
        };
        Self { lock, value }
    }

    /// The value, if `viewer` may see it.
    ///
    /// # Errors
    /// [`Closed`] says why not.
    pub fn open(self, viewer: Viewer) -> Result<T, Closed> {
        let Viewer::Anonymous = viewer;
        match self.lock {
            Some(closed) => Err(closed),
            None => Ok(self.value),
        }
    }

    /// Derives another value that stays under the same guard.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Guarded<U> {
        Guarded { lock: self.lock, value: change(self.value) }
    }

    /// Puts two values of one identity under the stricter of their guards.
    pub fn zip<U>(self, other: Guarded<U>) -> Guarded<(T, U)> {
        Guarded { lock: self.lock.or(other.lock), value: (self.value, other.value) }
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

    #[test]
    fn only_public_figures_are_shown() {
        let open = |visibility| Guarded::new(visibility, 7).open(Viewer::Anonymous);
        assert_eq!(open(Some("public")), Ok(7));
        for hidden in ["friends_only", "private", "", "Public", "something new"] {
            assert_eq!(open(Some(hidden)), Err(Closed::Hidden), "{hidden}");
        }
        assert_eq!(open(None), Err(Closed::Unknown));
    }

    #[test]
    fn what_is_derived_stays_guarded() {
        let hidden = Guarded::new(Some("private"), "secret").map(str::len);
        assert!(!format!("{hidden:?}").contains('6'));
        assert_eq!(hidden.open(Viewer::Anonymous), Err(Closed::Hidden));
        let one = Guarded::new(Some("public"), 1);
        let both = one.zip(Guarded::new(Some("private"), 2));
        assert_eq!(both.open(Viewer::Anonymous), Err(Closed::Hidden));
    }
}
