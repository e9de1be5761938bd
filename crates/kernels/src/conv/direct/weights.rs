//! Weights in the order in which a tile reads them: `[blocks of output channels, blocks of input channels, taps,
//! channels, width]`, zeros behind the last output channel.

use std::array::from_fn;
use std::ops::Range;

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
                    let rows = block..from.min(block + BLOCK);
                    let start = packed.len();
                    packed.resize(start + rows.len() * width, 0.0);
                    let panel = &mut packed[start..];
                    if self.adjoint {
                        transpose(&w[first * from..channels.end * from], from, rows, panel, width);
                    } else {
                        for (panel, row) in panel.chunks_exact_mut(width).zip(rows) {
                            panel[..channels.len()].copy_from_slice(&w[row * to..][channels.clone()]);
                        }
                    }
                }
            }
        }
    }
}

/// Writes columns of `w [.., line]` as rows of `width`, in squares of four, which the compiler turns in registers.
fn transpose(w: &[f32], line: usize, columns: Range<usize>, to: &mut [f32], width: usize) {
    let squares = columns.len() / 4 * 4;
    for (at, lines) in w.chunks(4 * line).enumerate() {
        let to = &mut to[4 * at..];
        let whole = if lines.len() == 4 * line { squares } else { 0 };
        for column in (0..whole).step_by(4) {
            let square: [[f32; 4]; 4] = from_fn(|k| four(&lines[k * line + columns.start + column..]));
            for c in 0..4 {
                let turned = [square[0][c], square[1][c], square[2][c], square[3][c]];
                to[(column + c) * width..][..4].copy_from_slice(&turned);
            }
        }
        for column in whole..columns.len() {
            for (k, line) in lines.chunks_exact(line).enumerate() {
                to[column * width + k] = line[columns.start + column];
            }
        }
    }
}

fn four(numbers: &[f32]) -> [f32; 4] {
    *numbers.first_chunk().expect("the columns of a square lie in the line")
}
