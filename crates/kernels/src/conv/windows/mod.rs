//! The three forms as products of matrices: all windows of a group of images, one a row, times the weights.
//!
//! ```text
//! conv    Y [pixels, O]      = windows [pixels, 9·C] · W [9·C, O]
//! conv_t  windows [pixels, 9·C] = U [pixels, O] · Wᵀ [O, 9·C], added where each window was taken from
//! conv_w  W [9·C, O]         = windowsᵀ · U
//! ```
//! A window holds three runs of three neighbouring pixels, each one copy. The register tile of the product does not care
//! how narrow the image is, and the weights are read as they come: `pays` says where this is faster than the direct form.

mod images;
mod pays;
mod runs;
mod sums;

pub(crate) use images::Products;
pub(crate) use pays::{group, pays};
pub(crate) use sums::WeightSums;
