//! The agents of RL²'s table of tabular MDPs, with the prior that reproduces it and with the right one.

use rekindle_rl::tabular::{
    Beb, Greedy, Opsrl, PlanRule, Planning, Prior, Psrl, QLearning, QLearningConfig, RandomAction, Slack, TabularAgent,
    Ucrl2,
};

use super::settings::{Row, Setting};

type Agents = Vec<Setting<dyn TabularAgent>>;

/// Every agent with the settings to choose from; published scores for 10, 25, 50, 75 and 100 episodes.
pub(super) fn rows() -> Vec<Row<dyn TabularAgent>> {
    let mut rows = as_published();
    rows.extend(with_the_right_prior());
    rows
}

/// As they reproduce the paper: prior mean rewards of 0.
fn as_published() -> Vec<Row<dyn TabularAgent>> {
    let row = |name, settings, published| Row { name, settings, published };
    let (usual, vague, ucrl2) = (Prior::published(), Prior::published_greedy(), Prior::published_ucrl2());
    let accumulating = |scaling| Ucrl2::new(scaling, Slack::Accumulating);
    let fresh = |scaling| Ucrl2::new(scaling, Slack::Fresh);
    vec![
        row("random", one(|| Box::new(RandomAction::default())), &[100.1, 250.2, 499.7, 749.9, 999.4]),
        row("psrl", planning(usual, "", &[0], |_| Psrl::default()), &[138.1, 408.8, 904.4, 1417.1, 1939.5]),
        row("opsrl", planning(usual, "draws", &[5, 10, 20], Opsrl::new), &[144.1, 425.2, 930.7, 1449.2, 1973.9]),
        row("ucrl2", planning(ucrl2, "c", &[0.2, 0.3, 0.4, 0.5], accumulating), &[146.6, 424.1, 918.9, 1427.6, 1942.1]),
        row("ucrl2-fresh", planning(ucrl2, "c", &[0.2, 0.3, 0.4, 0.5], fresh), &[]),
        row(
            "beb",
            planning(usual, "scaling", &[0.0005, 0.001, 0.0015, 0.002, 0.003], Beb::new),
            &[150.2, 427.8, 917.8, 1422.6, 1935.1],
        ),
        row(
            "epsilon-greedy",
            planning(vague, "ε", &[0.05, 0.1, 0.15, 0.2], Greedy::with_epsilon),
            &[132.8, 377.3, 823.3, 1293.9, 1778.2],
        ),
        row("greedy", planning(vague, "", &[0], |_| Greedy::default()), &[134.8, 368.8, 769.3, 1172.9, 1578.5]),
        row("q-learning", one(|| Box::new(QLearning::new(QLearningConfig::default()))), &[]),
    ]
}

/// With the distribution that the MDPs are drawn from, and with the equations as they stand.
fn with_the_right_prior() -> Vec<Row<dyn TabularAgent>> {
    let row = |name, settings| Row { name, settings, published: &[] };
    let right = Prior::right();
    let fresh = |scaling| Ucrl2::new(scaling, Slack::Fresh);
    vec![
        row("psrl-right", planning(right, "", &[0], |_| Psrl::default())),
        row("opsrl-right", planning(right, "draws", &[3, 5, 10], Opsrl::new)),
        row("ucrl2-right", planning(right, "c", &[0.05, 0.1, 0.15, 0.2], fresh)),
        row("beb-right", planning(right, "scaling", &[0.0, 0.0002, 0.0005, 0.001], Beb::new)),
        row("epsilon-greedy-right", planning(right, "ε", &[0.01, 0.02, 0.05], Greedy::with_epsilon)),
        row("greedy-right", planning(right, "", &[0], |_| Greedy::default())),
    ]
}

/// An agent without a hyper-parameter.
fn one(make: fn() -> Box<dyn TabularAgent>) -> Agents {
    vec![Setting { name: String::new(), make: Box::new(make) }]
}

/// An agent that plans by a rule with a number to choose; without a symbol, the number means nothing.
fn planning<T: Copy + ToString + Sync + 'static, R: PlanRule + 'static>(
    prior: Prior,
    symbol: &str,
    values: &[T],
    rule: fn(T) -> R,
) -> Agents {
    let name = |value: T| if symbol.is_empty() { String::new() } else { format!("{symbol} = {}", value.to_string()) };
    let setting = |&value: &T| Setting {
        name: name(value),
        make: Box::new(move || Box::new(Planning::new(rule(value), prior)) as Box<dyn TabularAgent>),
    };
    values.iter().map(setting).collect()
}
