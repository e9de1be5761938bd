//! How an output is split into tiles.

/// Most vectors of columns in a tile.
pub(super) const fn most_vectors(registers: usize) -> usize {
    if registers >= 32 { 4 } else { 3 }
}

/// Most rows of a tile with so many vectors.
pub(super) const fn most_rows(registers: usize, vectors: usize) -> usize {
    match (registers >= 32, vectors) {
        (true, 4) | (false, 2) => 6,
        (false, 3) => 4,
        _ => 8,
    }
}

/// Most rows of a tile that is added up over the tasks, given those of a plain one: it has a second set of registers.
pub(super) const fn most_summed(rows: usize) -> usize {
    rows.div_ceil(2)
}

/// `count` parts of `len`, one after another from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) count: usize,
}

/// The parts of `0..n`, as even as can be, none longer than `most`: the longer ones, and then those that have one less.
#[inline(always)]
pub(super) fn even(n: usize, most: usize) -> [Run; 2] {
    let parts = n.div_ceil(most).max(1);
    let (len, longer) = (n / parts, n % parts);
    let first = Run { first: 0, len: len + 1, count: longer };
    [first, Run { first: longer * (len + 1), len, count: parts - longer }]
}
