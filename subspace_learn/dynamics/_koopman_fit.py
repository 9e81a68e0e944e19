"""From data to a fitted Koopman model: what fit, streams and merges of KoopmanEDMD share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._array import Array, array_namespace, move_like, to_numpy
from .._base import random_generator, warn
from .._checks.merging import check_same_names
from ..functional.dynamics.edmd import KoopmanFit, koopman_fit
from ..functional.dynamics.pair_factors import PairFactors, merged_factors
from ..functional.dynamics.resdmd import KoopmanSpectrum, koopman_spectrum
from ._kernel_features import KernelFeatures
from ._lifting import compressed_pairs, fitted_dictionary, lifted
from ._snapshots import Segment, column_names, snapshot_segments

__all__ = [
    "KoopmanModel",
    "Training",
    "merged",
    "solved",
    "together",
    "trained_on",
    "warn_if_modes_lose",
    "warn_if_pairs_are_few",
    "window_of",
]

# Share of the states that the sum of modes may miss before it is said, by bits of a float.
_MOST_LOST = {32: 1e-3, 64: 1e-6}
# Standard deviation of K, in observables of one size, above which eigenvalues say little.
_MOST_DEVIATION = 0.5


class Training(NamedTuple):
    """All that later batches, merges and the solver need to know of the data."""

    dictionary: Any
    """Fitted; None takes the states themselves."""
    window: int
    """Times that a row of observables needs."""
    factors: PairFactors
    """The pairs, compressed."""
    examples: Array
    """A few states: of the library, device and width that fitted arrays get."""
    input_names: list | None
    """Names of the columns of u, if it had any."""
    settings: dict[str, Any]
    """Parameters that decide what the numbers mean."""


class KoopmanModel(NamedTuple):
    """A fitted model: its matrices on the host, and what moves states where the data are."""

    edmd: KoopmanFit
    spectrum: KoopmanSpectrum
    dictionary: Any
    window: int
    matrix: Array
    """K, of the library and on the device of the training states."""
    input_matrix: Array
    """B, no rows without inputs."""
    readout: Array | None
    """From observables to states; None where they are the states."""
    by_inverse: bool
    """Whether the dictionary's ``inverse_transform`` reads off states instead."""
    input_names: list | None


def trained_on(
    estimator: Any,
    X: Any,
    y: Any,
    before: Training | None = None,
    *,
    lengths: Any,
    groups: Any,
    u: Any,
    sample_weight: Any = None,
    added: bool = True,
) -> Training:
    """Check data, lift and compress them, ``added`` to those of the batches ``before``."""
    settings = _settings(estimator)
    if before is not None:
        _refuse_other_settings(before.settings, settings)
    if before is None:
        names, window = column_names(u), window_of(estimator.dictionary)
    else:
        names, window = before.input_names, before.window
    segments = snapshot_segments(
        estimator,
        X,
        y,
        lengths=lengths,
        groups=groups,
        sample_weight=sample_weight,
        u=u,
        input_names=names,
        like=None if before is None else before.examples,
        window=window,
    )
    dictionary = _dictionary(estimator, segments) if before is None else before.dictionary
    factors = compressed_pairs(dictionary, segments, window, estimator.solver)
    if before is not None:
        if added:
            factors = together(before.factors, factors, estimator.solver)
        return before._replace(factors=factors)
    examples = segments[0].states[: window + 8, :]
    return Training(dictionary, window, factors, examples, names, settings)


def window_of(dictionary: Any) -> int:
    """Times that a row of observables needs."""
    if hasattr(dictionary, "embed"):  # a DelayDictionary
        return dictionary.n_delays * dictionary.lag + 1
    return 1


def merged(ours: Training, theirs: Training, solver: str) -> Training:
    """Pairs of two fits together, if their steps, observables and inputs are the same."""
    steps = [training.settings["time_step"] for training in (ours, theirs)]
    if steps[0] != steps[1]:
        raise ValueError(
            f"Cannot merge fits with time_step={steps[0]!r} and time_step={steps[1]!r}: their "
            "rates do not mean the same. Fit both with one time_step."
        )
    if not _same_observables(ours, theirs):
        raise ValueError(
            "Cannot merge fits with different observables. Fit the dictionary once and give it to "
            "both in a sklearn.frozen.FrozenEstimator."
        )
    a, b = ours.input_names, theirs.input_names
    check_same_names(a, b, what=f"Cannot merge fits whose inputs u have the columns {a} and {b}")
    return ours._replace(factors=together(ours.factors, theirs.factors, solver))


def solved(estimator: Any, training: Training, *, may_be_zero: bool = False) -> KoopmanModel:
    """Matrix, eigenpairs and residuals, by the parameters of ``estimator``."""
    unitary, examples = estimator.method == "measure_preserving", training.examples
    rcond = estimator.rcond
    if rcond is None:
        rcond = 1e-6 if array_namespace(examples).finfo(examples.dtype).bits == 32 else 1e-12
    edmd = koopman_fit(
        training.factors,
        rcond=rcond,
        alpha=float(estimator.alpha),
        n_components=None if estimator.method == "kernel" else estimator.n_components,
        measure_preserving=unitary,
    )
    if edmd.basis.shape[1] == 0 and not may_be_zero:
        raise ValueError(
            "All observables are zero on all pairs (after the inputs are taken out): there is "
            "nothing to fit."
        )
    identity = training.dictionary is None and estimator.reconstruction == "auto"
    spectrum = koopman_spectrum(
        edmd,
        training.factors.weight,
        unitary=unitary,
        observables_are_states=identity,
        residual_tol=estimator.residual_tol,
    )
    if unitary:
        _warn_if_not_preserving(edmd)
    if edmd.input_matrix.shape[0]:
        _warn_if_inputs_hide_states(edmd, training.factors)
    warn_if_modes_lose(spectrum, np.finfo(np.float64))
    arrays = [edmd.matrix, edmd.input_matrix, edmd.readout]
    if not isinstance(examples, np.ndarray):
        arrays = [move_like(array, examples) for array in arrays]
    return KoopmanModel(
        edmd,
        spectrum,
        training.dictionary,
        training.window,
        arrays[0],
        arrays[1],
        None if identity else arrays[2],
        estimator.reconstruction == "inverse",
        training.input_names,
    )


