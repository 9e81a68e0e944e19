"""
Duffing's oscillator with a motor
=================================

A mass in a double well, with friction, pushed by a motor: ``x'' = -0.3 x' + x - x^3 + u``. From
short runs with random pushes EDMD with control learns a model that is linear in polynomials of the
state and in the input. How far ahead does it see, on runs that it did not learn from?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import ForecastDisplay

STEP = 0.05


def run(x0, u):
    """Trajectory under inputs held for one step each, by Runge and Kutta's fourth-order rule."""

    def field(x, push):
        return np.stack([x[..., 1], -0.3 * x[..., 1] + x[..., 0] - x[..., 0] ** 3 + push], axis=-1)

    path = [x0]
    for push in u.T:
        x = path[-1]
        a = field(x, push)
        b = field(x + STEP / 2 * a, push)
        c = field(x + STEP / 2 * b, push)
        d = field(x + STEP * c, push)
        path.append(x + STEP / 6 * (a + 2 * b + 2 * c + d))
    return np.stack(path[:-1], axis=1)


rng = np.random.default_rng(0)
u = rng.uniform(-0.5, 0.5, size=(80, 100, 1)).repeat(2, axis=1)[:, :100]
paths = run(rng.uniform(-1.3, 1.3, size=(80, 2)), u[:, :, 0])
train, test = slice(0, 60), slice(60, 80)


def error(model, steps, relift):
    """Root mean squared error after some steps, on runs left out."""
    ahead = model.simulate(paths[test, 0], steps, u[test, :steps], relift=relift)[:, -1]
    return np.sqrt(np.mean((ahead - paths[test, steps]) ** 2))


models = {
    "state only (DMD)": KoopmanEDMD(time_step=STEP),
    "degree 3": KoopmanEDMD(PolynomialFeatures(3), time_step=STEP),
    "degree 5": KoopmanEDMD(PolynomialFeatures(5), time_step=STEP),
}
print(f"{'steps ahead':24s}" + "".join(f"{steps:10d}" for steps in (1, 10, 40)))
for name, model in models.items():
    model.fit(paths[train], u=u[train])
    for relift in (False, True):
        errors = "".join(f"{error(model, steps, relift):10.1e}" for steps in (1, 10, 40))
        print(f"{name + (', relift' if relift else ''):24s}{errors}")
still = "".join(
    f"{np.sqrt(np.mean((paths[test, steps] - paths[test, 0]) ** 2)):10.1e}" for steps in (1, 10, 40)
)
print(f"{'persistence':24s}{still}")

# %%
# Polynomials of a fixed degree are not invariant under this flow: a linear forecast drifts.
# Evaluating the observables anew at each step (``relift=True``) keeps what the model knows of the
# next step and no more.

fig, pair = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
model, case = models["degree 5"], 60
for ax, relift in zip(pair, (False, True), strict=True):
    ForecastDisplay.from_estimator(
        model, paths[case], u=u[case], relift=relift, kind="phase", ax=ax
    )
    ax.set(xlabel="position", ylabel="velocity", title=f"degree 5, relift={relift}")
plt.show()
