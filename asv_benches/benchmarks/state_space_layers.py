"""State space layers on a batch, forwards and backwards, beside what they could be made of."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.functional.sequence.state_space import diagonal_init

from .augmented_covariance import GENERIC, ssvep
from .common import Quality, Speed
from .state_space import random_convolutions

BATCH, WIDTH, STATE = 64, 32, 32
INITS = ("lin", "legs", "inv", "ptd")


class Kernel(Speed):
    """Kernel of 32 channels of 16 modes; the target is 1.5 times product and convolution."""

    param_names = ["length"]
    params = [[128, 1024]]
    needs = ("torch",)
    n_threads = 1
    budget = 8.0

    def make_data(self, length):
        import torch

        from subspace_learn.deep import S4DLayer

        torch.manual_seed(0)
        return S4DLayer(WIDTH, STATE, init="lin"), torch.randn(1, WIDTH, length)

    def nbytes(self, data):
        return data[1].nbytes

    def ours(self, data):
        layer, u = data
        return layer.kernel(u.shape[2])

    def peers(self, data):
        layer, u = data

        def product_and_convolution():
            return convolved(u, vandermonde(layer, u.shape[2]))

        return {"Vandermonde product and FFT convolution": product_and_convolution}


class Layer(Speed):
    """Output of 64 sequences of 32 channels and all gradients; float32, one thread."""

    param_names = ["layer", "length"]
    params = [["s4d", "s5"], [128, 1024]]
    smallest = ("s5", 16)
    needs = ("torch",)
    n_threads = 1
    budget = 10.0

    def make_data(self, layer, length):
        import torch

        from subspace_learn.deep import S4DLayer, S5Layer

        torch.manual_seed(0)
        self.layer = {"s4d": S4DLayer, "s5": S5Layer}[layer](WIDTH, STATE, init="lin")
        return torch.randn(BATCH, length, WIDTH, requires_grad=True)

    def nbytes(self, data):
        return data.nbytes

    def ours(self, u):
        self.layer(u).square().mean().backward()

    def peers(self, u):
        if hasattr(self.layer, "B"):
            return {"loop over time": lambda: plain_s5(self.layer, u)}
        return {"Vandermonde product and FFT convolution": lambda: plain_s4d(self.layer, u)}


def vandermonde(layer, length):
    """The kernel as its formula stands: all powers of all modes, in double precision too."""
    import torch

    values, dt = layer.modes()
    z = dt * values
    weight = torch.view_as_complex(layer.C.double())[0] * torch.expm1(z) / values
    powers = torch.exp(z[:, :, None] * torch.arange(length))
    return 2 * torch.einsum("hn,hnl->hl", weight, powers).real


def convolved(u, kernel):
    import torch

    size = 2 * u.shape[-1]
    spectrum = torch.fft.rfft(u, n=size) * torch.fft.rfft(kernel.to(u.dtype), n=size)
    return torch.fft.irfft(spectrum, n=size)[..., : u.shape[-1]]


def plain_s4d(layer, u):
    y = convolved(u.transpose(1, 2), vandermonde(layer, u.shape[1])).transpose(1, 2) + layer.D * u
    y.square().mean().backward()


def plain_s5(layer, u):
    """The recurrence as its formula stands."""
    import torch

    values, dt = layer.modes()
    decay = torch.exp(dt * values)
    enter = ((decay - 1) / values)[:, None] * torch.view_as_complex(layer.B.double())
    decay, enter = decay.to(torch.complex64), enter.to(torch.complex64)
    C = torch.view_as_complex(layer.C)[0]
    inputs = u.to(torch.complex64) @ enter.T
    x, y = torch.zeros_like(inputs[:, 0]), []
    for k in range(u.shape[1]):
        x = decay * x + inputs[:, k]
        y.append(2 * (x @ C.T).real)
    (torch.stack(y, dim=1) + layer.D * u).square().mean().backward()


# --- what they learn ----------------------------------------------------------------------------


def split_digits(seed):
    """Images of 8 x 8 pixels as 64 steps, of mean 0 and variance 1 over all pixels."""
    X, y = load_digits(return_X_y=True)
    X = ((X - X.mean()) / X.std()).astype(np.float32)
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)


def largest_response(clf):
    """Frequency above 0.6 at which the first layer responds most, mean square over its channels."""
    kernels = clf.module_.blocks[0].layer.kernel(2048)[0].detach().numpy()
    omega = 2 * np.pi * np.fft.rfftfreq(2048)
    response = np.mean(np.abs(np.fft.rfft(kernels)) ** 2, axis=0)
    return omega[np.where(omega > 0.6, response, 0).argmax()]


class Trained(Quality):
    """What the tables of training share: models by name, fitted and then asked."""

    needs = ("torch",)
    n_threads = 1  # batches are small
    case_name = "model"
    max_epochs = 10

    def model(self, layer, seed, **options):
        from subspace_learn.deep import SSMClassifier

        if layer is None:
            return LogisticRegression(max_iter=1000)
        epochs = 1 if self.quick else self.max_epochs
        return SSMClassifier(layer, max_epochs=epochs, random_state=seed, **options)


class Digits(Trained):
    """Test accuracy on digits, one pixel after the other, 10 epochs, three seeds"""

    cases = {f"{layer}, {init}": (layer, init) for layer in ("s5", "s4d") for init in INITS}
    cases["logistic regression on all pixels"] = (None, None)
    seeds = 3

    def make_data(self, case, seed):
        layer, init = case
        return self.model(layer, seed, **({"init": init} if layer else {})), split_digits(seed)

    def methods(self, data):
        model, (X, X_test, y, y_test) = data
        return {"accuracy": lambda: model.fit(X, y).score(X_test, y_test)}


DT = 0.008  # the spike of "legs", n^2 / pi times dt, must lie below pi


def waves(model_of, X_test, y_test, seed, noises):
    """Accuracy with sinusoids (name -> frequency, amplitude) added at test."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (len(X_test), 1))
    steps = np.arange(X_test.shape[1])
    return {
        name: lambda w=w, a=a: model_of().score(X_test + a * np.sin(w * steps + phase), y_test)
        for name, (w, a) in noises.items()
    }


