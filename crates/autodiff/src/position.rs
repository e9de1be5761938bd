//! Where each node of a walk stands: a dense table over the ids, or a hash map where the ids are far apart.

use std::collections::HashMap;

/// Ids between the oldest wanted input and the youngest output up to which a table is used. It costs four bytes an id,
/// of which only the pages that are touched become real.
const DENSE: u64 = 1 << 21;

/// A map from node ids to positions.
pub(crate) enum Positions {
    Dense { floor: u64, table: Vec<u32> },
    Sparse(HashMap<u64, u32>),
}

impl Positions {
    pub(crate) fn new(floor: u64, top: u64) -> Self {
        let span = (top + 1).saturating_sub(floor);
        if span <= DENSE {
            let len = usize::try_from(span).expect("the span is below DENSE");
            Self::Dense { floor, table: vec![0; len] }
        } else {
            Self::Sparse(HashMap::new())
        }
    }

    /// Whether `id` was new.
    pub(crate) fn insert(&mut self, id: u64, position: usize) -> bool {
        if self.get(id).is_some() {
            return false;
        }
        self.set(id, position);
        true
    }

    pub(crate) fn set(&mut self, id: u64, position: usize) {
        let position = u32::try_from(position + 1).expect("a tape has fewer than 2³² nodes");
        match self {
            Self::Dense { floor, table } => table[slot(id, *floor).expect("the id is in the walk")] = position,
            Self::Sparse(map) => {
                map.insert(id, position);
            }
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<usize> {
        let position = match self {
            Self::Dense { floor, table } => *table.get(slot(id, *floor)?)?,
            Self::Sparse(map) => *map.get(&id)?,
        };
        (position > 0).then(|| position as usize - 1)
    }
}

fn slot(id: u64, floor: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(floor)?).ok()
}
