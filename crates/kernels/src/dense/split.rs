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

/// The parts of `0..n`, as even as can be, none larger than `most`: start and length of each.
pub(super) struct Even {
    start: usize,
    each: usize,
    /// Parts that have one more.
    longer: usize,
    left: usize,
}

impl Even {
    #[inline(always)]
    pub(super) fn new(n: usize, most: usize) -> Self {
        let parts = n.div_ceil(most);
        Self { start: 0, each: n / parts.max(1), longer: n % parts.max(1), left: parts }
    }
}

impl Iterator for Even {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        self.left = self.left.checked_sub(1)?;
        let len = self.each + usize::from(self.longer > 0);
        self.longer = self.longer.saturating_sub(1);
        self.start += len;
        Some((self.start - len, len))
    }
}
