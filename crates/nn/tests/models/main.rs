//! Every model and layer of the crate, against oracles that share no code with it.

mod common;

// Whole models.
mod conv4;
mod mlp;
mod resnet12;
mod vit;

// Layers.
mod attention;
mod norm;
mod recurrent;
mod transformer;

// Where their weights start.
mod init;
