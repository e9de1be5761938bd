//! Teachers by hand, and what they refuse.

use candle_core::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::{Check, Tensor, check_gradients};
use rekindle_transfer::Error;
use rekindle_transfer::curriculum::{
    Exploration, HandMade, Mixture, Naive, Online, Sampling, SelfPaced, SelfPacedConfig, Teacher, Window,
};

use crate::common::{Result, assert_close};

const GREEDY: Exploration = Exploration::EpsilonGreedy(0.0);

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

/// Algorithm 2 with α = ½: the first score only sets the mark; then rewards 0.4 and −0.2 make 0.2, and ½·0.2 − 0.1 = 0.
#[test]
fn online_values_by_hand() -> Result {
    let mut teacher = Online::new(2, 0.5, GREEDY)?;
    teacher.observe(1, 0.3)?;
    assert_eq!(teacher.values(), [0.0, 0.0]);
    teacher.observe(1, 0.7)?;
    assert_close(teacher.values(), &[0.0, 0.2], 1e-12);
    assert_eq!(teacher.probabilities(&mut rng()), [0.0, 1.0]);
    teacher.observe(1, 0.5)?;
    assert_close(teacher.values(), &[0.0, 0.0], 1e-12);
    Ok(())
}

/// What the student forgets is chosen as what it learns is: the size of the change counts.
#[test]
fn a_falling_score_calls_for_training_too() -> Result {
    let mut teacher = Online::new(2, 1.0, GREEDY)?;
    for (task, score) in [(0, 0.5), (1, 0.9), (0, 0.6), (1, 0.6)] {
        teacher.observe(task, score)?;
    }
    assert_eq!(teacher.probabilities(&mut rng()), [0.0, 1.0]);
    Ok(())
}

/// Algorithm 3 with K = 3, α = ½: the choice holds for three steps; the slope of (0.1, 0.2, 0.6) is ¼, so Q is ⅛.
#[test]
fn naive_rounds_by_hand() -> Result {
    let (mut teacher, mut rng) = (Naive::new(4, 0.5, 3, GREEDY)?, rng());
    let first = teacher.probabilities(&mut rng);
    let chosen = first.iter().position(|&p| p == 1.0).expect("one task a round");
    for score in [0.1, 0.2] {
        teacher.observe(chosen, score)?;
        assert_eq!(teacher.probabilities(&mut rng), first);
    }
    teacher.observe(chosen, 0.6)?;
    assert_eq!(teacher.values()[chosen], 0.0);
    assert_eq!(teacher.probabilities(&mut rng), first); // it alone has made progress
    assert!((teacher.values()[chosen] - 0.125).abs() < 1e-12);
    Ok(())
}

/// Algorithm 4 with K = 3: of (1, 0.0), (2, 0.4), (4, 0.6), (5, 0.6) the last three count, whose slope is 1/14.
#[test]
fn window_slopes_by_hand() -> Result {
    let (mut teacher, mut rng) = (Window::new(2, 3, GREEDY)?, rng());
    for (step, score) in [(1, Some(0.0)), (2, Some(0.4)), (3, None), (4, Some(0.6)), (5, Some(0.6))] {
        teacher.probabilities(&mut rng);
        score.map_or(Ok(()), |score| teacher.observe(0, score))?;
        assert!(step <= 5);
    }
    assert_close(&teacher.values(), &[1.0 / 14.0, 0.0], 1e-12);
    Ok(())
}

/// Algorithm 5 with K = 1: a task without rewards counts 1, above any change of these; later the larger change wins.
#[test]
fn sampling_prefers_what_it_does_not_know() -> Result {
    let (mut teacher, mut rng) = (Sampling::new(3, 1, 0.0)?, rng());
    for (task, score) in [(0, 0.1), (0, 0.5), (1, 0.2), (1, 0.3)] {
        teacher.observe(task, score)?;
    }
    assert_eq!(teacher.probabilities(&mut rng), [0.0, 0.0, 1.0]);
    teacher.observe(2, 0.0)?;
    teacher.observe(2, 0.2)?;
    assert_eq!(teacher.probabilities(&mut rng), [1.0, 0.0, 0.0]);
    teacher.observe(0, 0.5)?;
    assert_eq!(teacher.probabilities(&mut rng), [0.0, 0.0, 1.0]);
    Ok(())
}

/// On at the threshold, of the current task only; the mix goes to all tasks so far.
#[test]
fn a_hand_made_order_goes_on_at_its_threshold() -> Result {
    let (mut teacher, mut rng) = (HandMade::new(3, 0.9, 0.3)?, rng());
    assert_eq!(teacher.probabilities(&mut rng), [1.0, 0.0, 0.0]);
    teacher.observe(1, 1.0)?;
    teacher.observe(0, 0.89)?;
    assert_eq!(teacher.current(), 0);
    teacher.observe(0, 0.9)?;
    assert_close(&teacher.probabilities(&mut rng), &[0.15, 0.85, 0.0], 1e-12);
    teacher.observe(1, 0.95)?;
    teacher.observe(2, 1.0)?;
    assert_close(&teacher.probabilities(&mut rng), &[0.1, 0.1, 0.8], 1e-12);
    Ok(())
}

