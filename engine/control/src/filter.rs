//! Which conflicts are meant, and how that is said in SQL.

use crate::error::Result;
use crate::kind::{ConflictKind, State};
use crate::statement::Statement;

/// Which conflicts are meant; conditions left out hold for all. The default is the newest hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this entity.
    pub entity: Option<String>,
    /// Only those about this field, group or `existence`.
    pub subject: Option<String>,
    /// Only those among whose claims is one of each of these sources: one name, or a pair.
    pub sources: Vec<String>,
    /// Only those of this kind.
    pub kind: Option<ConflictKind>,
    /// Only those that stand so.
    pub state: Option<State>,
    /// Only those raised first before this time, in microseconds UTC: older than.
    pub raised_before: Option<i64>,
    /// Only those raised first at this time or later: newer than.
    pub raised_since: Option<i64>,
    /// Only those in whose key this text is found, in upper or lower case. Several texts of a key
    /// are joined by spaces.
    pub key_text: Option<String>,
    /// In which order they are listed.
    pub order: Order,
    /// Only those listed after the conflict with this id, the last of the page before.
    pub after: Option<i64>,
    /// At most so many are listed.
    pub limit: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            entity: None,
            subject: None,
            sources: Vec::new(),
            kind: None,
            state: None,
            raised_before: None,
            raised_since: None,
            key_text: None,
            order: Order::NewestFirst,
            after: None,
            limit: 100,
        }
    }
}

/// In which order conflicts are listed: that in which they were raised first, which is that of
/// their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The last raised comes first.
    #[default]
    NewestFirst,
    /// The first raised comes first.
    OldestFirst,
}

impl Filter {
    /// Adds ` FROM … WHERE …` for all that are meant, whatever the page. The conflict is `c`.
    pub(crate) fn write_where(&self, statement: &mut Statement) -> Result<()> {
        self.write_from(statement)?;
        let texts = [
            ("c.entity = ", self.entity.as_deref()),
            ("c.subject = ", self.subject.as_deref()),
            ("c.kind = ", self.kind.map(ConflictKind::as_str)),
            ("c.state = ", self.state.map(State::as_str)),
        ];
        for (condition, text) in texts {
            if let Some(text) = text {
                statement.push(" AND ").push(condition).bind(text)?;
            }
        }
        let times =
            [("c.raised_at < ", self.raised_before), ("c.raised_at >= ", self.raised_since)];
        for (condition, time) in times {
            if let Some(time) = time {
                statement.push(" AND ").push(condition).bind(time)?;
            }
        }
        if let Some(text) = &self.key_text {
            statement.push(" AND c.key_search LIKE ").bind(pattern(text))?.push(" ESCAPE '!'");
        }
        Ok(())
    }

    /// Adds the page, ` AND … ORDER BY … LIMIT …`.
    pub(crate) fn write_page(&self, statement: &mut Statement) -> Result<()> {
        let (after, order) = match self.order {
            Order::NewestFirst => (" < ", " DESC"),
            Order::OldestFirst => (" > ", " ASC"),
        };
        let id = self.id_column();
        if let Some(last) = self.after {
            statement.push(" AND ").push(id).push(after).bind(last)?;
        }
        statement.push(" ORDER BY ").push(id).push(order);
        statement.push(" LIMIT ").bind(i64::from(self.limit))?;
        Ok(())
    }

    /// Between two sources, the index of the first is walked in the order of the page.
    fn write_from(&self, statement: &mut Statement) -> Result<()> {
        let Some((first, others)) = self.sources.split_first() else {
            statement.push(" FROM control_conflict c WHERE 1 = 1");
            return Ok(());
        };
        statement.push(" FROM control_conflict_source s JOIN control_conflict c");
        statement.push(" ON c.id = s.conflict_id WHERE s.source = ").bind(first.as_str())?;
        for other in others {
            statement
                .push(" AND EXISTS (SELECT 1 FROM control_conflict_source o WHERE o.source = ");
            statement.bind(other.as_str())?.push(" AND o.conflict_id = s.conflict_id)");
        }
        Ok(())
    }

    fn id_column(&self) -> &'static str {
        if self.sources.is_empty() { "c.id" } else { "s.conflict_id" }
    }
}

/// What `LIKE` finds the text with, anywhere.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn signs_of_a_pattern_are_looked_for_as_they_are() {
        assert_eq!(pattern("50%_Ä!"), "%50!%!_ä!!%");
    }
}
