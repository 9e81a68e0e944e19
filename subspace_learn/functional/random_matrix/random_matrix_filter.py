"""From a table to signal and noise: the fit of RandomMatrixFilter, and what to say about it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace, device_of
from ...linalg.moments import counted
from .beside_spikes import (
    DirectionGains,
    RowFilter,
    departures,
    direction_gains,
    residual_statistics,
    stretches_of_rows,
)
from .gaussian_model import GaussianModel
from .noise_laws import TableSize
from .spiked_model import (
    NoiseModel,
    NoiseRule,
    bulk_distance,
    debiased_spikes,
    noise_model,
    shrunk_spectrum,
)
from .table_spectrum import (
    ColumnSums,
    Spectrum,
    covariance_spectrum,
    leading_directions,
    permuted_edges,
    table_spectrum,
)

__all__ = [
    "FilterOptions",
    "SpikedFit",
    "check_options",
    "fitted_sums",
    "fitted_table",
    "nothing_kept",
]

# Eigenvalues of white noise keep to the law within about 5 / m for m of them.
_BULK_DISTANCE, _BULK_ROUNDING = 0.1, 6.0


class FilterOptions(NamedTuple):
    """How a table is split into signal and noise; names and meanings as in RandomMatrixFilter."""

    noise: str | float = "median"
    edge: str = "tracy_widom"
    significance: float = 0.01
    shrinkage: str = "frobenius"
    gain: str = "new_rows"
    standardize: str | bool = False
    n_components: int | None = None
    center: bool = True
    n_permutations: int = 99


class SpikedFit(NamedTuple):
    """What is found in a table; arrays are in its library, in float64."""

    gaussian: GaussianModel
    """The covariance that is estimated."""
    components: Array
    """Directions of the spikes, (n_components, n_features)."""
    row_filter: RowFilter
    """What takes noise out of rows."""
    gains: Array
    """Share of the deviation from the mean that it leaves along the direction of each of the
    eigenvalues."""
    noise_variance: float
    bulk_variance: float
    """Of all that does not stand out, weak signal included: spikes are tested at it."""
    upper_edge: float
    bulk_distance: float
    eigenvalues: Array
    p_values: Array
    spikes: Array
    cosines: Array
    size: TableSize
    departures: tuple[str, ...]
    """What is not as the laws suppose, in sentences."""
    n_samples_effective: float
    """Rows of equal weight that would know the covariance as well."""

    @property
    def n_components(self) -> int:
        """Number of spikes."""
        return int(self.components.shape[0])

    @property
    def mean(self) -> Array:
        """Centre, (n_features,)."""
        return self.gaussian.mean

    @property
    def scale(self) -> Array | None:
        """What features are divided by, (n_features,); None for 1."""
        return self.gaussian.scale


def check_options(options: FilterOptions, X: Array, weights: Array | None) -> None:
    """Refuse options that do not go together with one another or with the table.

    Parameters
    ----------
    options : FilterOptions
        How the table is to be split.
    X : array or sparse matrix of shape (n_samples, n_features)
        The table.
    weights : array of shape (n_samples,), or None
        Nonnegative.

    Raises
    ------
    ValueError
        If they do not.
    """
    n_rows, weight = counted(weights, X.shape[0])
    _check_weight(weight, options.center)
    _check_count(options, n_rows, X.shape[1])
    if options.standardize is True:
        raise ValueError(
            "standardize=True is not known: say 'features', 'samples' or 'both' (or False)."
        )
    if options.standardize in ("samples", "both") and sp.issparse(X) and options.center:
        raise ValueError(
            f"standardize={options.standardize!r} with center=True measures rows from their mean, "
            "to which sparse X is not close. Use center=False, standardize='features', or dense X."
        )
    if options.edge != "permutation":
        return
    needed = ceil(1 / options.significance - 1e-9) - 1
    if options.n_permutations < needed:
        raise ValueError(
            f"edge='permutation' at significance={options.significance} needs n_permutations >= "
            f"{needed}, but was given {options.n_permutations}: fewer cannot show so small a "
            "chance."
        )
    if sp.issparse(X) or weights is not None:
        what = "sparse X" if sp.issparse(X) else "sample_weight"
        raise ValueError(
            f"edge='permutation' permutes the rows of each column and cannot serve {what}. Use "
            "edge='tracy_widom' with standardize='features', or give dense rows without weights."
        )


def _check_count(options: FilterOptions, n_rows: int, n_features: int) -> None:
    """Raise ValueError if there are fewer directions than asked for."""
    limit = min(n_rows - (1 if options.center else 0), n_features)
    if options.n_components is not None and options.n_components > limit:
        raise ValueError(
            f"n_components={options.n_components} must be at most {limit} here ({n_rows} rows of "
            f"{n_features} features, center={options.center}). Choose a smaller one or give more "
            "data."
        )


def _check_weight(weight: float, center: bool) -> None:
    """Raise ValueError if the weights leave no degree of freedom."""
    if weight - (1 if center else 0) < 1:
        raise ValueError(
            f"The sample_weight given so far sum to {weight:.3g}; they count rows and must sum to "
            f"{'2' if center else '1'} at least. Multiply them by the number of rows."
        )


def fitted_table(
    X: Array,
    weights: Array | None,
    options: FilterOptions,
    *,
    gram: bool,
    rng: np.random.Generator,
    report: Callable[[str], None] = lambda message: None,
) -> tuple[SpikedFit, ColumnSums | None]:
    """Find noise, spikes and directions of a table.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Nonnegative.
    options : FilterOptions
        How.
    gram : bool
        Whether the n x n Gram matrix of the rows is decomposed, or the p x p covariance.
    rng : numpy.random.Generator
        Draws permutations.
    report : callable, default does nothing
        Gets a line of text for every tenth table of the "permutation" edge.

    Returns
    -------
    fit : SpikedFit
        What is found.
    sums : ColumnSums or None
        To which rows can be added, where there are such.

    Raises
    ------
    ValueError
        If no feature varies.
    """
    spectrum, sums = table_spectrum(
        X, weights, standardize=options.standardize, center=options.center, gram=gram
    )
    null = None
    if options.edge == "permutation":
        null = permuted_edges(spectrum, options.n_permutations, rng, report)
    return _fitted(spectrum, options, null), sums


def fitted_sums(sums: ColumnSums, options: FilterOptions) -> SpikedFit:
    """Find noise, spikes and directions of the rows that went into sums.

    Parameters
    ----------
    sums : ColumnSums
        Of all rows.
    options : FilterOptions
        How; standardize is False or "features", edge not "permutation".

    Returns
    -------
    fit : SpikedFit
        What `fitted_table` finds, but for departures that only rows show.

    Raises
    ------
    ValueError
        If no feature varies, or the weights sum to too little.
    """
    _check_weight(sums.moments.weight, options.center)
    _check_count(options, sums.moments.n_samples, sums.first.shape[0])
    divide = options.standardize == "features"
    return _fitted(covariance_spectrum(sums, divide=divide, center=options.center), options, None)


def _fitted(spectrum: Spectrum, options: FilterOptions, null: np.ndarray | None) -> SpikedFit:
    """Read a spectrum."""
    values, size = spectrum.eigenvalues, spectrum.size
    if size.n_features == 0:
        raise ValueError(
            f"All {spectrum.mean.shape[0]} feature(s) are constant: there is neither noise nor "
            "signal. Give rows that differ."
        )
    how = (options.noise, options.edge, options.significance, options.n_components)
    rule = NoiseRule(*how, one_scale=not options.standardize)
    noise = noise_model(values, size, rule, null)
    level = noise.bulk_variance
    spikes = debiased_spikes(values[: noise.n_components], size, level)
    shrunk = shrunk_spectrum(values, size, level, spikes, options.shrinkage)
    gains = _gains(values, size, noise, options)
    n_kept, n_shrunk = int(np.sum(gains.leading > gains.rest)), shrunk.leading.shape[0]
    directions = leading_directions(spectrum, max(n_kept, n_shrunk, noise.n_components))
    xp, place = array_namespace(directions), {"device": device_of(directions)}
    found = (values, noise.p_values, spikes.eigenvalues, spikes.squared_cosines**0.5)
    eigenvalues, p_values, spiked, cosines, gained, leading = (
        xp.asarray(v.copy(), dtype=directions.dtype, **place)
        for v in (*found, gains.leading, shrunk.leading)
    )
    scale = spectrum.scale
    mean = spectrum.mean if scale is None else spectrum.mean * scale
    fit = SpikedFit(
        GaussianModel(mean, scale, directions[:n_shrunk, :], leading, shrunk.rest),
        components=directions[: noise.n_components, :],
        row_filter=RowFilter(mean, scale, directions[:n_kept, :], gained[:n_kept], gains.rest),
        gains=gained,
        noise_variance=noise.variance,
        bulk_variance=level,
        upper_edge=noise.edge,
        bulk_distance=bulk_distance(values, size, noise),
        eigenvalues=eigenvalues,
        p_values=p_values,
        spikes=spiked,
        cosines=cosines,
        size=size,
        departures=(),
        n_samples_effective=size.n_samples + (1.0 if options.center else 0.0),
    )
    return fit._replace(departures=_departures_of(spectrum, fit, options))


def _gains(
    values: np.ndarray, size: TableSize, noise: NoiseModel, options: FilterOptions
) -> DirectionGains:
    """What to keep of rows: of all that is not a spike nothing, if the user gave their number."""
    found = noise.n_components
    projection = (np.arange(values.shape[0]) < found).astype(float)
    if options.gain == "projection" or found == 0:
        return DirectionGains(projection, 0.0)
    fitted = options.gain == "fitted_rows"
    gains = direction_gains(values, size, noise.variance, fitted_rows=fitted)
    if options.n_components is not None:
        return DirectionGains(gains.leading * projection, 0.0)
    return gains


def _departures_of(spectrum: Spectrum, fit: SpikedFit, options: FilterOptions) -> tuple[str, ...]:
    """What is not as the laws suppose; nothing where the number of spikes is the user's."""
    if options.n_components is not None:
        return ()
    found: list[str] = []
    table, permuted = spectrum.table, options.edge == "permutation"
    n_spikes = fit.components.shape[0]
    n_bulk = max(spectrum.eigenvalues.shape[0] - n_spikes, 1)
    if fit.noise_variance == 0:
        largest = float(spectrum.eigenvalues[0])
        return (
            f"more than half of the eigenvalues are 0 to rounding beside the largest, {largest:.3g}"
            f", so that the noise is 0 and all {n_spikes} others are spikes: X has exact low rank, "
            "or some features are on a scale above 1e7 times that of others (bring them to one, "
            "standardize='features')",
        )
    if table is not None and not sp.issparse(table.X):
        equal = options.standardize in ("samples", "both")
        rows = stretches_of_rows(table, equal=equal)
        found = departures(
            residual_statistics(rows, fit.components),
            scales_matter=not permuted,
            tails_matter=not permuted and options.standardize != "both",
        )
    far = fit.bulk_distance > _BULK_DISTANCE + _BULK_ROUNDING / n_bulk
    few = n_spikes > n_bulk / 2
    if (far or few) and not permuted and not found:
        found.append(
            f"{n_spikes} spikes leave {n_bulk} eigenvalues of noise, at a Kolmogorov distance of "
            f"{fit.bulk_distance:.2f} from the Marchenko-Pastur law: there may be no noise of one "
            "variance here, and n_components_ depends on where one looks for it"
        )
    return tuple(found)


def nothing_kept(fit: SpikedFit, options: FilterOptions) -> str:
    """What to tell the user where no direction was found although some could have been.

    Parameters
    ----------
    fit : SpikedFit
        What was found.
    options : FilterOptions
        How it was looked for.

    Returns
    -------
    message : str
        Empty if there is nothing to tell.
    """
    if fit.n_components > 0 or options.n_components == 0:
        return ""
    return (
        f"No direction is kept: the largest eigenvalue, {float(fit.eigenvalues[0]):.4g}, is below "
        f"the edge, {fit.upper_edge:.4g}, transform has no columns, and filter gives the mean. "
        "Raise significance, set n_components, or say on_empty='ignore' if noise is a possible "
        "answer."
    )
