//! Four rooms: what four agents earn in a sequence of tasks.

use anyhow::Result;
use rand_chacha::ChaCha8Rng;
use rekindle_envs::{Action, Env, EnvFamily, FourRooms, FourRoomsEnv, GridRooms, LinearReward, TimeLimit, stream_rng};
use rekindle_transfer::successor::{
    Encoder, FeatureConfig, Given, LearnedFeatures, RadialBasis, Reuse, Sample, Sfql, SfqlConfig, Table, TaskAgent,
    TaskQConfig, TaskQLearning, TransitionFeatures, learn_features, play_task,
};

use super::canvas::{BLUE, Canvas, Colour, GREEN, GREY, ORANGE, PURPLE};
use crate::{Context, Image, ImageGrid, Plot, Series};

/// Rewards of the three classes.
type Rewards = [f32; 3];

/// Points of a curve in one task.
const PARTS: usize = 10;
/// Features of both worlds.
const FEATURES: usize = 4;
/// Tasks whose samples features are learned from.
const SOURCES: usize = 5;
/// Seeds of the runs, quick, standard and full, where the command line does not ask for more.
const SEEDS: [u64; 3] = [1, 3, 30];
/// Steps of an episode.
const HORIZON: usize = 200;
/// Where the weights of a new task begin.
const HOPE: f64 = 1.0;

pub(super) fn in_the_plane(ctx: &mut Context) -> Result<()> {
    let sizes = ctx.mode().of([(12, 20_000), (20, 20_000), (250, 20_000)]);
    let family = FourRooms { horizon: HORIZON };
    let encoder = RadialBasis { crossed: true, ..RadialBasis::default() };
    let bench = Rooms { name: "four-rooms", family: &family, encoder, rate: 0.3, sizes };
    let (agent, tasks) = bench.compare(ctx, true)?;
    paths(ctx, agent, &tasks)
}

pub(super) fn on_a_grid(ctx: &mut Context) -> Result<()> {
    let sizes = ctx.mode().of([(12, 20_000), (20, 20_000), (250, 20_000)]);
    let family = GridRooms { horizon: HORIZON };
    let bench = Rooms { name: "four-rooms-grid", family: &family, encoder: Table::default(), rate: 0.5, sizes };
    bench.compare(ctx, false)?;
    Ok(())
}

/// A world of rooms, with what agents are made of there.
struct Rooms<'a, F, E> {
    name: &'static str,
    family: &'a F,
    encoder: E,
    rate: f64,
    /// Tasks, and transitions in each.
    sizes: (usize, usize),
}

/// Sums of rewards: of every task, and of every part of it.
#[derive(Default)]
struct Earned {
    tasks: Vec<f64>,
    parts: Vec<f64>,
}

impl Earned {
    fn mean(&self) -> f64 {
        self.tasks.iter().sum::<f64>() / self.tasks.len() as f64
    }
}

