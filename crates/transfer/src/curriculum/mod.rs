//! Curricula: which task, or which examples, to learn from next.
//!
//! A [`Teacher`] says with which probabilities the tasks of the next batch are drawn, and is told how well the student does
//! on them:
//!
//! | what | how | source |
//! |---|---|---|
//! | [`Mixture`] | fixed probabilities: uniform, or the last task alone | |
//! | [`HandMade`] | one task after the other, on to the next at a score | Bengio et al. 2009; Zaremba & Sutskever 2014 |
//! | [`Online`], [`Naive`], [`Window`], [`Sampling`] | a bandit whose reward is the student's progress | Matiisen et al. 2017 |
//!
//! [`SelfPaced`] chooses examples instead of tasks: those that are easy already (Kumar, Packer & Koller 2010).

mod exploration;
mod hand_made;
mod mixture;
mod naive;
mod online;
mod sampling;
mod self_paced;
mod slope;
mod teacher;
mod window;

pub use exploration::Exploration;
pub use hand_made::HandMade;
pub use mixture::Mixture;
pub use naive::Naive;
pub use online::Online;
pub use sampling::Sampling;
pub use self_paced::{SelfPaced, SelfPacedConfig};
pub use teacher::Teacher;
pub use window::Window;
