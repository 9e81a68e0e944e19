"""Which estimators the common checks run on: every public one, discovered, in one or more settings.

An estimator whose defaults can be fitted needs no row. A row holds the settings that take
another way through the code (a solver, a score), so that each way passes every check.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from sklearn.base import clone
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn import GrassmannPCA
from subspace_learn._discovery import estimators
from subspace_learn.dynamics import RBFDictionary

# scikit-learn compares outputs of one row and of many, and of weights and of repeated rows, to
# seven digits, which float32 does not have; and one batch must hold all rows, for with several a
# weight of 2 is not a row given twice.
_EXACT: dict[str, Any] = {
    "batch_size": None,
    "dtype": "float64",
    "max_epochs": 30,
    "random_state": 0,
}


def network(cls: type) -> Any:
    """A small perceptron that converges."""
    return cls(
        hidden_layer_sizes=(4,),
        activation="tanh",
        solver="lbfgs",
        alpha=0.1,
        max_iter=5000,
        random_state=0,
    )


def lifted(X: Any, rng: Any) -> Any:
    """A disturbance that draws nothing: a weight of 2 is then a row given twice."""
    return X + 0.1 * abs(X)


def convolutions() -> Any:
    """A torch net that takes tables of any width, as signals of one channel."""
    from tests.deep.modules import SignalNet

    return SignalNet()


SETTINGS: dict[str, Callable[[type], list[Any]]] = {
    "AugmentedCovariances": lambda cls: [
        cls(),
        *(cls(estimator=estimator) for estimator in ("scm", "lwf")),
        cls(structure="toeplitz"),
    ],
    "AugmentedCovarianceClassifier": lambda cls: [
        cls(),
        *(cls(1, 1, classifier=name) for name in ("svm", "lr", "mdm")),
        cls(1, 1, reference="mean", metric="wasserstein"),
        cls(selection="mdop"),
    ],
    # scikit-learn's tables hold zero rows, which have no direction without a constant; the settings
    # without one are in tests/grassmann, as are the defaults. One batch holds all rows here: with
    # several, a weight of 2 is not a row given twice. The penalty and a small tol make the minimum
    # one that rounding (the order of rows) cannot move.
    "GrassmannClassifier": lambda cls: [
        cls(1, alpha=100.0, random_state=0),
        cls(1, constant=1.0, center=False, standardize=False, alpha=100.0, random_state=0),
        cls(1, solver="trust_region", alpha=100.0, tol=1e-8, random_state=0),
        cls(1, solver="rsgd", constant=1.0, center=False, random_state=0),
        cls(1, solver="rsgd", init="random", random_state=0),
    ],
    "NearestSubspaceClassifier": lambda cls: [
        cls(),
        cls(1, constant=1.0, center=True),
    ],
    # Quasi-Newton steps on a penalised loss: a minimum that the order of rows cannot move far.
    "EoRACompensator": lambda cls: [
        cls(network(MLPClassifier), n_components=1, bits=8),
        cls(network(MLPRegressor), n_components=2, bits=8, method="act", update_bias=True),
        cls(network(MLPRegressor), n_components=2, bits=6, calibration="sequential"),
    ],
    "GBWNormalizer": lambda cls: [
        cls(),
        cls(0.5, dispersion=0.1),
        cls(-0.5, metric_parameter=None, bias="mean"),
        cls(0.5, n_steps=1),
    ],
    "GrassmannPCA": lambda cls: [
        cls(),
        cls(n_components=2),
        *(
            cls(n_components=1, solver=solver, random_state=0)
            for solver in ("covariance", "svd", "randomized")
        ),
    ],
    # Its rows are those of weight matrices, which nothing maps. tests/random_matrix runs those
    # checks that have a meaning for it.
    "HeavyTailSpectrum": lambda cls: [],
    # The edges and losses all run with a given number of spikes too. Without one, tables of a few
    # columns are no white noise, and the filter says so: see EXPECTED_WARNINGS. The permutation
    # edge takes no weights, which scikit-learn asks of a fit that has them: see LONGER.
    "RandomMatrixFilter": lambda cls: [
        cls(n_components=1),
        cls(n_components=1, solver="covariance", standardize="features", noise="mle"),
        cls(n_components=1, solver="gram", shrinkage="clip", center=False),
        cls(n_components=1, standardize="samples", gain="projection"),
        cls(n_components=1, standardize="both", shrinkage="stein", noise=0.5),
        cls(n_components=2, edge="gavish_donoho", shrinkage="operator"),
        cls(),
        cls(edge="marchenko_pastur", noise="mle", significance=0.1),
        cls(edge="gavish_donoho", standardize="features", shrinkage="stein", gain="fitted_rows"),
    ],
    "RobustDirections": lambda cls: [
        cls(GrassmannPCA(2), selector="rotated_rbns", quantile=0.5, perturbation=lifted),
        cls(perturbation=lifted),
    ],
    # Random tables follow no model: what is asked of them is manners. A pair of anticorrelated
    # columns has gains of zero mean, which "ls" refuses; a reference sensor or "svd" does not.
    "SelfCalibrationLS": lambda cls: [
        cls(),
        cls(method="svd"),
        cls(solver="schur", reference=0),
        cls(solver="lsqr", reference=0),
        cls(refine=2, damp=0.01),
        cls(sparsity=0.01),
        cls("blind_deconvolution"),
        cls("repeated", n_atoms=1),
    ],
    # Rates that more than one hierarchy is needed for.
    "BootstrapAMG": lambda cls: [
        cls(random_state=0),
        cls(target_rate=0.3, composition="multiplicative", cycle="V", random_state=0),
        cls(target_rate=0.6, composition="additive", cycle="V", random_state=0),
    ],
    # Tables. Graphs, and attributes on a graph, are in tests/graph; so is "bootstrap", whose few
    # vectors depend on random starts, and so on the order of rows.
    "SpectralAMGClustering": lambda cls: [
        cls(random_state=0),
        cls(3, affinity="rbf", gamma=0.1, random_state=0),
        cls(2, n_neighbors=4, assign_labels="cluster_qr", row_normalize=False),
        cls("eigengap", n_neighbors=5, random_state=0),
    ],
    "SpectralPositionalEncoding": lambda cls: [
        cls(),
        cls(None, filters="heat"),
        cls(3, filters="spline"),
        cls(3, filters="walk", taper=False),
    ],
    # scikit-learn's smallest tables have two features: one component leaves a residual.
    "SubspaceDetector": lambda cls: [
        cls(),
        cls(GrassmannPCA(n_components=1), statistic="residual", quantile=0.9),
    ],
    "FederatedGrassmannPCA": lambda cls: (
        [
            cls(n_components=1, aggregation=aggregation, random_state=0)
            for aggregation in ("covariance", "krylov", "chordal", "karcher", "admm")
        ]
        + [cls(n_components=1, epsilon=inf, clip_norm=inf)]
    ),
    # Rows of a table are times here: those of scikit-learn's checks are short and random, which
    # leaves a kernel or a few RBF centres enough to fit.
    "HiPPOTransformer": lambda cls: [
        cls(),
        cls(4, measure="legt", window=2.5),
        cls(5, measure="fout"),
    ],
    "KoopmanEDMD": lambda cls: [
        cls(),
        cls(solver="gram"),
        cls(PolynomialFeatures(1), n_components=2),
        cls(method="kernel", n_components=2, random_state=0),
        cls(RBFDictionary(2, random_state=0), alpha=1e-3),
    ],
    # Many features make (2 n + 1)^d waves.
    "FourierDictionary": lambda cls: [cls(1, index_set="hyperbolic_cross"), cls(1)],
    "HermiteDictionary": lambda cls: [cls(2)],
    "RBFDictionary": lambda cls: [
        cls(3, random_state=0),
        cls(2, kernel="laplacian", include_state=False, random_state=0),
    ],
    # Not a transformer: rows of its result need the rows before. See tests/dynamics.
    "DelayDictionary": lambda cls: [],
    "SimplexRasterizer": lambda cls: [
        cls(8),
        cls(6, bounds=(0, 1), smoothing=0.0, flatten=False),
    ],
    "DeepClassifier": lambda cls: [
        cls(**_EXACT, lr=0.05),
        cls(**_EXACT, optimizer="sgd", lr=0.5, module__hidden_layer_sizes=(8,)),
    ],
    "DeepRegressor": lambda cls: [
        cls(**_EXACT, lr=0.02),
        cls(**_EXACT, optimizer="rsgd", lr=0.02, module__hidden_layer_sizes=()),
    ],
    "DeepTransformer": lambda cls: [
        cls(**_EXACT, lr=0.01),
        cls(**_EXACT, lr=0.01, module__hidden_layer_sizes=()),
    ],
    "GrassmannNetClassifier": lambda cls: [
        cls((8, 4), n_components=2, activation="tanh", **_EXACT),
    ],
    "SSMClassifier": lambda cls: [
        cls(d_model=8, d_state=8, n_layers=1, lr=0.05, **_EXACT),
        cls("s5", d_model=6, d_state=4, n_layers=1, bidirectional=True, lr=0.05, **_EXACT),
    ],
    # A net without sizes of its own; maps as rows, which the checks can compare.
    "EigenCAM": lambda cls: [
        cls(convolutions(), "2", flatten=True),
        cls(convolutions(), ["1", "2"], method="mean", flatten=True, size=(7,)),
    ],
    "ToDevice": lambda cls: [cls()],
    # Each way to draw whose law depends on the rows alone: a weight of 2 is then a row given twice
    # (not so without replacement), and a full rank draw is certain (not so for independent rows).
    "DPPLeastSquares": lambda cls: [
        cls(random_state=0),
        *(cls(sampling=sampling, random_state=0) for sampling in ("dpp", "volume")),
        cls(sampler="rejection", random_state=0),
    ],
    "ProductBasis": lambda cls: [
        cls(),
        *(
            cls(kind, degree=2, index_set="hyperbolic_cross")
            for kind in ("chebyshev", "hermite", "fourier")
        ),
    ],
    "RandomSubspaceClassifier": lambda cls: [
        *(
            cls(
                hidden,
                n_components=dim,
                projection=projection,
                activation="tanh",
                alpha=1.0,
                tol=1e-7,
                max_iter=5000,
                random_state=0,
            )
            for hidden, dim, projection in (
                ((), None, "dense"),
                ((8,), 12, "dense"),
                ((8,), 12, "sparse"),
                ((8, 4), 12, "fastfood"),
            )
        ),
    ],
    "SensitivitySampler": lambda cls: [
        cls(),
        cls(row_score="combined", p=3.0, law="bernoulli", random_state=0),
        cls(row_score="sensitivity", p=1.5, tol=1e-9, append_constant=True, random_state=0),
        cls(5, row_score="root_leverage", p=1.5, random_state=0, merge_repeats=False),
    ],
}

# What an estimator says of the tables of the checks, and is right about.
EXPECTED_WARNINGS = {
    # random labels have no minimum that 300 steps reach
    "RandomSubspaceClassifier": "L-BFGS reached max_iter",
    "SensitivitySampler": r"\d+ draws cannot keep the norms",
    "SubsampledEstimator": r"\d+ draws cannot keep the norms",
    # one check asks for two clusters from one vector
    "SpectralAMGClustering": "1 clusters were found, not 2",
    "RandomMatrixFilter": "What is left without the spikes is not white|No direction is kept",
    "RobustDirections": "What is left without the spikes is not white|No direction is kept",
    "SelfCalibrationLS": r".*(are not determined|measured little|do not determine|have no gain)",
}

# Settings for our own checks only: scikit-learn's smallest tables are too short to embed.
LONGER: dict[str, Callable[[type], list[Any]]] = {
    # Lines and planes through no constant hold three blobs of the plane badly.
    "NearestSubspaceClassifier": lambda cls: [
        cls(1, metric="residual"),
        cls(1, metric="residual", center=True),
    ],
    "RandomMatrixFilter": lambda cls: [
        cls(edge="permutation", random_state=0),
        cls(n_components=1, edge="permutation", standardize="both", random_state=0),
    ],
    "AugmentedCovariances": lambda cls: [
        *(cls(3, 2, estimator=estimator) for estimator in ("oas", "scm", "lwf")),
        cls(3, 2, structure="toeplitz", estimator="lwf"),
    ],
    "AugmentedCovarianceClassifier": lambda cls: [
        *(cls(3, 2, classifier=name) for name in ("svm", "lr", "mdm")),
        cls(3, 2, metric="siegel", structure="toeplitz", reference="mean"),
        cls(3, 2, metric="siegel", structure="toeplitz", classifier="mdm"),
        cls(selection="afnn", lags=(1, 2), orders=(1, 3)),
    ],
}

# A row of X is the time after the row before: another order of rows is another system.
ROWS_ARE_TIMES = {"KoopmanEDMD"}

# Fitted by L-BFGS on a loss without a single minimum: sums in another order end a little elsewhere.
STOPS_AT_A_TOLERANCE = {"EoRACompensator", "RandomSubspaceClassifier"}

# Log-densities divide by the smallest variances, which rounding moves by a share of the largest;
# LIBSVM keeps its kernel in float32.
AMPLIFIES_ROUNDING = {
    "AnalyticShrinkage": 100,
    "AugmentedCovarianceClassifier": 100,
    "RandomMatrixFilter": 100,
}

# Transformers whose job is to hand arrays from one library to another.
CHANGES_LIBRARY = {"ToDevice"}

# Transformers of epochs whose output grows like X, not like its square.
LINEAR = {"HiPPOTransformer"}


def instances() -> list[Any]:
    """Return every estimator in every setting of the table, unfitted; not those that need torch."""
    return _instances_of({n: cls for n, cls in estimators().items() if not needs_torch(cls)})


# Defaults that scikit-learn's tables cannot be given, and why.
NO_DEFAULTS = {
    "EoRACompensator": "the network of scikit-learn inside does not converge on them",
    "DelayDictionary": "its rows need the rows before: tests/dynamics",
    "FourierDictionary": "seven waves along each of ten axes are too many, and it says so",
    "HeavyTailSpectrum": "its rows are those of a weight matrix: tests/random_matrix",
}


def default_instances() -> list[Any]:
    """Return the estimators with their true defaults that are not among the settings, unfitted.

    Chance is fixed: ``random_state=0`` where there is one.
    """
    known = {repr(_unseeded(estimator)) for estimator in instances()}
    found = [
        cls()
        for name, cls in estimators().items()
        if name not in NO_DEFAULTS and not needs_torch(cls) and repr(cls()) not in known
    ]
    return [e.set_params(random_state=0) if "random_state" in e.get_params() else e for e in found]


def _unseeded(estimator: Any) -> Any:
    seeded = "random_state" in estimator.get_params(deep=False)
    return clone(estimator).set_params(random_state=None) if seeded else estimator


def deep_instances() -> list[Any]:
    """Return the estimators that need torch, which tests/deep tries, unfitted."""
    return _instances_of({n: cls for n, cls in estimators().items() if needs_torch(cls)})


def needs_torch(cls: type) -> bool:
    """Whether an estimator is of the room whose estimators cannot be fitted without torch."""
    return cls.__module__.startswith("subspace_learn.deep.")


def _instances_of(found: dict[str, type]) -> list[Any]:
    unknown = sorted(set(SETTINGS) - set(estimators()))
    if unknown:
        raise LookupError(f"SETTINGS has rows for names that are not public estimators: {unknown}")
    return [
        estimator for name, cls in found.items() for estimator in SETTINGS.get(name, _default)(cls)
    ]


def longer_instances() -> list[Any]:
    """Return the estimators in the settings that only our own checks try, unfitted."""
    found = estimators()
    return [estimator for name, settings in LONGER.items() for estimator in settings(found[name])]


def _default(cls: type) -> list[Any]:
    return [cls()]
