//! Worlds for transfer: four rooms, on a plane and on a grid, the reacher, the crawler.

use rekindle_envs::conformance::{Config, check, check_env, check_linear_reward};
use rekindle_envs::{
    Action, BlockReach, Body, CartPole, CartPoleBody, Crawler, Env, EnvFamily, FourRooms, FourRoomsEnv, GridRooms,
    GridRoomsEnv, Ground, LinearReward, RandomCartPoles, Reacher, Result, Space, Transition, stream_rng,
};

#[test]
fn they_run_the_suite() -> Result<()> {
    let config = Config::default();
    assert!(check(&FourRooms { horizon: 200 }, &config)?.truncated > 0);
    assert!(check(&GridRooms::default(), &config)?.truncated > 0);
    assert!(check(&Reacher { horizon: 50, ..Reacher::default() }, &config)?.truncated > 0);
    assert!(check(&RandomCartPoles::default(), &config)?.terminated > 0);
    for body in [Body::Cross, Body::Diagonal, Body::Tank] {
        assert!(check(&BlockReach { body, horizon: 60 }, &config)?.terminated > 0);
    }
    for ground in [Ground::Open, Ground::Wide, Ground::Narrow, Ground::UShaped] {
        check_env(&Crawler::new(ground, 50)?, &config)?;
    }
    check_env(&Crawler::with_gait(Ground::Open, 5, 50)?, &config)?;
    Ok(())
}

#[test]
fn rewards_are_linear_in_features_that_tasks_share() -> Result<()> {
    let config = Config { steps: 3000, ..Config::default() };
    check_linear_reward(&FourRooms::default(), &config)?;
    check_linear_reward(&GridRooms::default(), &config)?;
    check_linear_reward(&Reacher::default(), &config)
}

/// Plays numbered actions from a reset on; every step, up to the end of the episode.
fn play(env: &mut impl Env, actions: impl IntoIterator<Item = usize>) -> Result<Vec<Transition>> {
    let (mut obs, rng) = (vec![0.0; env.observation_space().size()], &mut stream_rng(0, 0));
    env.reset(rng, &mut obs)?;
    let mut steps = Vec::new();
    for action in actions {
        steps.push(env.step(Action::Discrete(action), rng, &mut obs)?);
        if steps.last().is_some_and(|step| step.done()) {
            break;
        }
    }
    Ok(steps)
}

/// From the start right to the object of class b in the corner, up through the door, and so on to the goal: two objects
/// on this way, read off the plan by hand.
#[test]
fn a_way_through_the_grid_collects_what_lies_on_it() -> Result<()> {
    let mut env = GridRoomsEnv::new(&[0.25, 0.5, -0.5])?;
    // Right 5 (b), up 2, right 4 through the door, up 8 through the upper one, right 3, up 2 to the goal.
    let way = [(1, 5), (2, 2), (1, 4), (2, 8), (1, 3), (2, 2)];
    let steps = play(&mut env, way.iter().flat_map(|&(action, n)| [action].repeat(n)))?;
    let paid: Vec<(usize, f32)> =
        steps.iter().map(|step| step.reward).enumerate().filter(|(_, reward)| *reward != 0.0).collect();
    assert_eq!(paid, [(4, 0.5), (23, 1.0)]);
    assert!(steps.last().is_some_and(|step| step.terminated) && steps.len() == 24);
    // Walls and edges hold, and nothing is taken twice.
    let steps = play(&mut env, [3, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1])?;
    assert_eq!((steps.iter().map(|step| step.reward).sum::<f32>(), env.position()), (0.5, [12, 5]));
    Ok(())
}

#[test]
fn plans_have_twelve_objects_four_of_each_class() {
    let count = |class: usize| FourRoomsEnv::objects().iter().filter(|object| object.1 == class).count();
    assert_eq!([0, 1, 2].map(count), [4; 3]);
    let signs: Vec<u8> = GridRoomsEnv::plan().flatten().copied().collect();
    assert_eq!([b'a', b'b', b'c'].map(|class| signs.iter().filter(|sign| **sign == class).count()), [4; 3]);
}