/// Three of four drawn, and shares that sum to one, whatever was observed.
#[test]
fn choices_follow_the_probabilities() -> Result {
    let mut rng = rng();
    let explore = Exploration::EpsilonGreedy(0.5);
    let mut online = Online::new(2, 1.0, explore)?;
    online.observe(0, 0.0)?;
    online.observe(0, 1.0)?;
    let n = 4000;
    let mut drawn = 0;
    for _ in 0..n {
        drawn += usize::from(online.choose(&mut rng)? == 0);
    }
    // 0.75 with a deviation of 0.0068.
    assert!((drawn as f64 / f64::from(n) - 0.75).abs() < 0.03);

    let soft = Exploration::Boltzmann(0.01);
    let teachers: Vec<Box<dyn Teacher>> = vec![
        Box::new(Mixture::uniform(3)?),
        Box::new(Mixture::only(2, 3)?),
        Box::new(HandMade::new(3, 0.5, 0.5)?),
        Box::new(Online::new(3, 0.1, soft)?),
        Box::new(Naive::new(3, 0.1, 4, soft)?),
        Box::new(Window::new(3, 4, soft)?),
        Box::new(Sampling::new(3, 4, 0.1)?),
    ];
    for mut teacher in teachers {
        for step in 0..50 {
            let sum: f64 = teacher.probabilities(&mut rng).iter().sum();
            assert!((sum - 1.0).abs() < 1e-12, "{teacher:?}");
            for task in 0..teacher.n_tasks() {
                teacher.observe(task, (step as f64 * 0.37 + task as f64).sin())?;
            }
        }
        assert!(matches!(teacher.observe(3, 0.0), Err(Error::UnknownTask { task: 3, available: 3 })));
        assert!(matches!(teacher.observe(0, f64::NAN), Err(Error::Setting { name: "score", .. })));
    }
    Ok(())
}

/// The loss is a mean over what is selected, task by task, and its gradient that of the selected alone.
#[test]
fn self_paced_selection_by_hand() -> Result {
    let losses = Tensor::from_vec(vec![0.2f64, 0.9, 0.4, 3.0, 2.0, 5.0], (2, 3))?;
    // Half of six: 0.2, 0.4 and 0.9 are in, half-way to 2.0.
    let mut pace = SelfPaced::start(SelfPacedConfig::default(), &losses.to_vec_f64()?)?;
    assert!((pace.threshold() - 1.45).abs() < 1e-12);
    let (loss, share) = pace.loss(&losses)?;
    assert_close(&loss.to_vec_f64()?, &[0.5, 0.0], 1e-12);
    assert_eq!(share, 0.5);
    pace.next_round();
    pace.next_round(); // 1.45 · 1.69 = 2.45
    assert_close(&pace.loss(&losses)?.0.to_vec_f64()?, &[0.5, 2.0], 1e-12);
    let squares = |x: &[Tensor]| {
        let losses = x[0].sqr()?;
        Ok(pace.loss(&losses).map_err(|error| panic!("{error}")).unwrap_or((losses, 0.0)).0)
    };
    let x = Tensor::from_vec(vec![0.2f64, -0.9, 1.4, 3.0, 2.0, -5.0], (2, 3))?.to_device(&Device::Cpu)?;
    check_gradients(squares, &[x], Check::default())?;
    Ok(())
}

#[test]
fn settings_out_of_range_are_refused() {
    let name = |result: Result<(), Error>| match result {
        Err(Error::Setting { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    let bad = Exploration::EpsilonGreedy(2.0);
    assert_eq!(name(Mixture::uniform(0).map(drop)), "n_tasks");
    assert!(matches!(Mixture::only(3, 3), Err(Error::UnknownTask { task: 3, available: 3 })));
    assert_eq!(name(HandMade::new(2, f64::NAN, 0.0).map(drop)), "threshold");
    assert_eq!(name(HandMade::new(2, 0.9, 1.5).map(drop)), "mix");
    assert_eq!(name(Online::new(2, 1.5, GREEDY).map(drop)), "rate");
    assert_eq!(name(Online::new(2, 0.5, bad).map(drop)), "epsilon");
    assert_eq!(name(Naive::new(2, 0.5, 1, GREEDY).map(drop)), "steps");
    assert_eq!(name(Window::new(2, 1, GREEDY).map(drop)), "window");
    assert_eq!(name(Window::new(2, 5, Exploration::Boltzmann(-1.0)).map(drop)), "temperature");
    assert_eq!(name(Sampling::new(2, 0, 0.1).map(drop)), "window");
    let start = |config, losses: &[f64]| SelfPaced::start(config, losses).map(drop);
    let config = SelfPacedConfig::default();
    assert_eq!(name(start(SelfPacedConfig { initial_share: 0.0, ..config }, &[1.0])), "initial_share");
    assert_eq!(name(start(SelfPacedConfig { growth: 1.0, ..config }, &[1.0])), "growth");
    assert_eq!(name(start(config, &[])), "losses");
    assert_eq!(name(start(config, &[f64::NAN])), "losses");
}
