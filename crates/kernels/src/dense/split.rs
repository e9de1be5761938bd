//! How an output is split into tiles.

use super::Product;
use crate::simd::Simd;

/// Most vectors of columns in a tile.
pub(super) const fn most_vectors(registers: usize) -> usize {
    if registers >= 32 { 5 } else { 3 }
}

/// Most rows of a tile with so many vectors.
pub(super) const fn most_rows(registers: usize, vectors: usize) -> usize {
    match (registers >= 32, vectors) {
        (true, 5) => 5,
        (true, 4) | (false, 2) => 6,
        (false, 3) => 3,
        _ => 8,
    }
}

/// Most pairs of rows in a tile of pairs that share their last vectors, with so many vectors for a pair.
pub(super) const fn most_pairs(vectors: usize) -> usize {
    match vectors {
        1 => 8,
        3 => 6,
        _ => 5,
    }
}

/// The shortest inner axis for which pairs pay: halves cost more where a tile begins and ends. On an Intel Xeon, 25 products
/// of 10×40 by 40×40 take 7 % less in pairs, those of 40×10 by 10×40 12 % more.
const PAIRED_FROM: usize = 16;

/// Most rows of a tile that is added up over the tasks, given those of a plain one. It has a second set of sums: where there
/// are registers for both, half the rows fill them; where there are few, whole tiles whose totals wait in memory are faster (25
/// products of 40×10 by 10×40 in 14 µs in place of 19 on a Zen 3).
pub(super) const fn most_summed(registers: usize, rows: usize) -> usize {
    if registers >= 32 { rows / 2 } else { rows }
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

/// How all tasks of a product are split.
#[derive(Clone, Copy)]
pub(super) struct Split {
    /// Parts of the columns, counted in vectors, each with the parts of the rows.
    columns: [(Run, [Run; 2]); 2],
    /// Parts of the pairs of rows, for columns whose last vector is at most half full, where it pays to pair rows there.
    pub(super) pairs: Option<[Run; 2]>,
}

impl Split {
    /// Of a product's output in vectors of `S`; `summed` where tiles are added up over tasks while they are in registers.
    #[inline(always)]
    pub(super) fn of<S: Simd>(p: &Product<'_>, summed: bool) -> Self {
        let &Product { rows, inner, cols, .. } = p;
        let columns = even(cols.div_ceil(S::LANES), most_vectors(S::REGISTERS)).map(|run| {
            let most = most_rows(S::REGISTERS, run.len);
            (run, even(rows, if summed { most_summed(S::REGISTERS, most) } else { most }))
        });
        // The last vector belongs to the second part, which is never empty.
        let vectors = columns[1].0.len;
        let halved = 2 * ((cols - 1) % S::LANES + 1) <= S::LANES && vectors <= 3;
        // Tiles that are added up have half of the registers, too few for pairs to pay.
        let pays = S::HALVES && halved && inner >= PAIRED_FROM && !summed;
        Self { columns, pairs: pays.then(|| even(rows / 2, most_pairs(2 * vectors - 1))) }
    }

    /// The parts of the columns that are not empty.
    #[inline(always)]
    pub(super) fn columns(&self) -> impl Iterator<Item = &(Run, [Run; 2])> {
        self.columns.iter().filter(|(run, _)| run.count > 0)
    }
}