/// Moves are 0.05 long with a deviation of 0.005; nothing ever stands in a wall, or jumps over one.
#[test]
fn moves_in_the_plane_are_as_long_as_said_and_walls_hold() -> Result<()> {
    let mut env = FourRoomsEnv::new(&[0.0; 3])?;
    let (mut obs, rng) = ([0.0; 14], &mut stream_rng(3, 0));
    env.reset(rng, &mut obs)?;
    let mut moves = Vec::new();
    for _ in 0..2000 {
        env.set_position([0.25, 0.25]);
        env.step(Action::Discrete(1), rng, &mut obs)?;
        moves.push(env.position()[0] - 0.25);
    }
    let mean = moves.iter().sum::<f64>() / 2000.0;
    let deviation = (moves.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 2000.0).sqrt();
    // Standard errors 0.00011 and 0.00008.
    assert!((mean - 0.05).abs() < 0.0005 && (deviation - 0.005).abs() < 0.0004, "{mean} {deviation}");
    for (from, action, through) in [([0.46, 0.1], 1, false), ([0.46, 0.25], 1, true), ([0.25, 0.53], 3, true)] {
        env.set_position(from);
        (0..3).try_for_each(|_| env.step(Action::Discrete(action), rng, &mut obs).map(|_| ()))?;
        let crossed =
            (env.position()[0] - 0.5) * (from[0] - 0.5) < 0.0 || (env.position()[1] - 0.5) * (from[1] - 0.5) < 0.0;
        assert_eq!(crossed, through, "{from:?} to {:?}", env.position());
    }
    Ok(())
}

#[test]
fn the_goal_in_the_plane_pays_one_and_ends_the_episode() -> Result<()> {
    let mut env = FourRoomsEnv::new(&[0.5, -1.0, 0.0])?;
    let (mut obs, rng) = ([0.0; 14], &mut stream_rng(3, 0));
    env.reset(rng, &mut obs)?;
    env.set_position([0.77, 0.9]);
    let step = env.step(Action::Discrete(1), rng, &mut obs)?;
    assert_eq!((step.reward, step.terminated, env.features()), (1.0, true, &[0.0, 0.0, 0.0, 1.0][..]));
    // An object pays once an episode, and its bit says that it is gone.
    env.reset(rng, &mut obs)?;
    env.set_position([0.40, 0.35]);
    let paid: Vec<f32> =
        (0..2).map(|_| Ok(env.step(Action::Discrete(2), rng, &mut obs)?.reward)).collect::<Result<_>>()?;
    assert_eq!((paid, obs[3]), (vec![-1.0, 0.0], 1.0));
    Ok(())
}

