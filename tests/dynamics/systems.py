"""Systems that the tests of the dynamics family know all about."""

import numpy as np
from scipy.integrate import solve_ivp

TURN = 0.95 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])


def spiral(start=(1.0, 0.0), n=40):
    return np.array([np.linalg.matrix_power(TURN, t) @ start for t in range(n)])


def flow(field, starts, dt, n_steps):
    """Trajectories (n_starts, n_steps + 1, d) of an ODE, to 1e-10."""
    times = dt * np.arange(n_steps + 1)
    paths = [
        solve_ivp(field, (0, times[-1]), x0, t_eval=times, rtol=1e-10, atol=1e-12).y.T
        for x0 in starts
    ]
    return np.stack(paths)


def duffing(t, x):
    return [x[1], -0.3 * x[1] + x[0] - x[0] ** 3]
