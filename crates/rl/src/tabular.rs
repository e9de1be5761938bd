//! Agents for small Markov decision processes.
