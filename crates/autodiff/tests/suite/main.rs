//! The tests of the tape, one module for each thing that must hold.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod candle_faults;
mod conv_block;
mod foreign;
mod kernels;
mod offers;
mod ops;
mod orders;
mod params;
mod properties;
mod recurrent;
mod scale;
mod solve;
mod support;