class Robustness(Trained):
    """Test accuracy on digits with a sinusoid added at test, four seeds"""

    cases = {
        f"s4d, {init}, modes {how}": ("s4d", init, rate)
        for how, rate in (("trained", 1e-3), ("fixed", 0.0))
        for init in ("legs", "ptd")
    }
    cases["logistic regression"] = (None, None, None)
    seeds = 4

    def make_data(self, case, seed):
        layer, init, rate = case
        options = {"init": init, "dt_min": DT, "dt_max": DT, "state_lr": rate} if layer else {}
        X, X_test, y, y_test = split_digits(seed)
        return self.model(layer, seed, **options).fit(X, y), X_test, y_test, seed

    def methods(self, data):
        model, X_test, y_test, seed = data
        spike = diagonal_init(32, "legs")[0].imag.max() * DT
        noises = {"clean": (0, 0), "spike, 0.3": (spike, 0.3), "spike, 1": (spike, 1.0)}
        noises |= {"a third of it, 0.3": (spike / 3, 0.3), "a third of it, 1": (spike / 3, 1.0)}
        return waves(lambda: model, X_test, y_test, seed, noises)


class Held(Trained):
    """Digits, each pixel held for 8 steps: a sinusoid of 10 % of their range added, four seeds.

    At the spike of "legs", at the largest response of the trained layer above 0.6, and the worst
    of 25 frequencies.
    """

    cases = {f"s4d, {init}": ("s4d", init) for init in ("ptd", "legs", "lin")}
    cases["logistic regression"] = (None, None)
    seeds = 4

    def make_data(self, case, seed):
        layer, init = case
        options = {"init": init, "dt_min": DT, "dt_max": DT, "d_model": 16} if layer else {}
        X, X_test, y, y_test = split_digits(seed)
        X, X_test = (
            X[: 100 if self.quick else 800].repeat(8, axis=1),
            X_test[:300].repeat(8, axis=1),
        )
        model = self.model(layer, seed, **options).fit(X, y[: len(X)])
        return model, X_test, y_test[:300], seed, 0.1 * (X.max() - X.min())

    def methods(self, data):
        model, X_test, y_test, seed, amplitude = data
        spike = diagonal_init(32, "legs")[0].imag.max() * DT
        peak = largest_response(model) if hasattr(model, "module_") else spike
        noises = {"clean": (0, 0), "at the spike": (spike, amplitude)}
        noises |= {"at the largest response": (peak, amplitude)}
        scan = np.linspace(0.1, 3.1, 2 if self.quick else 25)
        every = waves(lambda: model, X_test, y_test, seed, {str(w): (w, amplitude) for w in scan})
        worst = {"worst": lambda: min(call() for call in every.values())}
        return waves(lambda: model, X_test, y_test, seed, noises) | worst


