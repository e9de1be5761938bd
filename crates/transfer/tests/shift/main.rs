//! Domain shift, zero-shot learning and curricula.

mod adapting;
mod attributes;
mod common;
mod curricula;
mod distances;
mod recolouring;
mod students;
mod unseen;
