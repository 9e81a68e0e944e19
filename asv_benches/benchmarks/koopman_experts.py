"""What an expert would use instead of KoopmanEDMD: forecasts of series, and modes under noise.

The peers are those of statsmodels, statsforecast and PyDMD, and ESPRIT, Prony and maximum
likelihood, written out below. Four series come with statsmodels, one from the folder of real data,
one is simulated.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.util import find_spec

import numpy as np
from scipy.optimize import least_squares, linear_sum_assignment
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.datasets import DatasetUnavailableError, fetch_motor_imagery
from subspace_learn.dynamics import DelayDictionary, multi_step_score

from .common import Quality, mean_and_error

N_ORIGINS = 10

# --- series -------------------------------------------------------------------------------------


def vibration(seed):
    """A machine that turns: three tones of no common period, and noise of deviation .3."""
    rng, t = np.random.default_rng(seed), np.arange(400)
    tones = [(17.3, 1.0), (7.9, 0.7), (31.7, 0.5)]
    phases = rng.uniform(0, 2 * np.pi, 3)
    waves = [a * np.sin(2 * np.pi * t / p + f) for (p, a), f in zip(tones, phases, strict=True)]
    return (sum(waves) + 0.3 * rng.normal(size=len(t)))[:, None]


def of_statsmodels(name):
    """A series that comes with statsmodels, of shape (n_times, n_features)."""
    if find_spec("statsmodels") is None:
        raise NotImplementedError("statsmodels, which has the series, is not installed")
    from statsmodels import datasets

    table = getattr(datasets, name).load_pandas().data
    if name == "co2":
        return table.resample("MS").mean().ffill().to_numpy()
    if name == "macrodata":
        parts = table[["realgdp", "realcons", "realinv"]].to_numpy()
        return 100 * np.diff(np.log(parts), axis=0)
    if name == "elnino":
        return table.iloc[:, 1:].to_numpy().reshape(-1, 1)
    return table[["SUNACTIVITY"]].to_numpy()


def eeg_epochs():
    try:
        epochs = fetch_motor_imagery(1).data[20 : 20 + N_ORIGINS, ::4]
    except DatasetUnavailableError as error:
        raise NotImplementedError(str(error)) from error
    return np.swapaxes(epochs, 1, 2).astype(float)


@cache
def origins(name, window, ahead, step):
    """Pairs of what is known, ``window`` times, and the ``ahead`` that follow."""
    if name in ("vibration", "eeg"):
        whole = map(vibration, range(N_ORIGINS)) if name == "vibration" else eeg_epochs()
        return [(x[:window], x[window : window + ahead]) for x in whole]
    x = of_statsmodels(name)
    first = len(x) - ahead - (N_ORIGINS - 1) * step
    starts = range(first, len(x) - ahead + 1, step)
    return [(x[i - window : i], x[i : i + ahead]) for i in starts]


# --- forecasts ----------------------------------------------------------------------------------


def last_season(x, ahead, season):
    return np.resize(x[-season:], (ahead, x.shape[1]))


def delays(n):
    """A linear model of the last n + 1 states and a constant."""
    return KoopmanEDMD(DelayDictionary(n, dictionary=PolynomialFeatures(1)))


def continued(model, x, ahead):
    return model.simulate(x[None, -model.dictionary_.window_ :], ahead)[0]


def choices(x, season):
    """Numbers of delays to choose from."""
    if season > 1:
        return [season // 2, season, 2 * season, 3 * season]
    return [1, 3, 7, 15] if x.shape[1] > 1 else [7, 15, 31, 63]


def chosen_delays(x, ahead, season):
    """Delays by two splits in time, scored half way to the horizon: errors are means over it."""
    numbers = choices(x, season)
    size = max(len(x) // 5, numbers[-1] + ahead + 5)
    search = GridSearchCV(
        delays(1),
        {"dictionary__n_delays": numbers},
        cv=TimeSeriesSplit(2, test_size=size),
        scoring=partial(multi_step_score, n_steps=ahead // 2),
        error_score=-np.inf,
    )
    return continued(search.fit(x).best_estimator_, x, ahead)


def differenced(x, ahead, season):
    """The same on first differences, added up again."""
    return x[-1] + np.cumsum(chosen_delays(np.diff(x, axis=0), ahead, season), axis=0)


def autoregression(x, ahead, season):
    """Order by AIC, as many lags to choose from as we have delays."""
    most = choices(x, season)[-1] + 1
    if x.shape[1] == 1:
        from statsmodels.tsa.ar_model import ar_select_order

        order = ar_select_order(x[:, 0], maxlag=most, ic="aic")
        return order.model.fit().forecast(ahead)[:, None]
    from statsmodels.tsa.api import VAR

    fit = VAR(x).fit(maxlags=most, ic="aic")
    return fit.forecast(x[-max(fit.k_ar, 1) :], ahead)


def automatic(name, x, ahead, season):
    """A model of statsforecast, channel by channel."""
    from statsforecast import models

    model = getattr(models, name)(season_length=season)
    columns = (np.ascontiguousarray(column) for column in x.T)
    return np.stack([model.forecast(y=y, h=ahead)["mean"] for y in columns], axis=1)


class ExpertsForecast(Quality):
    """What an expert would use instead: forecasts, mean absolute error over the horizon as a
    multiple of that of the last season repeated (of the last value where there is no season)

    Ten origins, mean and its standard error. Every method sees the same window and nothing else.
    Delays are chosen within it, from as many as the autoregression has lags to choose from.
    Errors count in deviations of each channel. The periods 17.3, 7.9 and 31.7 of the vibration
    are told to nobody. How delays are chosen was settled on these series, the choice was not.
    """

    may_use = ("statsmodels", "statsforecast")
    case_name = "series, known, ahead"
    cases = {
        "vibration (simulated), 360, 40": ("vibration", 360, 40, 0, 1),
        "CO2 of Mauna Loa, 240 months, 12": ("co2", 240, 12, 12, 12),
        "sea surface El Nino, 240 months, 12": ("elnino", 240, 12, 13, 12),
        "sunspots, 180 years, 11": ("sunspots", 180, 11, 11, 11),
        "growth of the US economy (3), 120 quarters, 8": ("macrodata", 120, 8, 7, 1),
        "EEG (6), 400 of 160 a second, 10": ("eeg", 400, 10, 0, 1),
    }
    seeds = N_ORIGINS
    digits = 2
    transposed = True
    summary = staticmethod(mean_and_error)

    def make_data(self, case, seed):
        *where, season = case
        pairs = origins(*where)
        unit = [self.error(x, future, last_season(x, len(future), season)) for x, future in pairs]
        x, future = pairs[seed]
        return x, future, season, np.mean(unit)

    @staticmethod
    def error(x, future, forecast):
        return np.mean(np.abs(forecast - future) / x.std(axis=0))

    def methods(self, data):
        x, future, season, _ = data
        task = x, len(future), season
        fixed = 2 * season if season > 1 else 15
        calls = {
            "KoopmanEDMD, delays chosen": lambda: chosen_delays(*task),
            "KoopmanEDMD, two seasons of delays, or 15": lambda: continued(
                delays(fixed).fit(x), x, len(future)
            ),
            "KoopmanEDMD, the state alone": lambda: (
                KoopmanEDMD().fit(x).simulate(x[-1:], len(future))[0]
            ),
            "last season, or last value": lambda: last_season(*task),
            "last value": lambda: last_season(x, len(future), 1),
        }
        if find_spec("statsmodels") is not None:
            calls["(vector) autoregression, order by AIC"] = lambda: autoregression(*task)
        if find_spec("statsforecast") is not None:
            calls["ETS, chosen by itself"] = lambda: automatic("AutoETS", *task)
            calls["AutoARIMA"] = lambda: automatic("AutoARIMA", *task)
        return calls

    def score(self, data, forecast):
        x, future, _, unit = data
        return self.error(x, future, forecast) / unit


class ExpertsDifferences(ExpertsForecast):
    """What an expert would do first: the same error where steps from time to time are forecast, and
    added up, in place of the series; delays chosen"""

    may_use = ("statsmodels",)
    cases = dict(list(ExpertsForecast.cases.items())[:4])
    transposed = False

    def methods(self, data):
        x, future, season, _ = data
        task = x, len(future), season
        return {
            "KoopmanEDMD, of the series": lambda: chosen_delays(*task),
            "KoopmanEDMD, of differences": lambda: differenced(*task),
        }


# --- modes --------------------------------------------------------------------------------------

N_TIMES = 200
RATES = np.array([-0.005, -0.01, -0.02]) + 2j * np.pi * np.array([0.05, 0.12, 0.14])
AMPLITUDES = 0.5 * np.exp([0.3j, 1j, 2j])


def cramer_rao(deviation):
    """Least deviation of an unbiased estimate of each rate, in the plane of complex numbers."""
    t = np.arange(N_TIMES)[:, None]
    waves = np.exp(t * RATES)
    moved = [part for a in (AMPLITUDES * t * waves, waves) for part in (a.real, -a.imag)]
    variances = np.linalg.inv(np.hstack(moved).T @ np.hstack(moved) * 4).diagonal()
    return deviation * np.sqrt(variances[:3] + variances[3:6])


def windows(x, length):
    return np.lib.stride_tricks.sliding_window_view(x, length)


def esprit(x, length=67, rank=6):
    """Shift invariance of the leading right singular vectors, by total least squares."""
    V = np.linalg.svd(windows(x, length), full_matrices=False)[2][:rank].T
    W = np.linalg.svd(np.hstack([V[:-1], V[1:]]))[2].T
    turn = -W[:rank, rank:] @ np.linalg.inv(W[rank:, rank:])
    return np.log(np.linalg.eigvals(turn).astype(complex))


def prony(x, rank=6):
    """Roots of the polynomial of a linear prediction."""
    H = windows(x, rank + 1)
    prediction = np.linalg.lstsq(H[:, :rank], -H[:, rank])[0]
    return np.log(np.roots(np.r_[1, prediction[::-1]]).astype(complex))


def maximum_likelihood(x):
    """Nonlinear least squares from ESPRIT, amplitudes projected out."""
    start, t = esprit(x), np.arange(len(x))
    start = start[start.imag > 0]

    def residual(parts):
        waves = np.exp(np.outer(t, np.reshape(parts, (2, -1)).T @ [1, 1j]))
        basis = np.hstack([waves.real, waves.imag])
        return basis @ np.linalg.lstsq(basis, x)[0] - x

    found = least_squares(residual, np.r_[start.real, start.imag], x_scale="jac").x
    return np.reshape(found, (2, -1)).T @ [1, 1j]


def optimised_dmd(x, length):
    from pydmd import BOPDMD
    from pydmd.preprocessing import hankel_preprocessing

    inner = BOPDMD(svd_rank=6, num_trials=0, eig_constraints={"conjugate_pairs"})
    model = hankel_preprocessing(inner, d=length)
    return model.fit(x[None], t=np.arange(len(x) - length + 1)).eigs


class ExpertsModes(Quality):
    """What an expert would use instead: rates of three damped tones in 200 samples of one channel,
    root mean square error over the Cramer-Rao bound

    Frequencies .05, .12 and .14 and dampings .005, .01 and .02 a sample, fifty draws of white
    noise, with the standard error. 1 is the least that an unbiased estimate can have. All methods
    are told that there are three tones; of what a method finds, the three nearest count.
    """

    may_use = ("pydmd",)
    case_name = "signal to noise"
    cases = {f"{level} dB": level for level in (40, 20, 10, 5)}
    seeds = 50
    digits = 2
    transposed = True

    @staticmethod
    def summary(squares, digits):
        """Root of the mean, and its standard error to first order."""
        root = np.mean(squares) ** 0.5
        error = np.std(squares, ddof=1) / len(squares) ** 0.5 / (2 * root)
        return f"{root:.3g} ± {error:.1g}"

    def make_data(self, level, seed):
        clean = 2 * (np.exp(np.outer(np.arange(N_TIMES), RATES)) @ AMPLITUDES).real
        deviation = clean.std() * 10 ** (-level / 20)
        noise = np.random.default_rng(seed).normal(size=N_TIMES)
        return clean + deviation * noise, cramer_rao(deviation)

    def methods(self, data):
        x, _ = data

        def koopman(n_delays):
            model = KoopmanEDMD(DelayDictionary(n_delays), n_components=6)
            return model.fit(x[:, None]).continuous_eigenvalues_

        calls = {
            "KoopmanEDMD, 66 delays, n_components=6": lambda: koopman(66),
            "KoopmanEDMD, 5 delays": lambda: koopman(5),
            "Prony, linear prediction of order 6": lambda: prony(x),
            "ESPRIT, windows of 67": lambda: esprit(x),
            "maximum likelihood from ESPRIT": lambda: maximum_likelihood(x),
        }
        if find_spec("pydmd") is not None:
            calls["PyDMD BOPDMD, 20 delays"] = lambda: optimised_dmd(x, 20)
            calls["PyDMD BOPDMD, 67 delays"] = lambda: optimised_dmd(x, 67)
        return calls

    def score(self, data, rates):
        gaps = np.abs(np.asarray(rates) - RATES[:, None])
        rows, nearest = linear_sum_assignment(gaps)
        return np.mean((gaps[rows, nearest] / data[1]) ** 2)
