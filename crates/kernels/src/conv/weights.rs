//! Weights in the order in which a tile reads them: `[blocks of output channels, blocks of input channels, taps,
//! channels, width]`, zeros behind the last output channel.

use super::planes::BLOCK;

/// Weights `[3, 3, inputs, outputs]`, read as they stand or for the adjoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'a> {
    pub(super) data: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Whether the two kinds of channels change their parts.
    pub(super) adjoint: bool,
}

impl Weights<'_> {
    /// Appends the weights of some taps, in blocks of `width` channels of the image that comes out.
    pub(super) fn pack(&self, taps: &[usize], width: usize, packed: &mut Vec<f32>) {
        let (from, to) = if self.adjoint { (self.outputs, self.inputs) } else { (self.inputs, self.outputs) };
        packed.reserve(to.next_multiple_of(width) * from * taps.len());
        for first in (0..to).step_by(width) {
            let channels = first..to.min(first + width);
            for block in (0..from).step_by(BLOCK) {
                for tap in taps {
                    let w = &self.data[tap * from * to..][..from * to];
                    for c in block..from.min(block + BLOCK) {
                        let end = packed.len() + width;
                        if self.adjoint {
                            packed.extend(channels.clone().map(|k| w[k * from + c]));
                        } else {
                            packed.extend_from_slice(&w[c * to..][channels.clone()]);
                        }
                        packed.resize(end, 0.0);
                    }
                }
            }
        }
    }
}
