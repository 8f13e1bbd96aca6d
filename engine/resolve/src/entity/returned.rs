//! Systems that are written too, and hold something else than what is agreed.

use super::compare::Judged;
use crate::claims::Origin;
use crate::policy::{Compiled, CompiledMapping};

/// Whether a record that is written back to holds its own word against what is agreed, in one of these
/// units, or was removed: then the golden row is told again, so that its system comes to hold it.
///
/// What waits for a person is left as it is, and so is what goes to and fro. A record that holds what we
/// wrote, in whatever form its system gave it, is at rest.
pub(super) fn must_return(rules: &Compiled, new: &mut Judged<'_, '_, '_>, units: &[usize]) -> bool {
    if !new.exists.exists || new.exists.conflict.is_some() {
        return false;
    }
    let claims = new.claims();
    claims.origins.iter().any(|origin| {
        let Some(mapping) = rules.mapping(origin.mapping) else { return false };
        mapping.returned.is_some()
            && (origin.is_removed() || holds_another(rules, new, (origin, mapping), units))
    })
}

fn holds_another(
    rules: &Compiled,
    new: &mut Judged<'_, '_, '_>,
    (origin, mapping): (&Origin<'_>, &CompiledMapping),
    units: &[usize],
) -> bool {
    units.iter().any(|&unit| {
        let fields = &rules.units[unit].fields;
        let mut held = fields.iter().filter(|&&id| mapping.returns(id));
        new.conflict(unit).is_none()
            && held.any(|&id| {
                let field = origin.field(id).filter(|field| !field.run.echo && !field.flaps());
                field.is_some_and(|field| field.run.value != new.field(id))
            })
    })
}