/// δ by hand: stretched along x the tip is at 0.21, 0.01 from the target at 0.22.
#[test]
fn the_reacher_pays_by_distance() -> Result<()> {
    let mut env = Reacher::default().make(&4)?;
    assert!(Reacher::default().make(&12).unwrap_err().to_string().contains("`target` is 12"));
    assert!(Reacher { targets: [].into(), ..Reacher::default() }.make(&0).is_err());
    let (mut obs, rng) = ([0.0; 6], &mut stream_rng(0, 0));
    env.reset(rng, &mut obs)?;
    let mut inner = env.inner().clone();
    inner.set_angles([0.0, 0.0]);
    let step = inner.step(Action::Discrete(4), rng, &mut obs)?;
    assert!((step.reward - (1.0 - 4.0 * 0.01)).abs() < 1e-6);
    let expected = [0.07, 0.35].map(|distance| (1.0 - 4.0 * distance) as f32);
    assert!(inner.features().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
    // A torque on the first joint alone turns it to the left, and the second rod lags behind.
    inner.step(Action::Discrete(7), rng, &mut obs)?;
    assert!(obs[4] > 0.0 && obs[5] < 0.0, "{obs:?}");
    assert_eq!(inner.action_space(), Space::discrete(9));
    Ok(())
}

/// The gait along the narrow corridor: 14 pulls to within a stride of its end, 0.2 each, four steps a pull.
#[test]
fn the_crawler_walks_by_stretching_and_pulling() -> Result<()> {
    let mut env = Crawler::new(Ground::Narrow, 200)?;
    let (mut obs, rng) = ([0.0; 5], &mut stream_rng(0, 0));
    env.reset(rng, &mut obs)?;
    while obs[2] < 0.999 {
        env.step(Action::Discrete(0), rng, &mut obs)?;
    }
    let mut paid = Vec::new();
    for action in [2, 2, 2, 3].repeat(14) {
        let step = env.step(Action::Discrete(action), rng, &mut obs)?;
        paid.push(step.reward);
        if step.terminated {
            break;
        }
    }
    // 14 for the way gained, and 3/0.2 for the end.
    assert_eq!((paid.len(), paid.iter().filter(|reward| **reward != 0.0).count()), (14 * 4, 14));
    assert!((paid.iter().sum::<f32>() - 29.0).abs() < 1e-4);
    // Half a stretch pulls nothing, and neither does a pull into a wall.
    let mut env = Crawler::new(Ground::Narrow, 200)?;
    env.reset(rng, &mut obs)?;
    assert_eq!(play(&mut env, [2, 2, 3])?.iter().map(|step| step.reward).sum::<f32>(), 0.0);
    // A gait of five needs five stretches, of one that is zero nobody knows what it is.
    let mut slow = Crawler::with_gait(Ground::Open, 5, 200)?;
    assert_eq!(play(&mut slow, [2, 2, 2, 2, 3, 2, 2, 2, 2, 2, 3])?.iter().map(|step| step.reward).sum::<f32>(), 1.0);
    assert!(Crawler::with_gait(Ground::Open, 0, 200).is_err_and(|error| error.to_string().contains("gait")));
    let mut open = Crawler::new(Ground::Open, 400)?;
    let moved = play(&mut open, [2, 2, 2, 3].repeat(30))?.iter().map(|step| step.reward).sum::<f32>();
    let [x, y] = open.inner().position();
    assert!((10.0..30.0).contains(&moved) && x.abs().max(y.abs()) > 2.8, "{moved}");
    Ok(())
}

/// Whoever does as the expert says touches the block, with every body: the plane is 28 moves from corner to corner, and a tank
/// turns by 45° at most four times in a row.
#[test]
fn experts_touch_the_block_that_counts() -> Result<()> {
    for body in [Body::Cross, Body::Diagonal, Body::Tank] {
        for task in 0..BlockReach::TASKS {
            let (mut env, mut obs) = (BlockReach { body, horizon: 60 }.make(&task)?, [0.0; 10]);
            let rng = &mut stream_rng(task as u64, 0);
            for episode in 0..100 {
                env.reset(rng, &mut obs)?;
                let mut last = None;
                while last.is_none_or(|step: Transition| !step.done()) {
                    last = Some(env.step(Action::Discrete(env.inner().expert()), rng, &mut obs)?);
                }
                assert!(last.is_some_and(|step| step.terminated && step.reward == 1.0), "{body:?} {task} {episode}");
                let gap = f64::from(obs[2 * task]).hypot(f64::from(obs[2 * task + 1]));
                assert!(gap <= 0.1201, "{gap}");
            }
        }
    }
    Ok(())
}

/// Bodies lie within their bounds, half of them below the geometric mean; a stronger push moves the cart in proportion.
#[test]
fn bodies_of_cart_poles_are_drawn_and_matter() -> Result<()> {
    let family = RandomCartPoles::default();
    let bodies = family.sample_tasks(&mut stream_rng(1, 0), 2000)?;
    assert!(bodies.iter().all(|body| (3.3..=30.0).contains(&body.force) && (0.25..=2.0).contains(&body.half_length)));
    // Standard deviation of the count 22.
    let below = bodies.iter().filter(|body| body.force < (3.3_f64 * 30.0).sqrt()).count();
    assert!((900..1100).contains(&below), "{below}");
    let speed = |body: CartPoleBody| -> Result<f32> {
        let (mut env, mut obs) = (CartPole::with_body(body)?, [0.0; 4]);
        env.set_state([0.0; 4]);
        env.step(Action::Discrete(1), &mut stream_rng(0, 0), &mut obs)?;
        Ok(obs[1])
    };
    let usual = speed(CartPoleBody::default())?;
    let strong = speed(CartPoleBody { force: 20.0, ..CartPoleBody::default() })?;
    assert!((strong - 2.0 * usual).abs() < 1e-6 && usual > 0.0);
    let wrong = CartPole::with_body(CartPoleBody { pole_mass: 0.0, ..CartPoleBody::default() }).unwrap_err();
    assert!(wrong.to_string().contains("`pole_mass` is 0"));
    assert!(RandomCartPoles { force: [2.0, 1.0], ..family }.sample(&mut stream_rng(0, 0)).is_err());
    Ok(())
}

#[test]
fn rewards_that_are_no_numbers_are_refused() {
    for error in [FourRoomsEnv::new(&[0.0, f32::NAN, 0.0]).err(), GridRoomsEnv::new(&[0.0, f32::INFINITY, 0.0]).err()] {
        assert!(error.is_some_and(|error| error.to_string().contains("`rewards` is")));
    }
}
