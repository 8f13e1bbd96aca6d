//! In which order tables are written so that foreign keys hold after every statement.

/// What the order needs to know of a table.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The table.
    pub(crate) oid: u32,
    /// The tables it refers to.
    pub(crate) parents: Vec<u32>,
}

/// The indexes of the tables, parents before their children. Tables in a cycle keep the order they
/// came in: only constraints that are checked late allow to write them at all.
pub(crate) fn parents_first(tables: &[Node]) -> Vec<usize> {
    let mut ordered = Vec::with_capacity(tables.len());
    let mut seen = vec![false; tables.len()];
    for index in 0..tables.len() {
        visit(index, tables, &mut seen, &mut ordered);
    }
    ordered
}

fn visit(index: usize, tables: &[Node], seen: &mut [bool], ordered: &mut Vec<usize>) {
    let Some(visited) = seen.get_mut(index).filter(|visited| !**visited) else { return };
    *visited = true;
    for parent in tables.get(index).into_iter().flat_map(|table| &table.parents) {
        for (index, _) in tables.iter().enumerate().filter(|(_, table)| table.oid == *parent) {
            visit(index, tables, seen, ordered);
        }
    }
    ordered.push(index);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(oid: u32, parents: &[u32]) -> Node {
        Node { oid, parents: parents.to_vec() }
    }

    #[test]
    fn parents_come_before_children_and_grandchildren() {
        let tables = [node(3, &[2]), node(2, &[1, 9]), node(1, &[1])];
        assert_eq!(parents_first(&tables), [2, 1, 0]);
    }

    #[test]
    fn a_cycle_ends() {
        assert_eq!(parents_first(&[node(1, &[2]), node(2, &[1])]), [1, 0]);
    }

    proptest! {
        #[test]
        fn every_parent_precedes_its_child(edges in prop::collection::vec((0..8_u32, 0..8_u32), 0..16)) {
            // Edges from greater to lesser make no cycle.
            let tables: Vec<Node> = (0..8)
                .map(|oid| node(oid, &edges.iter().filter(|(child, parent)| *child == oid && parent < child)
                    .map(|edge| edge.1).collect::<Vec<_>>()))
                .collect();
            let order = parents_first(&tables);
            let place = |oid: u32| order.iter().position(|&index| tables[index].oid == oid).unwrap();
            prop_assert_eq!(order.len(), tables.len());
            for table in &tables {
                for &parent in &table.parents {
                    prop_assert!(place(parent) < place(table.oid));
                }
            }
        }
    }
}
