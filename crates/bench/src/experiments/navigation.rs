//! Walks of points to their goals, as pictures.

use anyhow::Result;
use rekindle_autodiff::Params;
use rekindle_envs::Env;
use rekindle_rl::{Collector, Policy};

use super::canvas::{Canvas, Colour, GREY};
use crate::Image;

/// The places that a point comes through in its first episode, for every row of a batch: they stand first in its
/// observations.
pub(super) fn walks<E: Env + Send>(
    mut player: Collector<E>,
    (policy, params): (&Policy, &Params),
    steps: usize,
) -> Result<Vec<Vec<[f64; 2]>>> {
    let rollout = player.collect(policy, params, steps)?;
    let places = rollout.experience.obs.narrow(3, 0, 2)?.contiguous()?.to_vec_f64()?; // [T, M, B, 2]
    let rows = rollout.rewards.len() / steps;
    let mut walks = vec![Vec::with_capacity(steps); rows];
    for (i, place) in places.chunks_exact(2).enumerate() {
        let (step, row) = (i / rows, i % rows);
        // What follows the first end is another walk.
        if walks[row].len() == step && (step == 0 || !rollout.episode_ended[i - rows]) {
            walks[row].push([place[0], place[1]]);
        }
    }
    Ok(walks)
}

/// A walk from the middle of a square of the plane, twice `half` wide, and its goal.
pub(super) fn picture(half: f64, goal: [f64; 2], walk: &[[f64; 2]], colour: Colour) -> Result<Image> {
    let mut canvas = Canvas::new([0.0, 0.0], half);
    canvas.disc(goal, 5.0, GREY);
    canvas.path(walk, 1.5, colour);
    walk.iter().for_each(|&place| canvas.disc(place, 1.5, colour));
    // Over the walk, which may end there.
    canvas.disc(goal, 1.5, [0.2; 3]);
    canvas.image("")
}
