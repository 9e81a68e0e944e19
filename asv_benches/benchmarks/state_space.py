"""S4D kernels beside the Vandermonde product, and a HiPPO memory beside a cosine transform."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import scipy.fft
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import HiPPOTransformer
from subspace_learn.datasets import fetch_ssvep
from subspace_learn.functional.sequence.approximate_diagonalization import perturb_then_diagonalize
from subspace_learn.functional.sequence.hippo import hippo_legs, normal_part
from subspace_learn.functional.sequence.state_space import (
    causal_convolution,
    diagonal_init,
    discretized,
    s4d_kernel,
    transfer_function,
)

from .common import Listing, Quality, Speed, median_and_range, timed


class Kernel(Speed):
    """Kernels of 32 channels of 32 modes; the target is 1.5 times product and convolution."""

    param_names = ["length"]
    params = [[512, 4096]]
    smallest = (32,)
    budget = 8.0

    def make_data(self, length):
        rng = np.random.default_rng(0)
        values, B = diagonal_init(64, "lin")
        C = rng.normal(size=(32, 32)) + 1j * rng.normal(size=(32, 32))
        dt = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), (32, 1)))
        return values, B, C, dt, rng.normal(size=(32, length))

    def ours(self, data):
        values, B, C, dt, u = data
        return s4d_kernel(values, B, C, dt, u.shape[1])

    def peers(self, data):
        values, B, C, dt, u = data

        def vandermonde():
            steps = np.arange(u.shape[1])
            powers = np.exp((dt * values)[:, :, None] * steps)
            weights = C * discretized(values, B, dt)[1]
            return 2 * np.einsum("hn,hnl->hl", weights, powers).real

        def vandermonde_and_convolution():
            return causal_convolution(u, vandermonde())

        return {
            "Vandermonde product": vandermonde,
            "Vandermonde product and FFT convolution": vandermonde_and_convolution,
        }

    def nbytes(self, data):
        return data[4].nbytes


class Memory(Speed):
    """Coefficients of 1,000 series of 1,000 samples; score: relative error of the series."""

    param_names = ["n_coefficients"]
    params = [[32]]
    budget = 8.0

    def make_data(self, n):
        rng = np.random.default_rng(0)
        self.n = n
        return np.cumsum(rng.normal(size=(10 if self.quick else 1000, 1000)), axis=1)

    def ours(self, X):
        memory = HiPPOTransformer(self.n).fit(X)
        return memory.inverse_transform(memory.transform(X))

    def peers(self, X):
        def cosine_transform():
            spectrum = scipy.fft.dct(X, norm="ortho")
            spectrum[:, self.n :] = 0
            return scipy.fft.idct(spectrum, norm="ortho")

        return {"scipy dct": cosine_transform}

    def score(self, X, result):
        return float(np.linalg.norm(result - X) / np.linalg.norm(X))


# --- quality ------------------------------------------------------------------------------------


def perturbed(n, eps, seed):
    """First coefficient of a perturbed model, all modes: half of them has B halved twice."""
    A, B = hippo_legs(n)
    found = perturb_then_diagonalize(A, eps, n_tries=1, rng=np.random.default_rng(seed))
    inputs = np.linalg.solve(found.eigenvectors, B.astype(complex))
    return found.eigenvalues, inputs / 2, found.eigenvectors[0]


class Spikes(Quality):
    """Largest deviation from the response of LegS, ten draws of E: median, range"""

    case_name = "n"
    cases = {str(n): n for n in (16, 32, 64, 128)}
    seeds = 10
    digits = 4
    summary = staticmethod(median_and_range)

    def make_data(self, n, seed):
        return n, seed

    def methods(self, data):
        n, seed = data
        return {
            "PTD, eps = 0.1": lambda: perturbed(n, 0.1, seed),
            "PTD, eps = 0.01": lambda: perturbed(n, 0.01, seed),
            "S4D-LegS": lambda: (*diagonal_init(n), normal_part(n)[1][0, n // 2 :]),
        }

    def score(self, data, model):
        values = diagonal_init(data[0])[0]
        omega = np.concatenate([np.linspace(0, 3 * values.imag[-1], 100_000), values.imag])
        return np.abs(transfer_function(*model, omega) - 1 / (1 + 1j * omega)).max()


class Condition(Listing):
    """Condition of the eigenvectors of LegS, directly and with the best of ten draws of E"""

    n_threads = 1

    def rows(self):
        yield "n", "eps = 0", "eps = 0.1", "backward error less 0.1", "largest real part", "seconds"
        for n in self.some((8, 12, 16, 32, 64, 128)):
            A, _ = hippo_legs(n)
            try:
                direct = f"{perturb_then_diagonalize(A, 0).condition:.1e}"
            except ValueError:
                direct = f"refused ({np.linalg.cond(np.linalg.eig(A)[1]):.0e})"
            found, seconds = timed(lambda A=A: perturb_then_diagonalize(A, 0.1))
            yield (
                str(n),
                direct,
                f"{found.condition:.1e}",
                f"{found.backward_error - 0.1:.0e}",
                f"{found.eigenvalues.real.max():.2f}",
                f"{seconds:.2f}",
            )


class Epochs(Quality):
    """Relative error of SSVEP epochs of one channel, 125 samples, kept as n numbers each"""

    needs = ("data",)
    case_name = "n"
    cases = {str(n): n for n in (9, 25, 51)}
    seeds = 1

    def make_data(self, n, seed):
        X = fetch_ssvep(1).data.astype(float)
        X = (X - X.mean(axis=2, keepdims=True)).reshape(-1, X.shape[2])
        return n, X[::2], X[1::2]

    def methods(self, data):
        n, train, test = data

        def memory(measure):
            model = HiPPOTransformer(n, measure=measure).fit(test)
            return model.inverse_transform(model.transform(test))

        def cosines():
            spectrum = scipy.fft.dct(test, norm="ortho")
            spectrum[:, n:] = 0
            return scipy.fft.idct(spectrum, norm="ortho")

        def means():
            parts = np.array_split(test, n, axis=1)
            return np.hstack([p.mean(1, keepdims=True) + 0 * p for p in parts])

        def pca():
            model = PCA(n).fit(train)
            return model.inverse_transform(model.transform(test))

        calls = {m: lambda m=m: memory(m) for m in ("fout", "legs", "legt")}
        return calls | {"cosine transform": cosines, "means": means, "PCA of the other half": pca}

    def score(self, data, back):
        return np.linalg.norm(back - data[2]) / np.linalg.norm(data[2])


# --- what an expert would use instead -----------------------------------------------------------


def ridge():
    """Steps that aeon puts behind ROCKET."""
    return StandardScaler(with_mean=False), RidgeClassifierCV(np.logspace(-3, 3, 10))


def random_convolutions(seed, n_kernels):
    """ROCKET with ridge, as aeon documents it: name -> pipeline; nothing where aeon is absent."""
    if find_spec("aeon") is None:
        return {}
    from aeon.transformations.collection.convolution_based import MiniRocket, Rocket

    return {
        f"{cls.__name__}, ridge": make_pipeline(
            cls(n_kernels=n_kernels, random_state=seed), *ridge()
        )
        for cls in (Rocket, MiniRocket)
    }


def statistics(X):
    """Mean, deviation, slope and log power in eight bands of each channel, (n, n_features)."""
    time = np.linspace(-1, 1, X.shape[2])
    power = np.abs(np.fft.rfft(X - X.mean(axis=2, keepdims=True))) ** 2
    bands = [part.mean(axis=2) for part in np.array_split(power[:, :, 1:], 8, axis=2)]
    log_power = [np.log(band + 1e-6 * power.mean()) for band in bands]
    return np.hstack([X.mean(axis=2), X.std(axis=2), X @ time, *log_power])


class Experts(Quality):
    """What an expert would use instead: accuracy of features of series with a linear classifier.

    Mean and standard deviation. Digits: images as series of 64 pixels, three splits. Flicker: 8
    channels of 125 samples, five frequencies, each of five sessions held out. Ridge classifiers,
    their penalty chosen by leave-one-out; number of coefficients (9, 25, 51) by three folds inside
    the training rows. ROCKET and MiniRocket of aeon with 2,000 kernels.
    """

    needs = ("data",)
    may_use = ("aeon",)
    case_name = "method"
    cases = {"digits": None, "flicker U009": 9, "flicker U001": 1}
    transposed = True

    def n_seeds(self, name):
        return 3 if name == "digits" else 5

    def make_data(self, subject, seed):
        if subject is None:
            X, y = load_digits(return_X_y=True)
            parts = train_test_split(X[:, None], y, test_size=0.3, stratify=y, random_state=seed)
            return *parts, seed
        bunch = fetch_ssvep(subject)
        X, test = bunch.data.astype(float), np.asarray(bunch.session) == seed
        return X[~test], X[test], bunch.target[~test], bunch.target[test], seed

    def methods(self, data):
        X, X_test, y, y_test, seed = data

        def accuracy(model, train=X, test=X_test):
            return model.fit(train, y).score(test, y_test)

        def memory(measure):
            model = make_pipeline(HiPPOTransformer(9, measure=measure), *ridge())
            sizes = {"hippotransformer__n_coefficients": [9, 25, 51][: 1 + (not self.quick) * 2]}
            return accuracy(GridSearchCV(model, sizes, cv=3))

        flat = [part.reshape(len(part), -1) for part in (X, X_test)]
        described = statistics(X), statistics(X_test)
        calls = {
            'ours, HiPPO "legs", ridge': lambda: memory("legs"),
            'ours, HiPPO "fout", ridge': lambda: memory("fout"),
            "statistics and band power, ridge": lambda: accuracy(
                make_pipeline(*ridge()), *described
            ),
        }
        for name, model in random_convolutions(seed, 168 if self.quick else 2000).items():
            calls[name] = lambda model=model: accuracy(model)
        return calls | {"all samples, ridge": lambda: accuracy(make_pipeline(*ridge()), *flat)}
