//! Fields that are computed: an expression over what the sources say, a column a source.
//!
//! What many keys need is computed at once, and known until it is computed for others. What is asked for
//! beside that is computed by itself, which comes to the same.

use super::agreed::moments;
use super::compiled::{Compiled, CompiledUnit};
use super::word::{Word, words};
use crate::cells::{Cells, array};
use crate::claims::Claims;
use crate::{ClaimingMapping, EntityRules, Unit};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use syncline_core::{
    Column, Computed, Expression, Expressions, LostExpression, Result, SystemName,
};

/// What the sources say, in their order.
pub(crate) type Row<'a> = Vec<Option<&'a [u8]>>;

/// What a row comes to, or why to nothing.
pub(crate) type Outcome = std::result::Result<Option<Vec<u8>>, String>;

/// A unit's expression, ready.
#[derive(Debug, Clone)]
pub(crate) struct Formula {
    /// By name.
    pub(crate) sources: Vec<SystemName>,
    column: Column,
    expression: Arc<dyn Expression>,
    known: RefCell<Known>,
}

/// What was computed for many keys at once.
#[derive(Debug, Clone, Default)]
struct Known {
    /// By row, the place of its outcome.
    places: HashMap<Vec<u8>, usize>,
    outcomes: Vec<Outcome>,
}

impl Known {
    fn get(&self, row: &Row<'_>) -> Option<&Outcome> {
        self.outcomes.get(*self.places.get(&identity(row))?)
    }
}

impl Formula {
    /// Of a unit that is one field.
    ///
    /// # Errors
    /// `Config` when the expression can't be understood.
    pub(super) fn new(
        text: &str,
        rules: &EntityRules,
        unit: &Unit,
        expressions: &dyn Expressions,
    ) -> Result<Self> {
        let field = unit.columns.first().copied().unwrap_or_default();
        let column = rules.schema.columns()[field].clone();
        let speaks = |mapping: &&ClaimingMapping| mapping.columns.contains(&field);
        let sources: BTreeSet<&SystemName> =
            rules.mappings.iter().filter(speaks).map(|mapping| &mapping.system).collect();
        let sources: Vec<SystemName> = sources.into_iter().cloned().collect();
        let expression = expressions.expression(text, &sources, &column)?;
        Ok(Self { sources, column, expression, known: RefCell::default() })
    }

    /// What the sources say. Of several records of a source the one counts that spoke last.
    pub(crate) fn row<'a>(&self, words: &[Word<'a, '_>]) -> Row<'a> {
        let latest = |source| {
            let of_source = words.iter().filter(|word| word.system == source);
            let latest = of_source.max_by_key(|word| (word.since, word.mapping_name, word.record));
            latest.and_then(|word| word.value.one())
        };
        self.sources.iter().map(latest).collect()
    }

    /// What a row comes to.
    pub(crate) fn outcome(&self, row: &Row<'_>) -> Outcome {
        if let Some(known) = self.known.borrow().get(row) {
            return known.clone();
        }
        let outcome = self.outcomes(&[row]).pop();
        outcome.expect("a row has an outcome")
    }

    /// Computes rows that are not known yet, at once; says whether that failed for some.
    fn learn(&self, rows: &[Row<'_>]) -> bool {
        let mut known = self.known.borrow_mut();
        let first = known.outcomes.len();
        let mut new = Vec::new();
        for row in rows {
            let next = first + new.len();
            if *known.places.entry(identity(row)).or_insert(next) == next {
                new.push(row);
            }
        }
        known.outcomes.extend(self.outcomes(&new));
        known.outcomes.iter().skip(first).any(|outcome| outcome.is_err())
    }

    fn outcomes(&self, rows: &[&Row<'_>]) -> Vec<Outcome> {
        if rows.is_empty() {
            return Vec::new();
        }
        self.computed(rows)
            .unwrap_or_else(|error| rows.iter().map(|_| Err(error.to_string())).collect())
    }

    fn computed(&self, rows: &[&Row<'_>]) -> Result<Vec<Outcome>> {
        let column = |place: usize| {
            let cells = rows.iter().map(|row| row.get(place).copied().flatten());
            array(&self.column.data_type, cells)
        };
        let columns = (0..self.sources.len()).map(column).collect::<Result<Vec<_>>>()?;
        let Computed { values, mut failures } = self.expression.values(rows.len(), &columns);
        let cells = Cells::of(&values)?;
        let outcome = |row| match failures.remove(&row) {
            Some(reason) => Err(reason),
            None => Ok(cells.get(row).map(<[u8]>::to_vec)),
        };
        Ok((0..rows.len()).map(outcome).collect())
    }
}

/// The same for rows that say the same, and for no others.
fn identity(row: &Row<'_>) -> Vec<u8> {
    let mut identity = Vec::new();
    for cell in row {
        match cell {
            Some(cell) => {
                identity.push(1);
                identity.extend((cell.len() as u64).to_le_bytes());
                identity.extend_from_slice(cell);
            }
            None => identity.push(0),
        }
    }
    identity
}

impl Compiled {
    /// Whether some unit is computed.
    pub(crate) fn computes(&self) -> bool {
        self.units.iter().any(|unit| unit.formula.is_some())
    }

    /// Computes all that the units of these claims come to, so that it is known when they are decided.
    pub(crate) fn compute<'c, 'a: 'c>(&self, claims: impl Iterator<Item = &'c Claims<'a>> + Clone) {
        for unit in &self.units {
            if let Some(formula) = &unit.formula {
                *formula.known.borrow_mut() = Known::default();
                self.compute_unit(unit, formula, claims.clone());
            }
        }
    }

    fn compute_unit<'c, 'a: 'c>(
        &self,
        unit: &CompiledUnit,
        formula: &Formula,
        claims: impl Iterator<Item = &'c Claims<'a>> + Clone,
    ) {
        let row = |claims: &Claims<'a>| formula.row(&words(self, unit, claims));
        let rows: Vec<Row<'a>> = claims.clone().map(row).collect();
        if !formula.learn(&rows) {
            return;
        }
        // Where that fails, what it came to before has to be known.
        let fails = |row: &Row<'_>| formula.outcome(row).is_err();
        let failing = claims.zip(&rows).filter(|(_, row)| fails(row));
        let before: Vec<Row<'a>> = failing
            .flat_map(|(claims, _)| moments(self, unit, formula, claims))
            .map(|moment| moment.row)
            .collect();
        formula.learn(&before);
    }
}

/// Knows nothing of any expression but why it is not understood.
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

impl Expressions for Lost {
    fn expression(&self, _: &str, _: &[SystemName], field: &Column) -> Result<Arc<dyn Expression>> {
        let (data_type, reason) = (field.data_type.clone(), self.0.clone());
        Ok(Arc::new(LostExpression { data_type, reason }))
    }
}
