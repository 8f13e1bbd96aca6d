//! What two looks at a key, with all that was read in between applied, come to. Pure.
//!
//! ```text
//!  look:   target ─▶ expected      then all changes up to there are applied      next look
//! ```
//!
//! A target row that is the same write in both looks was not written in between. What was expected at the first look
//! was applied by the second: had a change made it so, it would be what was expected. So a difference is damage.

use syncline_postgres::Found;

/// What one look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// The target's row; read first.
    pub(crate) there: Option<Found>,
    /// The hash of what the mapping says; none where it says no such row.
    pub(crate) said: Option<u64>,
}

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Damage {
    /// The row is not there.
    Missing,
    /// No mapping says the row.
    Extra,
    /// The row is another.
    Different,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It is what the mapping says.
    Well,
    /// It is not.
    Damaged(Damage),
    /// It moved: it has to be looked at again.
    Moved,
}

/// Judges a key of a mapping by two looks that follow one another.
pub(crate) fn judge(mapping: usize, before: &Look, now: &Look) -> Judged {
    let hash = |found: &Found| found.hashes.get(mapping).copied();
    match (now.said, &now.there) {
        (None, None) => return Judged::Well,
        (Some(said), Some(there)) if hash(there) == Some(said) => return Judged::Well,
        _ => {}
    }
    let same_write = match (&before.there, &now.there) {
        (None, None) => true,
        (Some(before), Some(now)) => before.version == now.version,
        _ => false,
    };
    if !same_write || before.said != now.said {
        return Judged::Moved;
    }
    match (now.said, &now.there) {
        (Some(_), None) => Judged::Damaged(Damage::Missing),
        (None, _) => Judged::Damaged(Damage::Extra),
        (Some(_), Some(_)) => Judged::Damaged(Damage::Different),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(there: Option<(u64, &str)>, said: Option<u64>) -> Look {
        let found = |(hash, version): (u64, &str)| Found {
            hashes: vec![hash],
            version: version.into(),
            key: String::new(),
        };
        Look { there: there.map(found), said }
    }

    #[test]
    fn what_stays_wrong_is_damage() {
        let judged = |before, now| judge(0, &before, &now);
        let missing = || look(None, Some(1));
        assert_eq!(judged(missing(), missing()), Judged::Damaged(Damage::Missing));
        let extra = || look(Some((1, "v")), None);
        assert_eq!(judged(extra(), extra()), Judged::Damaged(Damage::Extra));
        let different = || look(Some((2, "v")), Some(1));
        assert_eq!(judged(different(), different()), Judged::Damaged(Damage::Different));
    }

    #[test]
    fn what_moves_is_looked_at_again() {
        let judged = |before, now| judge(0, &before, &now);
        // Written in between, on either side; or it came and went.
        let moved = [
            (look(Some((2, "v")), Some(1)), look(Some((2, "w")), Some(1))),
            (look(Some((2, "v")), Some(1)), look(Some((2, "v")), Some(3))),
            (look(None, Some(1)), look(Some((2, "v")), Some(1))),
            (look(Some((2, "v")), None), look(Some((2, "w")), None)),
            (look(Some((2, "v")), Some(1)), look(None, Some(1))),
        ];
        assert!(moved.into_iter().all(|(before, now)| judged(before, now) == Judged::Moved));
    }

    #[test]
    fn what_came_right_is_well() {
        let judged = |before, now| judge(0, &before, &now);
        assert_eq!(judged(look(None, Some(1)), look(Some((1, "v")), Some(1))), Judged::Well);
        assert_eq!(judged(look(Some((1, "v")), None), look(None, None)), Judged::Well);
    }
}
