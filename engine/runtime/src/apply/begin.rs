//! Where a lane begins: a pure decision on what its target and the log know.

use syncline_core::Offset;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Here: nothing before it is missing at the target, or it is copied again behind it.
    At(Offset),
    /// Here, if the log still has it: the target lost what the log was told it had.
    Back(Offset),
    /// At the end, with everything copied again: nobody knows what the target has.
    CopyAgain,
    /// The target has seen what is not in the log.
    Ahead(Offset),
}

/// Decides. `known` is what the target says of this log, `registered` what the log was told, `began`
/// where the lane was registered first, and everything before was copied again.
pub(super) fn begin(
    known: Option<Offset>,
    registered: Offset,
    began: Option<Offset>,
    tail: Offset,
) -> Begin {
    match known {
        Some(next) if next > tail => Begin::Ahead(next),
        Some(next) if next >= registered => Begin::At(next),
        Some(next) => Begin::Back(next),
        None if began == Some(registered) => Begin::At(registered),
        None => Begin::CopyAgain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(known: Option<u64>, registered: u64, began: Option<u64>) -> Begin {
        let tail = Offset(100);
        begin(known.map(Offset), Offset(registered), began.map(Offset), tail)
    }

    #[test]
    fn a_target_that_knows_this_log_goes_on_where_it_is() {
        assert_eq!(at(Some(70), 60, Some(0)), Begin::At(Offset(70)));
        assert_eq!(at(Some(100), 100, None), Begin::At(Offset(100)));
    }

    #[test]
    fn a_target_that_fell_back_is_read_from_there() {
        assert_eq!(at(Some(50), 60, Some(0)), Begin::Back(Offset(50)));
    }

    #[test]
    fn a_new_lane_begins_where_it_was_registered() {
        assert_eq!(at(None, 40, Some(40)), Begin::At(Offset(40)));
        assert_eq!(at(None, 0, Some(0)), Begin::At(Offset(0)));
    }

    #[test]
    fn a_target_that_forgot_gets_everything_again() {
        assert_eq!(at(None, 60, Some(40)), Begin::CopyAgain);
        assert_eq!(at(None, 60, None), Begin::CopyAgain);
    }

    #[test]
    fn a_target_ahead_of_the_log_is_told() {
        assert_eq!(at(Some(101), 60, Some(0)), Begin::Ahead(Offset(101)));
    }
}