impl<F, E> Rooms<'_, F, E>
where
    F: EnvFamily<Task = Rewards>,
    F::Env: LinearReward,
    E: Encoder + Clone,
{
    /// All agents with all seeds; the SFQL agent of the first seed, and its tasks.
    fn compare(&self, ctx: &mut Context, learned: bool) -> Result<(Sfql<E, Given>, Vec<Rewards>)> {
        let (n_tasks, steps) = self.sizes;
        let names =
            ["sfql", "sfql-learned", "prql", "ql"].into_iter().filter(|name| learned || *name != "sfql-learned");
        let mut curves: Vec<(&str, Vec<f64>)> = names.map(|name| (name, vec![0.0; n_tasks * PARTS])).collect();
        let (mut first, n_seeds) = (None, ctx.seeds().end.max(ctx.mode().of(SEEDS)));
        let progress = ctx.progress(self.name, n_seeds * curves.len() as u64);
        for seed in 0..n_seeds {
            let tasks = self.family.sample_tasks(&mut stream_rng(seed, 0), n_tasks)?;
            let mut means = Vec::new();
            for (name, curve) in &mut curves {
                let earned = match *name {
                    "sfql" => {
                        let mut agent = self.sfql(Given(FEATURES), HOPE)?;
                        let earned = self.play(&mut agent, &tasks, seed)?;
                        first.get_or_insert((agent, tasks.clone()));
                        earned
                    }
                    "sfql-learned" => self.play(&mut self.sfql(self.features(seed)?, 0.0)?, &tasks, seed)?,
                    "prql" => self.play(&mut self.q_learning(Some(Reuse::default()))?, &tasks, seed)?,
                    _ => self.play(&mut self.q_learning(None)?, &tasks, seed)?,
                };
                curve.iter_mut().zip(&earned.parts).for_each(|(mean, part)| *mean += part / n_seeds as f64);
                ctx.seed_metric(seed, &format!("{}/{name}/return", self.name), earned.mean(), "reward")?;
                means.push((*name, earned.mean()));
                progress.inc(1);
            }
            let of = |name: &str| means.iter().find(|mean| mean.0 == name).map_or(f64::NAN, |mean| mean.1);
            ctx.seed_metric(seed, &format!("{}/sfql-over-ql", self.name), of("sfql") / of("ql"), "ratio")?;
            ctx.seed_metric(seed, &format!("{}/sfql-over-prql", self.name), of("sfql") / of("prql"), "ratio")?;
        }
        let x = |part: usize| (part as f64 + 0.5) * steps as f64 / PARTS as f64;
        let mut plot =
            Plot::new(self.name, "transitions, all tasks in a row", format!("reward in {} of them", steps / PARTS));
        for (name, curve) in curves {
            let points: Vec<(f64, f64)> = curve.into_iter().enumerate().map(|(i, y)| (x(i), y)).collect();
            plot = plot.series(Series::binned(name, &points, 200));
        }
        ctx.plot(plot.caption("Means over seeds."))?;
        first.ok_or_else(|| anyhow::anyhow!("there is at least one seed"))
    }

    fn sfql<P: TransitionFeatures>(&self, features: P, initial_weight: f64) -> Result<Sfql<E, P>> {
        let config = SfqlConfig { rate: self.rate, weight_rate: self.rate, initial_weight, ..SfqlConfig::default() };
        Ok(Sfql::new(self.encoder.clone(), features, 4, config)?)
    }

    fn q_learning(&self, reuse: Option<Reuse>) -> Result<TaskQLearning<E>> {
        Ok(TaskQLearning::new(
            self.encoder.clone(),
            4,
            TaskQConfig { rate: self.rate, reuse, ..TaskQConfig::default() },
        )?)
    }

    fn play(&self, agent: &mut dyn TaskAgent, tasks: &[Rewards], seed: u64) -> Result<Earned> {
        let (chances, thoughts) = (&mut stream_rng(seed, 1), &mut stream_rng(seed, 2));
        let mut earned = Earned::default();
        for task in tasks {
            let record = play_task(agent, &mut self.family.make(task)?, (self.sizes.1, PARTS), chances, thoughts)?;
            earned.tasks.push(record.total);
            earned.parts.extend(record.parts);
        }
        Ok(earned)
    }

    /// Features from what a Q-learner meets in other tasks.
    fn features(&self, seed: u64) -> Result<LearnedFeatures<E>> {
        let (chances, thoughts) = (&mut stream_rng(seed, 3), &mut stream_rng(seed, 4));
        let mut samples = Vec::new();
        for task in self.family.sample_tasks(&mut stream_rng(seed, 5), SOURCES)? {
            let mut agent = self.q_learning(None)?;
            samples.push(self.samples(&mut agent, &task, [chances, thoughts])?);
        }
        Ok(learn_features(self.encoder.clone(), &samples, &FeatureConfig::default(), thoughts)?.0)
    }

    /// All transitions of one task.
    fn samples(
        &self,
        agent: &mut TaskQLearning<E>,
        task: &Rewards,
        [chances, thoughts]: [&mut ChaCha8Rng; 2],
    ) -> Result<Vec<Sample>> {
        let mut recorder = Recorder { env: self.family.make(task)?, obs: Vec::new(), samples: Vec::new() };
        play_task(agent, &mut recorder, (self.sizes.1 / 2, 1), chances, thoughts)?;
        Ok(recorder.samples)
    }
}

