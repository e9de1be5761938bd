//! The bits that a seed stands for, written down: they are the same on every machine, and a change of generators or of
//! the order of draws does not pass unnoticed.

use rekindle_envs::{
    BernoulliBandits, CartPole, EnvFamily, FirstPersonMazes, GaussianBandits, Pendulum, PointFamily, PointFlavour,
    Result, Single, SymbolicMazes, TabularMdps, VecEnv, stream_rng,
};

/// FNV-1a over the bits of observations and rewards of 60 steps of two tasks with two copies each.
fn fingerprint<F: EnvFamily>(family: F) -> Result<u64> {
    let tasks = family.sample_tasks(&mut stream_rng(8, 0), 2)?;
    let mut batch = VecEnv::stack(&family, &tasks, 2)?;
    let rng = &mut stream_rng(8, 1);
    batch.reset(8)?;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for _ in 0..60 {
        let actions = batch.action_space().sample_actions(rng, 4);
        let step = batch.step(actions.view())?;
        for number in step.obs.iter().chain(step.reward) {
            hash = (hash ^ u64::from(number.to_bits())).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Ok(hash)
}

#[test]
fn a_seed_stands_for_these_bits() -> Result<()> {
    let half_circle = PointFamily::new(PointFlavour::PearlHalfCircle { sparse: false });
    let found = [
        ("bandit", fingerprint(BernoulliBandits { arms: 4, prior: [2.0, 0.5] })?),
        ("gaussian bandit", fingerprint(GaussianBandits::default())?),
        ("tabular", fingerprint(TabularMdps::default().trials(3))?),
        ("point", fingerprint(half_circle)?),
        ("symbolic maze", fingerprint(SymbolicMazes::small().trials(2))?),
        ("first-person maze", fingerprint(FirstPersonMazes::small())?),
        ("cart-pole", fingerprint(Single(CartPole::v1()))?),
        ("pendulum", fingerprint(Single(Pendulum::v1()))?),
    ];
    let expected = [
        ("bandit", 0x04e6_4f85_3c71_b8a5),
        ("gaussian bandit", 0xd8f9_74b0_ee55_2325),
        ("tabular", 0x8e48_a36e_f5c0_6d4c),
        ("point", 0x04ee_b2be_837e_16f8),
        ("symbolic maze", 0x4454_3df3_6f3a_c659),
        ("first-person maze", 0xa2e2_5e64_6fc4_7690),
        ("cart-pole", 0x5fb9_c88f_fabe_8575),
        ("pendulum", 0xc012_83b7_2c0b_f0ff),
    ];
    assert_eq!(found, expected);
    Ok(())
}