class Flicker(Trained):
    """Accuracy on a session held out, five sessions, five flicker frequencies (chance 0.2).

    SSM: 20 epochs of training, mean of three seeds.
    """

    needs = ("torch", "data", "pyriemann")
    max_epochs = 20
    cases = {
        "SSM, s5, lin": ("s5", "lin"),
        "SSM, s4d, lin": ("s4d", "lin"),
        "SSM, s4d, ptd": ("s4d", "ptd"),
        "augmented covariance, order 6, lag 3": ("covariance", None),
        "logistic regression on raw epochs": (None, None),
    }

    def make_data(self, case, session):
        return case, session

    def methods(self, data):
        return {
            "U001": lambda: self._accuracy(1, *data[0], data[1]),
            "U009": lambda: self._accuracy(9, *data[0], data[1]),
        }

    def _accuracy(self, subject, layer, init, session):
        X, y, _, splits = ssvep(subject)
        train, test = splits[session]
        X = X / X[train].std(axis=(0, 2), keepdims=True)
        if layer == "covariance":
            model = AugmentedCovarianceClassifier(order=6, lag=3, classifier="lr")
            return model.fit(X[train], y[train]).score(X[test], y[test])
        if layer is None:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
            flat = X.reshape(len(X), -1)
            return model.fit(flat[train], y[train]).score(flat[test], y[test])
        Z, scores = X.transpose(0, 2, 1).astype(np.float32), []
        for seed in self.some(range(3)):
            model = self.model(layer, seed, init=init).fit(Z[train], y[train])
            scores.append(model.score(Z[test], y[test]))
        return np.mean(scores)


# --- what an expert would use instead -----------------------------------------------------------


def shallow_net(n_channels, n_times, seed, max_epochs):
    """ShallowFBCSPNet of braindecode, its windows scaled from 250 to 125 Hz, its own step size."""
    import torch
    from braindecode.models import ShallowFBCSPNet
    from skorch import NeuralNetClassifier

    torch.manual_seed(seed)
    net = ShallowFBCSPNet(
        n_chans=n_channels,
        n_outputs=5,
        n_times=n_times,
        filter_time_length=13,
        pool_time_length=38,
        pool_time_stride=8,
        final_conv_length="auto",
        add_log_softmax=False,
    )
    return NeuralNetClassifier(
        net,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=0.0625 * 0.01,
        optimizer__weight_decay=0,
        batch_size=64,
        max_epochs=max_epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )


class Experts(Trained):
    """What an expert would use instead: accuracy on five flicker frequencies, a session held out.

    Mean and standard deviation over five sessions, one start of each net for each; chance is .20.
    Channels at unit power of the training epochs. Networks: 20 passes (ours, as in the table
    above) and 60 (ShallowFBCSPNet of braindecode 0.8.1, which needs no torchaudio).
    ROCKET and MiniRocket of aeon with 1,000 kernels and ridge.
    """

    needs = ("torch", "data", "pyriemann")
    may_use = ("aeon", "braindecode")
    case_name = "method"
    max_epochs = 20
    cases = {"U009": 9, "U001": 1}
    seeds = 5
    transposed = True

    def make_data(self, subject, session):
        X, y, _, splits = ssvep(subject)
        train, test = splits[session]
        return (
            (X / X[train].std(axis=(0, 2), keepdims=True)).astype(np.float32),
            y,
            train,
            test,
            session,
        )

    def methods(self, data):
        X, y, train, test, seed = data

        def accuracy(model, X):
            return model.fit(X[train], y[train]).score(X[test], y[test])

        def state_space():
            return accuracy(self.model("s5", seed, init="lin"), X.transpose(0, 2, 1))

        two_bands = AugmentedCovarianceClassifier(6, 3, classifier="lr", bands=GENERIC, sfreq=125.0)
        calls = {
            "ours, SSM, s5": state_space,
            "ours, covariances in two bands": lambda: accuracy(two_bands, X),
        }
        for name, model in random_convolutions(seed, 168 if self.quick else 1000).items():
            calls[name] = lambda model=model: accuracy(model, X.astype(float))
        if find_spec("braindecode") is not None:
            passes = 1 if self.quick else 60
            net = shallow_net(*X.shape[1:], seed, passes)
            calls["ShallowFBCSPNet"] = lambda: accuracy(net, X)
        return calls
