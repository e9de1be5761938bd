//! Teachers of decimal addition.

use std::collections::BTreeMap;

use anyhow::Result;
use candle_core::Device;
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand_chacha::ChaCha8Rng;
use rekindle_autodiff::Params;
use rekindle_optim::{Adam, Chain, ClipNorm, Transform};
use rekindle_transfer::curriculum::{Exploration, HandMade, Mixture, Naive, Online, Sampling, Teacher, Window};

use super::addition::Adder;
use super::descent::descend_once;
use crate::{Context, Experiment, Plot, Series, Table};

pub(super) struct CurriculumTeacher;

/// Units of the student.
const UNITS: usize = 64;

const BATCH: usize = 64;

/// Steps between two looks of the teacher, and the sums of each task that it looks at.
const LOOK_EVERY: u64 = 50;
const LOOKED_AT: usize = 256;

/// The share of sums, over all lengths alike, that must be right in all digits.
const GOAL: f64 = 0.95;

impl Experiment for CurriculumTeacher {
    fn id(&self) -> &'static str {
        "curriculum/teacher"
    }

    fn title(&self) -> &'static str {
        "Teachers of decimal addition"
    }

    fn about(&self) -> &'static str {
        "A student, a GRU of 64 units, reads two numbers digit by digit, the highest first, and answers the digits of their sum, the lowest \
         first. Tasks are the lengths of the numbers. Every 50 steps a teacher sees the share of right digits in each task and decides \
         how the lengths are mixed in the next batches (Matiisen et al. 2017, the batch version). The figure is the number of steps \
         until 95 % of sums, over all lengths alike, are right in every digit, at most those of the run.\n\n\
         - `longest`: the longest numbers alone, no curriculum. `random`: all lengths alike.\n\
         - `hand-made`: on to the next length at 95 % of the digits, with a fifth of the batch for those before.\n\
         - `online`, `naive`, `window`, `sampling`: the paper's bandits, rewarded by progress.\n\n\
         `gain` is the steps of the random order over the mean steps of the four bandits, `gain-hand-made` over those of the hand-made \
         order; above 1 a teacher pays.\n\n\
         Differs from the paper: shorter numbers (3 digits quick, 5 standard, 9 full), a GRU that reads pairs of digits instead of an \
         LSTM that reads text, batches of 64 instead of 4,096, progress in digits instead of in whole sums."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        for seed in ctx.seeds() {
            run(ctx, seed)?;
        }
        Ok(())
    }
}

/// Names and teachers for `n` tasks.
fn teachers(n: usize) -> Result<Vec<(&'static str, Box<dyn Teacher>)>> {
    let explore = Exploration::EpsilonGreedy(0.3);
    Ok(vec![
        ("longest", Box::new(Mixture::only(n - 1, n)?)),
        ("random", Box::new(Mixture::uniform(n)?)),
        ("hand-made", Box::new(HandMade::new(n, 0.95, 0.2)?)),
        ("online", Box::new(Online::new(n, 0.3, explore)?)),
        ("naive", Box::new(Naive::new(n, 0.3, 3, explore)?)),
        ("window", Box::new(Window::new(n, 8, explore)?)),
        ("sampling", Box::new(Sampling::new(n, 8, 0.3)?)),
    ])
}

const BANDITS: [&str; 4] = ["online", "naive", "window", "sampling"];

fn run(ctx: &mut Context, seed: u64) -> Result<()> {
    let adder = Adder::new(ctx.mode().of([3, 5, 9]), UNITS)?;
    let most = ctx.mode().of([8_000, 40_000, 400_000]);
    let mut plot = Plot::new("Sums that are right in every digit", "step", "%");
    let mut table = Table::new("Steps to 95 %", ["teacher", "steps", "at the end, %"]);
    let mut all = BTreeMap::new();
    for (name, mut teacher) in teachers(adder.longest)? {
        let lesson = Lesson { adder: &adder, most, seed };
        let (steps, curve) = lesson.teach(ctx, name, teacher.as_mut())?;
        ctx.seed_metric(seed, &format!("{name}/steps"), steps as f64, "steps")?;
        let last = curve.last().map_or(0.0, |at| at.1);
        table.row([name.to_owned(), steps.to_string(), format!("{last:.1}")]);
        plot = plot.series(Series::binned(name, &curve, 60));
        all.insert(name, steps as f64);
    }
    let bandits = BANDITS.iter().map(|name| all[name]).sum::<f64>() / BANDITS.len() as f64;
    ctx.seed_metric(seed, "gain", all["random"] / bandits, "1")?;
    ctx.seed_metric(seed, "gain-hand-made", all["random"] / all["hand-made"], "1")?;
    if seed == 0 {
        ctx.plot(plot)?;
        ctx.table(table)?;
    }
    Ok(())
}

/// A student, the most steps of its training, and its seed.
struct Lesson<'a> {
    adder: &'a Adder,
    most: u64,
    seed: u64,
}

impl Lesson<'_> {
    /// Steps until the goal, at most all, and the share of right sums on the way, in per cent.
    fn teach(&self, ctx: &Context, name: &str, teacher: &mut dyn Teacher) -> Result<(u64, Vec<(f64, f64)>)> {
        let Self { adder, most, seed } = *self;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut params = adder.init(&mut rng, ctx.device())?;
        let optimiser = Chain::new().then(ClipNorm::new(2.0)).then(Adam::new(2e-3));
        let (mut state, mut curve) = (optimiser.init(&params)?, Vec::new());
        let bar = ctx.progress(name, most);
        for step in (0..most).step_by(LOOK_EVERY as usize) {
            let shares = WeightedIndex::new(teacher.probabilities(&mut rng))?;
            for _ in 0..LOOK_EVERY {
                let tasks: Vec<usize> = (0..BATCH).map(|_| shares.sample(&mut rng)).collect();
                let sums = adder.draw(&tasks, &mut rng, ctx.device())?;
                let loss = |leaves: &Params| adder.loss(leaves, &sums);
                (params, state, _) = descend_once(&optimiser, &params, &state, loss)?;
            }
            let right = self.look(&params, teacher, (step, ctx.device()))?;
            bar.message(format!("{:.0} % right", 100.0 * right));
            bar.set(step + LOOK_EVERY);
            curve.push(((step + LOOK_EVERY) as f64, 100.0 * right));
            if right >= GOAL {
                return Ok((step + LOOK_EVERY, curve));
            }
        }
        Ok((most, curve))
    }

    /// Tells the teacher each task's score, and answers the share of right sums over all tasks alike.
    fn look(&self, params: &Params, teacher: &mut dyn Teacher, (step, device): (u64, &Device)) -> Result<f64> {
        // A stream of its own: what the teacher looks at is the same for all teachers, and never trained on by design.
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x7e57);
        rng.set_stream(step);
        let mut whole = 0.0;
        for task in 0..self.adder.longest {
            let sums = self.adder.draw(&[task; LOOKED_AT], &mut rng, device)?;
            let (digits, right) = self.adder.scores(params, &sums)?;
            teacher.observe(task, digits)?;
            whole += right / self.adder.longest as f64;
        }
        Ok(whole)
    }
}
