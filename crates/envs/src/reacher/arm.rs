//! The motion of a planar arm of two rods.
//!
//! ```text
//! M(q) q̈ + c(q, q̇) + D q̇ = τ
//! M = ( α + 2β cos q₂   δ + β cos q₂ )        c = β sin q₂ ( −2 q̇₁q̇₂ − q̇₂² )
//!     ( δ + β cos q₂    δ            )                     (  q̇₁²            )
//! α = m₁l₁²/3 + m₂l₁² + m₂l₂²/3,   β = m₂l₁l₂/2,   δ = m₂l₂²/3
//! ```
//! the equations of Lagrange for uniform rods without gravity; q₂ is measured from the first rod. Integrated by the
//! Runge–Kutta method of order 4.

/// Lengths, as in MuJoCo's reacher: 0.1 m and 0.11 m.
pub(super) const LENGTHS: [f64; 2] = [0.1, 0.11];
/// Mass of each rod: 0.1 kg.
const MASS: f64 = 0.1;
/// Friction of each joint, D: 0.01 N·m·s.
pub(super) const DAMPING: f64 = 0.01;

/// Joint angles in radians and their speeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Arm {
    pub(super) angles: [f64; 2],
    pub(super) speeds: [f64; 2],
}

impl Arm {
    /// The arm after `seconds` under constant torques in N·m.
    pub(super) fn after(self, torques: [f64; 2], damping: f64, seconds: f64) -> Self {
        let slope = |at: Self| Self { angles: at.speeds, speeds: at.accelerations(torques, damping) };
        let k1 = slope(self);
        let k2 = slope(self.plus(k1, seconds / 2.0));
        let k3 = slope(self.plus(k2, seconds / 2.0));
        let k4 = slope(self.plus(k3, seconds));
        let sixth = seconds / 6.0;
        self.plus(k1, sixth).plus(k2, 2.0 * sixth).plus(k3, 2.0 * sixth).plus(k4, sixth)
    }

    fn plus(self, slope: Self, seconds: f64) -> Self {
        let along = |x: [f64; 2], dx: [f64; 2]| [x[0] + seconds * dx[0], x[1] + seconds * dx[1]];
        Self { angles: along(self.angles, slope.angles), speeds: along(self.speeds, slope.speeds) }
    }

    /// α, β and δ.
    fn inertias() -> [f64; 3] {
        let [first, second] = LENGTHS;
        let delta = MASS * second * second / 3.0;
        [MASS * first * first * (1.0 / 3.0 + 1.0) + delta, MASS * first * second / 2.0, delta]
    }

    fn accelerations(self, torques: [f64; 2], damping: f64) -> [f64; 2] {
        let ([alpha, beta, delta], [v1, v2]) = (Self::inertias(), self.speeds);
        let (sin, cos) = (libm::sin(self.angles[1]), libm::cos(self.angles[1]));
        let (m11, m12) = (alpha + 2.0 * beta * cos, delta + beta * cos);
        let first = torques[0] - damping * v1 + beta * sin * (2.0 * v1 * v2 + v2 * v2);
        let second = torques[1] - damping * v2 - beta * sin * v1 * v1;
        let determinant = m11 * delta - m12 * m12;
        [(delta * first - m12 * second) / determinant, (m11 * second - m12 * first) / determinant]
    }

    /// Where the tip is, from the first joint.
    pub(super) fn tip(self) -> [f64; 2] {
        let [q1, q2] = self.angles;
        let [first, second] = LENGTHS;
        [first * libm::cos(q1) + second * libm::cos(q1 + q2), first * libm::sin(q1) + second * libm::sin(q1 + q2)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinetic energy from the speeds of the rods' middles and their turning, which knows nothing of α, β and δ.
    fn energy(arm: Arm) -> f64 {
        let ([q1, q2], [v1, v2], [l1, l2]) = (arm.angles, arm.speeds, LENGTHS);
        let middle = [
            -l1 * q1.sin() * v1 - 0.5 * l2 * (q1 + q2).sin() * (v1 + v2),
            l1 * q1.cos() * v1 + 0.5 * l2 * (q1 + q2).cos() * (v1 + v2),
        ];
        let straight = (0.5 * l1 * v1).powi(2) + middle[0].powi(2) + middle[1].powi(2);
        let turning = (l1 * l1 * v1 * v1 + l2 * l2 * (v1 + v2).powi(2)) / 12.0;
        0.5 * MASS * (straight + turning)
    }

    /// Without friction and torque nothing changes the energy; with a torque it grows by the work τ·Δq.
    #[test]
    fn energy_is_kept_and_is_the_work_of_the_torques() {
        let mut free = Arm { angles: [0.3, 1.1], speeds: [3.0, -5.0] };
        let mut pushed = free;
        let (at_first, torques) = (energy(free), [0.02, -0.01]);
        (0..200).for_each(|_| free = free.after([0.0; 2], 0.0, 0.005));
        // Later it would be faster than any arm with friction, and than the integrator can follow.
        (0..50).for_each(|_| pushed = pushed.after(torques, 0.0, 0.005));
        assert!((energy(free) / at_first - 1.0).abs() < 1e-4, "{} from {at_first}", energy(free));
        let work: f64 = (0..2).map(|i| torques[i] * (pushed.angles[i] - [0.3, 1.1][i])).sum();
        assert!((energy(pushed) - at_first - work).abs() < 1e-4 * work, "{work}");
    }

    /// Under friction alone the arm comes to rest, and a torque that lasts turns it at τ/D.
    #[test]
    fn friction_stops_the_arm_and_limits_its_speed() {
        let mut arm = Arm { angles: [0.0, 0.5], speeds: [4.0, 4.0] };
        (0..2000).for_each(|_| arm = arm.after([0.0; 2], DAMPING, 0.005));
        assert!(arm.speeds.iter().all(|v| v.abs() < 1e-6), "{arm:?}");
        (0..10_000).for_each(|_| arm = arm.after([0.02, 0.0], DAMPING, 0.005));
        // The second joint comes to rest stretched or folded, where the rods turn together.
        assert!((arm.speeds[0] - 2.0).abs() < 0.05, "{arm:?}");
    }
}
