//! One game in many looks: catch, as Rusu et al. 2016 vary Pong.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rekindle_envs::{Action, Catch, Env, Result, Space, Transition, random};

/// How the game is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// On grey, as Pong is on brown.
    Plain,
    /// With Gaussian noise, drawn once for all time, on every pixel.
    Noisy,
    /// On black.
    Black,
    /// On white.
    White,
    /// Left is right.
    HFlip,
    /// Upside down.
    VFlip,
}

impl Look {
    pub(super) const ALL: [Self; 6] = [Self::Plain, Self::Noisy, Self::Black, Self::White, Self::HFlip, Self::VFlip];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Noisy => "noisy",
            Self::Black => "black",
            Self::White => "white",
            Self::HFlip => "h-flip",
            Self::VFlip => "v-flip",
        }
    }

    /// Grey of the background, from −½ for black to ½ for white; ball and paddle stand out from it by the same step in every
    /// look, on white towards black.
    fn background(self) -> f32 {
        match self {
            Self::Black => -0.5,
            Self::White => 0.5,
            _ => 0.0,
        }
    }
}

/// Rows and columns of the board.
pub(super) const ROWS: usize = 8;
pub(super) const COLUMNS: usize = 8;

/// Steps of an episode.
pub(super) const EPISODE: usize = ROWS - 1;

const STEP: f32 = 1.0;
const NOISE: f32 = 0.3;
const NOISE_SEED: u64 = 7;

/// Catch in one of the looks.
#[derive(Clone, Debug)]
pub(super) struct LookingCatch {
    game: Catch,
    look: Look,
    noise: Vec<f32>,
}

impl LookingCatch {
    pub(super) fn new(look: Look) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(NOISE_SEED);
        let scale = if look == Look::Noisy { NOISE } else { 0.0 };
        let noise = (0..ROWS * COLUMNS).map(|_| scale * random::normal(&mut rng) as f32).collect();
        Ok(Self { game: Catch::new(ROWS, COLUMNS)?, look, noise })
    }

    fn show(&self, obs: &mut [f32]) {
        match self.look {
            Look::HFlip => obs.chunks_mut(COLUMNS).for_each(<[f32]>::reverse),
            // A board that is read backwards is turned by half a turn; its rows read backwards again are upside down.
            Look::VFlip => {
                obs.reverse();
                obs.chunks_mut(COLUMNS).for_each(<[f32]>::reverse);
            }
            _ => {}
        }
        let step = if self.look == Look::White { -STEP } else { STEP };
        for (pixel, noise) in obs.iter_mut().zip(&self.noise) {
            *pixel = self.look.background() + step * *pixel + noise;
        }
    }
}

impl Env for LookingCatch {
    fn observation_space(&self) -> Space {
        Space::boxed(f32::NEG_INFINITY, f32::INFINITY, &[ROWS, COLUMNS])
    }

    fn action_space(&self) -> Space {
        self.game.action_space()
    }

    fn reset(&mut self, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<()> {
        self.game.reset(rng, obs)?;
        self.show(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, rng: &mut dyn RngCore, obs: &mut [f32]) -> Result<Transition> {
        let transition = self.game.step(action, rng, obs)?;
        self.show(obs);
        Ok(transition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ball and paddle of one reset in every look: where they stand, and that each pixel is its background or a step away.
    #[test]
    fn looks_show_the_same_game() -> anyhow::Result<()> {
        let shown = |look| -> Result<Vec<f32>> {
            let mut obs = vec![0.0; ROWS * COLUMNS];
            LookingCatch::new(look)?.reset(&mut ChaCha8Rng::seed_from_u64(3), &mut obs)?;
            Ok(obs)
        };
        let things = |look: Look| -> Result<Vec<usize>> {
            let far = |v: &f32| (v - look.background()).abs() > 0.5;
            Ok(shown(look)?.iter().enumerate().filter(|(_, v)| far(v)).map(|(i, _)| i).collect())
        };
        let plain = things(Look::Plain)?;
        assert_eq!(plain.len(), 2);
        assert_eq!((things(Look::Black)?, things(Look::White)?), (plain.clone(), plain.clone()));
        let mut mirrored: Vec<usize> =
            plain.iter().map(|i| i / COLUMNS * COLUMNS + COLUMNS - 1 - i % COLUMNS).collect();
        mirrored.sort_unstable();
        assert_eq!(things(Look::HFlip)?, mirrored);
        let mut turned: Vec<usize> = plain.iter().map(|i| (ROWS - 1 - i / COLUMNS) * COLUMNS + i % COLUMNS).collect();
        turned.sort_unstable();
        assert_eq!(things(Look::VFlip)?, turned);
        assert_eq!(shown(Look::Noisy)?, shown(Look::Noisy)?);
        assert_ne!(shown(Look::Noisy)?, shown(Look::Plain)?);
        Ok(())
    }
}