/// An environment that writes down what happens in it.
struct Recorder<E> {
    env: E,
    obs: Vec<f32>,
    samples: Vec<Sample>,
}

impl<E: LinearReward> Env for Recorder<E> {
    fn observation_space(&self) -> rekindle_envs::Space {
        self.env.observation_space()
    }

    fn action_space(&self) -> rekindle_envs::Space {
        self.env.action_space()
    }

    fn reset(&mut self, rng: &mut dyn rand::RngCore, obs: &mut [f32]) -> rekindle_envs::Result<()> {
        self.env.reset(rng, obs)?;
        self.obs = obs.to_vec();
        Ok(())
    }

    fn step(
        &mut self,
        action: Action<'_>,
        rng: &mut dyn rand::RngCore,
        obs: &mut [f32],
    ) -> rekindle_envs::Result<rekindle_envs::Transition> {
        let step = self.env.step(action, rng, obs)?;
        let before = std::mem::replace(&mut self.obs, obs.to_vec());
        self.samples.push(Sample { obs: before, next_obs: obs.to_vec(), reward: f64::from(step.reward) });
        Ok(step)
    }
}

impl<E: LinearReward> LinearReward for Recorder<E> {
    fn weights(&self) -> &[f32] {
        self.env.weights()
    }

    fn features(&self) -> &[f32] {
        self.env.features()
    }
}

/// Ways of the agent in four kinds of tasks whose weights it is told, and has not been trained on.
fn paths(ctx: &mut Context, mut agent: Sfql<RadialBasis, Given>, tasks: &[Rewards]) -> Result<()> {
    let told: [(&str, Rewards); 4] = [
        ("all pay", [1.0, 1.0, 1.0]),
        ("orange alone", [1.0, -1.0, -1.0]),
        ("blue alone", [-1.0, 1.0, -1.0]),
        ("purple alone", [-1.0, -1.0, 1.0]),
    ];
    let mut images = Vec::new();
    for (name, rewards) in told {
        let thoughts = &mut stream_rng(9, 0);
        agent.begin_task(thoughts)?;
        let [a, b, c] = rewards.map(f64::from);
        agent.set_weights(&[a, b, c, 1.0])?;
        images.push(walk(&mut agent, FourRooms { horizon: HORIZON }.make(&rewards)?, name)?);
    }
    let caption = format!(
        "After {} other tasks; weights are told, nothing is learned on the way. Objects of the three classes in orange, blue and \
         purple, the goal in green.",
        tasks.len()
    );
    ctx.images(ImageGrid::new("Ways through four rooms").row("", images).caption(caption));
    Ok(())
}

/// One episode, seen from above.
fn walk(agent: &mut Sfql<RadialBasis, Given>, mut env: TimeLimit<FourRoomsEnv>, name: &str) -> Result<Image> {
    const CLASSES: [Colour; 3] = [ORANGE, BLUE, PURPLE];
    let (chances, thoughts) = (&mut stream_rng(9, 1), &mut stream_rng(9, 2));
    let (mut obs, mut way, mut total) = ([0.0; 14], Vec::new(), 0.0);
    env.reset(chances, &mut obs)?;
    loop {
        way.push(env.inner().position());
        let step = env.step(Action::Discrete(agent.act(&obs, thoughts)?), chances, &mut obs)?;
        total += step.reward;
        if step.done() {
            way.push(env.inner().position());
            break;
        }
    }
    let mut canvas = Canvas::new([0.5, 0.5], 0.5);
    for [left, right, lower, upper] in FourRoomsEnv::walls() {
        canvas.rectangle([*left, *lower], [*right, *upper], GREY);
    }
    let (goal, radius) = FourRoomsEnv::goal();
    canvas.disc(goal, 112.0 * radius, GREEN);
    for (place, class) in FourRoomsEnv::objects() {
        canvas.disc(*place, 4.5, CLASSES[*class]);
    }
    canvas.path(&way, 1.5, [0.2; 3]);
    canvas.image(format!("{name}: {total:.1} in {} steps", way.len() - 1))
}
