//! One student of the teachers of several games.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{DType, Device};
use rekindle_autodiff::Params;
use rekindle_envs::{CartPole, Catch, Env, GridConfig, GridEnv, GridMap, GridRewards, TimeLimit, VecEnv, stream_rng};
use rekindle_nn::Activation;
use rekindle_optim::{Adam, Schedule};
use rekindle_rl::{Backup, Net, QCollector, QConfig, QLearner};
use rekindle_transfer::policy::{FeatureNet, Mimic, MimicConfig, Plays, Teacher};

use super::actor_mimic_held_out::held_out;
use crate::{Context, Experiment, Plot, Series, Table};

pub(super) struct TransferActorMimic;

pub(super) const COPIES: usize = 8;
const TESTED: usize = 40;
/// Added to the seed of the training for the test's.
const TEST_SEED: u64 = 1000;

pub(super) type Game = Box<dyn Env + Send>;

/// A game, and how its teacher is trained.
pub(super) struct Setting {
    name: &'static str,
    pub(super) make: fn() -> Result<Game>,
    steps: [usize; 3],
    gamma: f64,
    /// τ of the teacher's policy.
    temperature: f64,
}

pub(super) const GAMES: [Setting; 4] = [
    Setting {
        name: "catch",
        make: || Ok(Box::new(Catch::default())),
        steps: [2_500, 3_000, 6_000],
        gamma: 0.95,
        temperature: 0.03,
    },
    Setting { name: "key-and-door", make: || grid(KEY), steps: [3_000, 5_000, 10_000], gamma: 0.95, temperature: 0.03 },
    Setting { name: "hazards", make: || grid(HAZARDS), steps: [2_000, 4_000, 8_000], gamma: 0.95, temperature: 0.03 },
    Setting {
        name: "cart-pole",
        make: || Ok(Box::new(CartPole::v1())),
        steps: [6_000, 12_000, 24_000],
        gamma: 0.98,
        temperature: 0.1,
    },
];

const KEY: &str = "S.#G\n..D.\n.k#.";
const HAZARDS: &str = "S.x.\n..x.\n....\n.xxG";

pub(super) fn grid(map: &str) -> Result<Game> {
    let rewards = GridRewards { step: -0.01, ..GridRewards::default() };
    let env = GridEnv::new(Arc::new(GridMap::parse(map)?), GridConfig { rewards, ..GridConfig::default() }, None)?;
    Ok(Box::new(TimeLimit::new(env, 50)?))
}

/// A game side by side with itself.
pub(super) fn copies(make: fn() -> Result<Game>) -> Result<VecEnv<Game>> {
    Ok(VecEnv::new((0..COPIES).map(|_| make()).collect::<Result<Vec<_>>>()?)?)
}

impl Experiment for TransferActorMimic {
    fn id(&self) -> &'static str {
        "transfer/actor-mimic"
    }

    fn title(&self) -> &'static str {
        "Actor-Mimic: one student of four teachers"
    }

    fn about(&self) -> &'static str {
        "A double DQN learns each of four games: catch, two small grid worlds (a key and a door, hazards), cart-pole. Then one net \
         of 128-64 learns from all four at once, from games that it plays itself: the cross-entropy to its teachers' policies, \
         `softmax(Q/τ)`, and with β = 0.01 a linear regression on their features. `distillation` leaves out the features and \
         learns from games that the teachers play. The figure is the student's return over its teacher's, both between a random \
         player's 0 and the teacher's 1, in 40 new episodes without exploration.\n\n\
         Then three games are learned that no teacher played, each shown in the inputs of one of the four, from a student's hidden \
         layers with a fresh last one, and from fresh weights (double DQN, ten seeds, alike in all else; a quick run has five and the first game alone): catch with left and right \
         swapped, hazards and goal elsewhere, a pole three times as long. `steps-ratio` is the steps until the mean return of 40 episodes \
         is 0.9, 0.6 and 200, over those from fresh weights of the same seed.\n\n\
         Source: Parisotto, Ba & Salakhutdinov 2016; Rusu et al. 2016. The papers play Atari games."
    }

    fn in_default_run(&self) -> bool {
        true
    }

    fn run(&self, ctx: &mut Context) -> Result<()> {
        let teachers = GAMES.iter().map(|game| teach(ctx, game)).collect::<Result<Vec<_>>>()?;
        let inputs = teachers.iter().map(|teacher| teacher.net.n_inputs()).sum();
        let actions = teachers.iter().map(|teacher| teacher.net.n_outputs()).max().unwrap_or(1);
        let net = FeatureNet::new(&[inputs, 128, 64], actions, Activation::Relu)?;
        let mut table = Table::new("Returns", ["game", "random", "teacher", "Actor-Mimic", "distillation"]);
        let (mut rows, mut students, mut curves) =
            (Vec::new(), Vec::new(), Plot::new("Students", "steps of each environment", "mean loss"));
        for (kind, config) in [("actor-mimic", MimicConfig::default()), ("distillation", MimicConfig::distillation())] {
            let Study { scores, losses, params } = study(ctx, &net, &teachers, &config, kind)?;
            curves = curves.series(Series::binned(kind, &losses, 100));
            rows.push(scores);
            students.push((kind, params));
        }
        let mut good = 0;
        for (i, game) in GAMES.iter().enumerate() {
            let random = random(game)?;
            let [mimic, distilled] = [&rows[0][i], &rows[1][i]];
            let share = |score: &Score| (score.student - random) / (score.teacher - random);
            ctx.metric(&format!("{}/of-expert", game.name), share(mimic), "ratio")?;
            ctx.metric(&format!("{}/distillation-of-expert", game.name), share(distilled), "ratio")?;
            good += usize::from(share(mimic) >= 0.9);
            let numbers = [random, mimic.teacher, mimic.student, distilled.student].map(|x| format!("{x:.2}"));
            table.row(std::iter::once(game.name.to_owned()).chain(numbers));
        }
        ctx.metric("games-at-90-percent", good as f64, "of-4")?;
        ctx.table(table)?;
        ctx.plot(curves.log_y())?;
        held_out(ctx, &net, &students)
    }
}

