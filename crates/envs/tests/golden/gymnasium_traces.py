"""Traces of Gymnasium's classic control, as JSON: start, actions, and what every step gave.

    python gymnasium_traces.py SEED CASES STEPS

The file classic.json beside this one is the output of `python gymnasium_traces.py 1 1 150` with Gymnasium 1.4.0 and
numpy 2.4.6. Floats are printed with all their digits; observations and actions are f32 numbers.
"""

import json
import sys

import gymnasium
import numpy as np

NAMES = {
    "CartPole-v1": lambda rng: rng.uniform(-0.05, 0.05, 4),
    "Pendulum-v1": lambda rng: rng.uniform([-np.pi, -1], [np.pi, 1]),
    "MountainCar-v0": lambda rng: np.array([rng.uniform(-0.6, -0.4), 0.0]),
    "MountainCarContinuous-v0": lambda rng: np.array([rng.uniform(-0.6, -0.4), 0.0]),
}


def trace(name, rng, steps):
    env = gymnasium.make(name).unwrapped
    env.reset(seed=0)
    start = NAMES[name](rng)
    env.state = start.copy()
    discrete = isinstance(env.action_space, gymnasium.spaces.Discrete)
    out = {"env": name, "start": start.tolist(), "actions": [], "obs": [], "rewards": [], "terminated": []}
    obs = start
    while len(out["actions"]) < steps and not any(out["terminated"]):
        n = env.action_space.n if discrete else None
        action = int(rng.integers(n)) if discrete else rng.uniform(env.action_space.low, env.action_space.high)
        if name.startswith("MountainCar") and rng.random() < 0.9:
            # Mostly along with the motion, so that cars reach the goal.
            forward = obs[1] >= 0
            action = 2 * int(forward) if discrete else np.abs(action) * (1 if forward else -1)
        action = action if discrete else action.astype(np.float32)
        obs, reward, terminated, _, _ = env.step(action)
        out["actions"].append(action if discrete else action.tolist())
        out["obs"].append(obs.tolist())
        out["rewards"].append(float(reward))
        out["terminated"].append(terminated)
    return out


seed, cases, steps = map(int, sys.argv[1:])
rng = np.random.default_rng(seed)
print(json.dumps([trace(name, rng, steps) for name in NAMES for _ in range(cases)]))
