//! Agents for bandits that need no learning of a net.
