//! Cart-poles of different bodies: a distribution over dynamics.
//!
//! Around it, [`Redraw`](crate::Redraw) makes an environment whose body is another one in every episode: domain
//! randomisation. Who learns in such a world meets a body that it has never seen as one more draw. Sadeghi & Levine,
//! *CAD²RL*, 2017, and Tobin et al., *Domain Randomization*, 2017, do so with pictures; here it is the dynamics, as in Peng et
//! al., *Sim-to-Real Transfer of Robotic Control with Dynamics Randomization*, 2018.

use rand::RngCore;

use super::{CartPole, CartPoleBody, uniform};
use crate::{EnvFamily, Error, Result, TimeLimit};

/// Bodies whose numbers are uniform between two bounds each, as logarithms. The defaults reach from a third to the triple of
/// Gymnasium's, for the pole's length from half to four times.
///
/// ```
/// use rekindle_envs::{RandomCartPoles, Redraw, VecEnv, stream_rng};
/// let rng = &mut stream_rng(0, 0);
/// let envs = (0..8).map(|_| Redraw::new(RandomCartPoles::default(), rng)).collect::<Result<Vec<_>, _>>()?;
/// let mut envs = VecEnv::new(envs)?; // every episode has a body of its own
/// assert_eq!(envs.reset(1)?.len(), 8 * 4);
/// # Ok::<(), rekindle_envs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RandomCartPoles {
    /// Bounds of half of the pole's length in metres.
    pub half_length: [f64; 2],
    /// Bounds of the pole's mass in kilograms.
    pub pole_mass: [f64; 2],
    /// Bounds of the cart's mass in kilograms.
    pub cart_mass: [f64; 2],
    /// Bounds of a push in newtons.
    pub force: [f64; 2],
    /// Steps after which an episode is truncated, `>= 1`. Default 500.
    pub horizon: usize,
}

impl Default for RandomCartPoles {
    fn default() -> Self {
        Self {
            half_length: [0.25, 2.0],
            pole_mass: [0.033, 0.3],
            cart_mass: [0.33, 3.0],
            force: [3.3, 30.0],
            horizon: 500,
        }
    }
}

impl RandomCartPoles {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn validate(&self) -> Result<()> {
        let bounds = [
            ("half_length", self.half_length),
            ("pole_mass", self.pole_mass),
            ("cart_mass", self.cart_mass),
            ("force", self.force),
        ];
        let fine = |[low, high]: [f64; 2]| low > 0.0 && low <= high && high.is_finite();
        match bounds.into_iter().find(|(_, bounds)| !fine(*bounds)) {
            Some((field, bounds)) => Err(Error::config(field, format!("{bounds:?}"), "two numbers above 0, in order")),
            None => Ok(()),
        }
    }
}

impl EnvFamily for RandomCartPoles {
    type Task = CartPoleBody;
    type Env = TimeLimit<CartPole>;

    fn sample(&self, rng: &mut dyn RngCore) -> Result<CartPoleBody> {
        self.validate()?;
        let mut draw = |[low, high]: [f64; 2]| libm::exp(uniform(rng, libm::log(low), libm::log(high)));
        Ok(CartPoleBody {
            half_length: draw(self.half_length),
            pole_mass: draw(self.pole_mass),
            cart_mass: draw(self.cart_mass),
            force: draw(self.force),
        })
    }

    fn make(&self, body: &CartPoleBody) -> Result<Self::Env> {
        TimeLimit::new(CartPole::with_body(*body)?, self.horizon)
    }
}