/// A teacher of one game, by double DQN.
fn teach(ctx: &Context, game: &Setting) -> Result<Teacher> {
    let steps = ctx.mode().of(game.steps);
    let envs = copies(game.make)?;
    let (inputs, actions) = (envs.observation_space().n_features(), envs.action_space().n_features());
    let net = FeatureNet::new(&[inputs, 64, 64], actions, Activation::Relu)?;
    let optimiser = Arc::new(Adam::new(Schedule::Linear { start: 2e-3, end: 1e-4, steps: steps as u64 }));
    let config = QConfig { gamma: game.gamma, backup: Backup::Double, optimiser, ..QConfig::default() };
    let learner = QLearner::new(net.clone(), actions, config)?;
    let rng = &mut stream_rng(0, 0);
    let mut state = learner.init(&net.init(rng, DType::F32, &Device::Cpu)?)?;
    let mut play = QCollector::new(envs, 1)?;
    let mut buffer = play.buffer(5_000)?;
    let progress = ctx.progress(&format!("teacher of {}", game.name), steps as u64);
    for step in 0..steps {
        let epsilon = (1.0 - 2.0 * step as f64 / steps as f64).max(0.05);
        play.step(&learner, &state.params, epsilon, &mut buffer)?;
        if step >= 50 {
            state = learner.update(&state, &buffer, rng)?.0;
        }
        progress.inc(1);
    }
    Ok(Teacher { net, params: state.params, temperature: game.temperature })
}

/// Mean returns in the test.
struct Score {
    student: f64,
    teacher: f64,
}

/// A student of all teachers.
struct Study {
    scores: Vec<Score>,
    /// Steps, and the loss before each.
    losses: Vec<(f64, f64)>,
    params: Params,
}

fn study(ctx: &Context, net: &FeatureNet, teachers: &[Teacher], config: &MimicConfig, kind: &str) -> Result<Study> {
    let steps = ctx.mode().of([3_000, 6_000, 20_000]);
    let mut games = Vec::new();
    for (game, teacher) in GAMES.iter().zip(teachers) {
        let envs = copies(game.make)?;
        games.push((teacher.clone(), envs));
    }
    let optimiser = Arc::new(Adam::new(Schedule::Linear { start: 1e-3, end: 1e-4, steps: steps as u64 }));
    let mut mimic = Mimic::new(net.clone(), games, MimicConfig { optimiser, ..config.clone() }, 5)?;
    let progress = ctx.progress(kind, steps as u64);
    let (rng, mut losses) = (&mut stream_rng(0, 3), Vec::new());
    for step in 0..steps {
        losses.push((step as f64, mimic.step(rng)?.loss));
        progress.inc(1);
    }
    let score = |i| -> Result<Score> {
        let mut test = |who| mimic.test(i, who, TESTED, TEST_SEED);
        Ok(Score { student: test(Plays::Student)?, teacher: test(Plays::Teacher)? })
    };
    let scores = (0..GAMES.len()).map(score).collect::<Result<Vec<_>>>()?;
    Ok(Study { scores, losses, params: mimic.params().sub_params("student")? })
}

/// Mean return of a random player.
fn random(game: &Setting) -> Result<f64> {
    let mut envs = VecEnv::new(vec![(game.make)()?])?;
    envs.reset(TEST_SEED)?;
    let (rng, mut total, mut episodes) = (&mut stream_rng(0, 4), 0.0, 0);
    while episodes < 200 {
        let actions = envs.action_space().sample_actions(rng, 1);
        let step = envs.step(actions.view())?;
        total += f64::from(step.reward[0]);
        episodes += usize::from(step.done(0));
    }
    Ok(total / 200.0)
}
