//! Tests of the classical agents and exact solutions, in one binary.

// Agents for bandits against closed forms and published figures.
mod bandits;
// What is refused, and how.
mod errors;
// Gittins indices and optimal play.
mod exact_bandits;
// Known MDPs.
mod exact_mdps;
// Agents for MDPs.
mod mdps;
