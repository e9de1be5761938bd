//! Schedules against values that were worked out by hand.

use rekindle_optim::Schedule;

use crate::assert_close;

fn at(schedule: &Schedule, steps: &[u64]) -> Vec<f64> {
    steps.iter().map(|&step| schedule.at(step)).collect()
}

#[test]
fn constant() {
    assert_eq!(at(&Schedule::from(0.3), &[0, 7, u64::MAX]), [0.3, 0.3, 0.3]);
}

#[test]
fn linear_ends_where_it_should_and_stays() {
    assert_close(&at(&Schedule::linear(1.0, 0.2, 4), &[0, 1, 2, 3, 4, 99]), &[1.0, 0.8, 0.6, 0.4, 0.2, 0.2], 1e-15);
}

#[test]
fn cosine_at_thirds() {
    // cos 60° = ½ and cos 120° = −½ leave three quarters and one quarter of the way.
    let schedule = Schedule::Cosine { start: 1.0, end: 0.2, steps: 3 };
    assert_close(&at(&schedule, &[0, 1, 2, 3, 4]), &[1.0, 0.8, 0.4, 0.2, 0.2], 1e-15);
}

#[test]
fn step_decay_halves() {
    let schedule = Schedule::StepDecay { start: 0.8, factor: 0.5, every: 3 };
    assert_eq!(at(&schedule, &[0, 2, 3, 5, 6, 9]), [0.8, 0.8, 0.4, 0.4, 0.2, 0.1]);
}

#[test]
fn warm_up_reaches_the_full_value_once_and_then_follows() {
    let schedule = Schedule::linear(1.0, 0.0, 2).after_warmup(3);
    assert_eq!(at(&schedule, &[0, 1, 2, 3, 4, 5, 6]), [0.25, 0.5, 0.75, 1.0, 0.5, 0.0, 0.0]);
    assert_eq!(Schedule::from(0.5).after_warmup(0).at(0), 0.5);
}