def warn_if_pairs_are_few(model: Any) -> Any:
    """Warn of a fit that passes through every pair; the model comes back."""
    n_pairs, n_directions = model.n_pairs_seen_, model.n_components_
    if n_pairs <= n_directions:
        warn(
            f"{n_pairs} pairs for {n_directions} directions: the fit passes through every pair, so "
            "residuals_ are near 0 and mean nothing. Use fewer observables, n_components, more "
            "data, or held_out_residuals."
        )
    return model


def warn_if_modes_lose(spectrum: KoopmanSpectrum, info: Any) -> None:
    """Warn where sums of modes do not give back states, in floats of this ``info``."""
    error = spectrum.lost + spectrum.growth * float(info.eps)
    if error > _MOST_LOST[int(info.bits)]:
        warn(
            "Eigenvectors of the Koopman matrix (nearly) coincide, as for a trend or a Jordan "
            f"block: modes_ and inverse_transform give back the states to a relative error of "
            f"{error:.2g} only. predict and simulate go through koopman_matrix_, not through "
            "modes, and keep them."
        )


def _warn_if_inputs_hide_states(edmd: KoopmanFit, factors: PairFactors) -> None:
    """What is left of states that the inputs follow may be too little beside the noise."""
    spare = factors.n_pairs - factors.left.shape[1]
    if spare < 1:
        return
    deviation = float(np.linalg.norm(edmd.unexplained, 2)) / spare**0.5
    if deviation > _MOST_DEVIATION:
        warn(
            "The inputs u nearly determine some observables, as under feedback: what is left of "
            "them is too little beside the noise to tell K from B. The standard deviation of K "
            f"there is {deviation:.2g}, and eigenvalues are as uncertain. Leave out inputs that "
            "follow the states, raise rcond, or excite the inputs more."
        )


def _warn_if_not_preserving(edmd: KoopmanFit) -> None:
    """A system that preserves the measure keeps the mean square of observables."""
    squares = np.linalg.norm(edmd.projected) ** 2 + np.linalg.norm(edmd.unexplained) ** 2
    size = squares / max(len(edmd.projected), 1)
    if abs(size - 1) > 0.1 and len(edmd.projected):
        warn(
            f"method='measure_preserving' was asked for, but one step changes the mean square of "
            f"the observables by a factor of {size:.3g}. Use method='edmd' for systems that gain "
            "or lose, and for data that do not sample the invariant measure."
        )


def _dictionary(estimator: Any, segments: list[Segment]) -> Any:
    """The dictionary of ``estimator``, fitted."""
    dictionary = estimator.dictionary
    if estimator.method == "kernel":
        if dictionary is not None:
            raise ValueError("method='kernel' makes its own dictionary: leave it None.")
        dictionary = KernelFeatures(
            estimator.n_components,
            kernel=estimator.kernel,
            gamma=estimator.gamma,
            rng=random_generator(estimator.random_state),
        )
    dictionary = fitted_dictionary(dictionary, segments)
    if estimator.reconstruction == "inverse" and not hasattr(dictionary, "inverse_transform"):
        raise ValueError(
            f"reconstruction='inverse' needs a dictionary with inverse_transform, which "
            f"{type(dictionary).__name__} has not. Use 'least_squares'."
        )
    return dictionary


def together(ours: PairFactors, theirs: PairFactors, solver: str) -> PairFactors:
    if ours.n_inputs != theirs.n_inputs:
        raise ValueError(
            f"The model has {ours.n_inputs} inputs, but these data have {theirs.n_inputs}. Give u "
            "of the same width in every batch."
        )
    return merged_factors(ours, theirs, solver=solver)


def _same_observables(ours: Training, theirs: Training) -> bool:
    """Whether two fitted dictionaries are the same functions, tried where both have data."""
    if type(ours.dictionary) is not type(theirs.dictionary) or ours.window != theirs.window:
        return False
    for probe in (ours.examples, theirs.examples):
        a, b = (to_numpy(lifted(t.dictionary, probe)) for t in (ours, theirs))
        if a.shape != b.shape:
            return False
        size = np.abs(a).max(axis=0, initial=0.0)
        if not (np.abs(a - b) <= 1e-12 * size).all():
            return False
    return True


def _settings(estimator: Any) -> dict[str, Any]:
    """Parameters that decide what the numbers of a stream mean, as plain values."""
    kernel, plain = estimator.method == "kernel", (str, int, float, bool, type(None))
    names = {"time_step", "dictionary"} | ({"kernel", "gamma"} if kernel else set())
    values = estimator.get_params(deep=True)
    return {"method": "kernel" if kernel else "edmd"} | {
        name: value if isinstance(value, plain) else type(value).__name__
        for name, value in sorted(values.items())
        if name.partition("__")[0] in names and not name.endswith("random_state")
    }


def _refuse_other_settings(before: dict[str, Any], now: dict[str, Any]) -> None:
    for name in {**before, **now}:
        a, b = before.get(name), now.get(name)
        if a != b:
            raise ValueError(
                f"partial_fit was begun with {name}={a!r}, but {name}={b!r} was set since: the "
                "batches would not be comparable. Set it back, or begin again with fit."
            )
