"""SelfCalibrationLS with Fourier maps beside dense least squares, and how it grows.

Targets: at 512 sensors 50 times faster than dense lstsq; at 65,536 sensors at most 100 steps, less
than 500 MB beside the input; time as p m log m.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import dft, solve_toeplitz
from sklearn.datasets import load_sample_image

from subspace_learn import SelfCalibrationLS
from subspace_learn.inverse import (
    ConvolutionSensing,
    FourierSensing,
    cosine_basis,
    error_after_best_scalar,
)

from .common import Quality, Speed, median_and_range

P = 4


def instrument(m, seed=0):
    """One signal of m / 4 atoms, seen four times through signs and a DFT: X, maps, gains."""
    rng = np.random.default_rng(seed)
    n = m // 4
    codes = rng.choice([-1.0, 1.0], size=(P, n))
    maps = [FourierSensing(m, n, codes=code) for code in codes]
    gains = rng.uniform(0.5, 1.5, m) * np.exp(0.4j * np.pi * rng.uniform(size=m))
    x = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    return gains * np.stack([A.matvec(x) for A in maps]), maps, gains


def dense_system(X, maps):
    """The matrix of the least squares problem, and its right side."""
    p, m = X.shape
    n = maps[0].shape[1]
    T = np.zeros((p * m + 1, m + n), dtype=complex)
    for row, (y, A) in enumerate(zip(X, maps, strict=True)):
        block = slice(row * m, (row + 1) * m)
        T[block, :m] = np.diag(y)
        T[block, m:] = -A.matmat(np.eye(n))
    T[-1, :m] = 1 / m
    return T, np.eye(1, p * m + 1, p * m, dtype=complex)[0]


class Repeated(Speed):
    """One fit, p = 4; the dense peer gets its matrix for nothing. Score: error of the gains."""

    param_names = ["n_sensors"]
    params = [[512]]
    smallest = (64,)
    budget = 30.0

    def make_data(self, m):
        X, maps, self.gains = instrument(m)
        self.system = dense_system(X, maps)
        self.n_sensors = m
        return X, maps

    def ours(self, data):
        X, maps = data
        return SelfCalibrationLS("repeated", sensing=maps).fit(X)

    def peers(self, data):
        return {"numpy lstsq, dense": lambda: np.linalg.lstsq(*self.system)[0]}

    def nbytes(self, data):
        return data[0].nbytes

    def score(self, data, result):
        found = 1 / result[: self.n_sensors] if isinstance(result, np.ndarray) else result.gains_
        return error_after_best_scalar(found, self.gains)


class Growth(Speed):
    """One fit against the number of sensors, "repeated", DFT maps; score: error of gains.

    Time should grow as p m log m: the last column.
    """

    param_names = ["n_sensors", "method"]
    params = [[4096, 16384, 65536], ["ls", "svd"]]
    smallest = (64, "ls")
    budget = 8.0

    def make_data(self, m, method):
        X, maps, self.gains = instrument(m)
        self.method = method
        return X, maps

    def ours(self, data):
        return SelfCalibrationLS("repeated", sensing=data[1], method=self.method).fit(data[0])

    def nbytes(self, data):
        return data[0].nbytes

    def score(self, data, result):
        return error_after_best_scalar(result.gains_, self.gains)

    def extras(self, data, result, seconds):
        m = data[0].shape[1]
        return {"steps": result.n_iter_, "ns over p m log m": seconds / (P * m * np.log(m)) * 1e9}


class Noise(Quality):
    """Errors in noise after the best scalar: gains, signal; medians of nine and range.

    128 sensors, 32 atoms, 8 maps of Gaussian entries, gains of modulus .5 to 1.5 and phases up to
    .4 pi, one signal. Published (gains, signal): .0394, .0216 at 20 dB and .0039, .0022 at 40 dB.
    """

    case_name = "SNR, dB"
    cases = {str(snr): snr for snr in (20, 40, 60)}
    seeds = 9
    summary = staticmethod(median_and_range)
    digits = 5

    def make_data(self, snr, seed):
        rng = np.random.default_rng(seed)
        m, n, p = 128, 32, 8
        maps = rng.standard_normal((p, m, n))
        gains = rng.uniform(0.5, 1.5, m) * np.exp(0.4j * np.pi * rng.uniform(size=m))
        x = rng.standard_normal(n) + 1j * rng.standard_normal(n)
        X = gains * (maps @ x)
        noise = rng.standard_normal(X.shape) + 1j * rng.standard_normal(X.shape)
        X = X + noise * np.linalg.norm(X) / np.linalg.norm(noise) * 10 ** (-snr / 20)
        models = {
            name: SelfCalibrationLS("repeated", sensing=maps, **options).fit(X)
            for name, options in {
                '"ls"': {"method": "ls"},
                '"svd"': {"method": "svd"},
                '"ls" + 50 steps': {"method": "ls", "refine": 50},
            }.items()
        }
        return models, gains, x

    def methods(self, data):
        models, gains, x = data
        found = {}
        for name, model in models.items():
            errors = (
                error_after_best_scalar(model.gains_, gains),
                error_after_best_scalar(np.ravel(model.signal_), x),
            )
            for what, error in zip(("gains", "signal"), errors, strict=True):
                found[f"{name}: {what}"] = lambda error=error: error
        return found


class Blur(Quality):
    """Blind deconvolution of 105 image rows, filter unknown: relative error of the image"""

    case_name = "SNR, dB"
    cases = {str(snr): snr for snr in (40, 50, 60)}
    seeds = 1
    digits = 4

    def make_data(self, snr, seed):
        n, m = 160, 192
        image = load_sample_image("china.jpg").mean(axis=2)[:420, :640]
        image = image.reshape(105, 4, n, 4).mean(axis=(1, 3)) / 255
        smear = np.exp(-np.arange(m) / 3.0)
        smear[7] += 0.4
        smear /= smear.sum()
        frame = np.zeros((len(image), m))
        frame[:, :n] = image
        rows = np.fft.ifft(np.fft.fft(frame) * np.fft.fft(smear)).real
        noise = np.random.default_rng(seed).standard_normal(rows.shape)
        rows += noise * np.linalg.norm(rows) / np.linalg.norm(noise) * 10 ** (-snr / 20)
        return image, rows, smear

    def methods(self, data):
        image, rows, smear = data
        m, n = rows.shape[1], image.shape[1]

        def blind():
            pixels = ConvolutionSensing(np.eye(1, m)[0], n)
            taps = {"gain_basis": dft(m)[:, :32], "refine": 5}
            return (
                SelfCalibrationLS("blind_deconvolution", sensing=pixels, method="svd", **taps)
                .fit(rows)
                .signal_
            )

        def known():
            spectrum = (np.fft.fft(np.eye(m)[:n]) * np.fft.fft(smear)).T
            return np.linalg.lstsq(spectrum, np.fft.fft(rows).T)[0].T.real

        return {
            "ours, 32 taps": blind,
            "filter known": known,
            "not sharpened": lambda: rows[:, :n],
        }

    def score(self, data, estimate):
        return error_after_best_scalar(estimate, data[0])


# --- what an expert would use instead -------------------------------------------------------------


def alternating_deconvolution(rows, n, n_taps, n_steps=200):
    """Filter and signals in turn, each by least squares, from a filter that does nothing."""
    m = rows.shape[1]
    spectra = np.fft.fft(rows)
    h = np.eye(1, n_taps)[0]
    for _ in range(n_steps):
        H = np.fft.fft(h, m)
        gram = np.fft.ifft(np.abs(H) ** 2).real
        right = np.fft.ifft(np.conj(H) * spectra).real[:, :n]
        x = solve_toeplitz(gram[:n], right.T).T
        S = np.fft.fft(x, m)
        gram = np.fft.ifft(np.sum(np.abs(S) ** 2, axis=0)).real
        right = np.fft.ifft(np.sum(np.conj(S) * spectra, axis=0)).real[:n_taps]
        h = solve_toeplitz(gram[:n_taps], right)
    return x


def alternating_gains(X, A, n_steps=500):
    """Gains and signals in turn, each by least squares, from equal gains."""
    d = np.ones(X.shape[1])
    for _ in range(n_steps):
        Z = np.linalg.lstsq(d[:, None] * A, X.T)[0].T @ A.T
        d = np.sum(Z.conj() * X, axis=0) / np.sum(np.abs(Z) ** 2, axis=0)
        d /= np.mean(np.abs(d))
    return d


class ExpertsPhotograph(Blur):
    """What an expert would use instead: 105 image rows through an unknown smear, relative error of
    the image after the best scalar, three noises, mean and standard deviation

    scikit-image is told the filter, the true one, or a guess: the right decay of 3 pixels without
    the echo. Richardson-Lucy: 50 steps, its default. Unsupervised Wiener finds its own noise level.
    Alternating least squares: 32 taps, 200 steps, from a filter that does nothing.
    """

    needs = ("skimage",)
    cases = {str(snr): snr for snr in (20, 30, 40, 50, 60)}
    seeds = 3
    digits = 3

    def methods(self, data):
        from skimage.restoration import richardson_lucy, unsupervised_wiener

        image, rows, smear = data
        n = image.shape[1]
        guess = np.exp(-np.arange(len(smear)) / 3.0)
        # an odd number of entries, lag 0 in the middle
        filters = {
            name: np.concatenate([np.zeros(63), h[:64]])[None] / h[:64].sum()
            for name, h in {"true": smear, "guessed": guess}.items()
        }

        def wiener(psf):
            return unsupervised_wiener(rows, psf, clip=False, rng=0)[0][:, :n]

        def lucy(psf):
            return richardson_lucy(np.maximum(rows, 0.0), psf, num_iter=50, clip=False)[:, :n]

        calls = super().methods(data)
        calls["alternating least squares"] = lambda: alternating_deconvolution(rows, n, 32)
        for name, psf in filters.items():
            calls[f"unsupervised Wiener, {name} filter"] = lambda psf=psf: wiener(psf)
            calls[f"Richardson-Lucy, {name} filter"] = lambda psf=psf: lucy(psf)
        return calls


class ExpertsArray(Quality):
    """What an expert would use instead: gains of 32 sensors from 20 smooth fields of 6 cosines,
    relative error after the best scalar, five draws, mean and standard deviation

    Gains of modulus .5 to 1.5, positive or with phases up to the one said. Alternating least
    squares: 500 steps from equal gains. Root mean squares: each sensor's own, as if all had seen
    the same.
    """

    case_name = "SNR, gains"
    cases = {f"{snr} dB, positive": (snr, 0.0) for snr in (10, 20, 30, 40, 60)}
    cases |= {
        f"{snr} dB, phases of {phase:g} pi": (snr, phase) for snr in (20, 40) for phase in (0.5, 1)
    }
    seeds = 5
    digits = 4

    def make_data(self, case, seed):
        snr, phase = case
        rng = np.random.default_rng(seed)
        A = cosine_basis(32, 6)
        gains = rng.uniform(0.5, 1.5, 32)
        x, noise = rng.standard_normal((20, 6)), rng.standard_normal((20, 32))
        if phase:
            gains = gains * np.exp(1j * np.pi * phase * rng.uniform(-1, 1, 32))
            x, noise = (
                x + 1j * rng.standard_normal(x.shape),
                noise + 1j * rng.standard_normal((20, 32)),
            )
        X = gains * (x @ A.T)
        X += noise * np.linalg.norm(X) / np.linalg.norm(noise) * 10 ** (-snr / 20)
        return X, A, gains

    def methods(self, data):
        X, A, _ = data

        def ours(**options):
            try:
                return SelfCalibrationLS("snapshots", sensing=A, **options).fit(X).gains_
            except ValueError:  # the mean of 1 / gains is zero: it says to use "svd"
                return None

        return {
            "ours": ours,
            "ours, 50 steps of refinement": lambda: ours(refine=50),
            'ours, "svd"': lambda: ours(method="svd"),
            "alternating least squares": lambda: alternating_gains(X, A),
            "root mean squares": lambda: np.sqrt(np.mean(np.abs(X) ** 2, axis=0)),
            "equal gains": lambda: np.ones(X.shape[1]),
        }

    def score(self, data, gains):
        return error_after_best_scalar(gains, data[2])
