//! One bucket of both sides: what differs. Pure.

use super::buckets::Record;

/// A key on which the sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The key in the target.
    pub(crate) key: Vec<u8>,
    /// The mapping that says something of it; the first where none does.
    pub(crate) mapping: usize,
    /// What its source row is asked for by; empty where no mapping says the key.
    pub(crate) origin: Vec<u8>,
    /// Whether a mapping says the key.
    pub(crate) is_said: bool,
    /// Whether the mappings don't agree on what is right.
    pub(crate) is_ambiguous: bool,
}

/// Tells the keys on which what `mappings` mappings say differs from what is there.
pub(crate) fn compare<'a>(
    mut said: Vec<Record<'a>>,
    mut there: Vec<Record<'a>>,
    mappings: usize,
    candidates: &mut Vec<Candidate>,
) {
    said.sort_unstable();
    there.sort_unstable();
    let mut said = said.chunk_by(|a, b| a.key == b.key).peekable();
    let mut there = there.chunk_by(|a, b| a.key == b.key).peekable();
    loop {
        let (of_said, of_there) =
            (said.peek().map(|it| it[0].key), there.peek().map(|it| it[0].key));
        let (says, holds) = match (of_said, of_there) {
            (None, None) => return,
            (Some(_), None) => (said.next(), None),
            (None, Some(_)) => (None, there.next()),
            (Some(a), Some(b)) => (said.next_if(|_| a <= b), there.next_if(|_| b <= a)),
        };
        let (says, holds) = (says.unwrap_or_default(), holds.unwrap_or_default());
        compare_key(says, holds, mappings, candidates);
    }
}

/// All that is said of one key, and all that it holds.
fn compare_key(
    said: &[Record<'_>],
    there: &[Record<'_>],
    mappings: usize,
    candidates: &mut Vec<Candidate>,
) {
    let candidate = |record: &Record<'_>, is_ambiguous| Candidate {
        key: record.key.to_vec(),
        mapping: usize::from(record.mapping),
        origin: record.origin.to_vec(),
        is_said: !said.is_empty(),
        is_ambiguous,
    };
    let Some(first) = said.first() else {
        candidates.extend(there.first().map(|record| candidate(record, false)));
        return;
    };
    let by_mapping = || said.chunk_by(|a, b| a.mapping == b.mapping);
    if there.is_empty() {
        // Whoever deletes a row takes the columns of all mappings with it.
        candidates.push(candidate(first, by_mapping().count() < mappings));
        return;
    }
    for of_mapping in by_mapping() {
        let Some(record) = of_mapping.first() else { continue };
        let held = there.iter().find(|it| it.mapping == record.mapping);
        let is_held = held.is_some_and(|held| of_mapping.iter().any(|it| it.hash == held.hash));
        if !is_held {
            // Two source rows with one key: the later wins, and nobody can tell which that was.
            candidates.push(candidate(record, of_mapping.len() > 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &'static str, mapping: u16, hash: u64) -> Record<'static> {
        Record { key: key.as_bytes(), mapping, hash, origin: b"" }
    }

    /// The keys that differ: with `+` where no mapping says them, `?` where it can't be told.
    fn differing(
        said: &[Record<'static>],
        there: &[Record<'static>],
        mappings: usize,
    ) -> Vec<String> {
        let mut candidates = Vec::new();
        compare(said.to_vec(), there.to_vec(), mappings, &mut candidates);
        let told = candidates.iter().map(|it| {
            let key = String::from_utf8(it.key.clone()).unwrap();
            let mark = match (it.is_said, it.is_ambiguous) {
                (false, _) => "+",
                (true, true) => "?",
                (true, false) => "",
            };
            format!("{mark}{key}{}", if it.mapping > 0 { "'" } else { "" })
        });
        told.collect()
    }

    #[test]
    fn rows_that_lack_are_surplus_or_differ_are_told() {
        let said = [record("c", 0, 3), record("a", 0, 1), record("b", 0, 2), record("e", 0, 5)];
        let there = [record("d", 0, 4), record("b", 0, 9), record("a", 0, 1), record("e", 0, 5)];
        assert_eq!(differing(&said, &there, 1), ["b", "c", "+d"]);
        assert_eq!(differing(&said, &said, 1), [""; 0]);
        assert_eq!(differing(&[], &there, 1).len(), 4);
        assert_eq!(differing(&said, &[], 1).len(), 4);
    }

    #[test]
    fn of_two_rows_with_one_key_either_may_be_there_and_what_is_right_otherwise_is_not_known() {
        let said = [record("a", 0, 1), record("a", 0, 2)];
        assert_eq!(differing(&said, &[record("a", 0, 2)], 1), [""; 0]);
        assert_eq!(differing(&said, &[record("a", 0, 3)], 1), ["?a"]);
        assert_eq!(differing(&said, &[], 1), ["a"]);
    }

    #[test]
    fn each_of_two_mappings_is_held_to_what_it_writes() {
        let there = [record("a", 0, 1), record("a", 1, 2), record("b", 0, 3), record("b", 1, 4)];
        let said = [record("a", 0, 1), record("a", 1, 7), record("b", 0, 3)];
        assert_eq!(differing(&said, &there, 2), ["a'"]);
        // A row that only one of them says may have gone with a delete of the other.
        assert_eq!(differing(&said, &[], 2), ["a", "?b"]);
    }
}
