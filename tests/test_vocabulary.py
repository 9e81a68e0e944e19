"""One word for one thing: every parameter of every estimator stands here once, with its meaning.

A new parameter fails the first test until it has a row. Look at the meanings before writing one: if
there is a name for it already, take that name.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from subspace_learn._capabilities import kind_of_input
from subspace_learn._discovery import estimators
from tests.common_checks.data import example
from tests.common_checks.instances import deep_instances, instances

MEANING = {
    # how much, how many
    "batch_size": "rows of a training step",
    "bands": "frequency bands that signals are filtered into, in Hz",
    "bits": "bits a weight is rounded to",
    "depth": "entangling layers of a circuit",
    "d_model": "features of a state space network (the name in its papers)",
    "d_state": "states of a state space layer (the name in its papers)",
    "degree": "largest polynomial degree",
    "hidden_layer_sizes": "units of each hidden layer (scikit-learn's name)",
    "max_bytes": "memory that may be taken",
    "max_epochs": "passes over the data at most (skorch's name; solvers have max_iter)",
    "max_hierarchies": "multigrid hierarchies at most",
    "loss": "what a misfit costs, by name",
    "max_iter": "iterations of a solver at most",
    "max_operator_complexity": "entries of all levels over those of the matrix, at most",
    "max_redraws": "draws at most until a condition holds",
    "n_atoms": "unknowns of a signal",
    "n_centers": "centres of radial functions",
    "n_clusters": "groups to find",
    "n_coefficients": "numbers that stand for a series",
    "n_components": "dimension of a subspace, rank of what is kept or added; parts of a mixture",
    "n_delays": "past states stacked below the present one",
    "n_frequencies": "largest frequency",
    "n_init": "starts of which the best is kept",
    "n_iter_no_change": "iterations without improvement that end training",
    "n_layers": "layers of a network",
    "n_neighbors": "neighbours of a point",
    "n_oversamples": "vectors beside those asked for",
    "n_permutations": "shuffled tables",
    "n_points": "rows of a design, to be labelled",
    "n_rounds": "exchanges between server and clients",
    "n_samples": "rows drawn from a table",
    "n_steps": "steps of a mean that may stop early",
    "n_sweeps": "cycles behind a smooth vector",
    "n_windows": "windows along each side of a matrix",
    "order": "copies in a delay embedding of epochs",
    "orders": "orders to choose from",
    "lag": "samples between copies",
    "lags": "lags to choose from",
    "local_steps": "steps of a client in a round",
    "reps": "layers of a quantum feature map (Qiskit's name)",
    "resolution": "points of a grid along each axis",
    "shots": "measurements of a number, as on a quantum device",
    "window": "length of the stretch that is looked at",
    # numbers that weigh
    "alpha": "penalty",
    "attribute_weight": "share of attributes beside edges",
    "clip_norm": "rows longer than this are scaled down to it",
    "n_candidates": "designs drawn, of which the best is used",
    "condition": "distance of a Gram matrix from the identity that is allowed",
    "constant": "value of a feature appended to each row",
    "damp": "weight of the squared length of a solution (SciPy's name)",
    "delta": "chance that privacy does not hold",
    "dispersion": "spread after normalisation",
    "dropout": "share of features switched off in training",
    "eps": "variance of a Brownian motion at time 1 (the name in its papers)",
    "dt_max": "largest initial time step",
    "dt_min": "smallest initial time step",
    "epsilon": "how much may be known of one row",
    "floor": "least share of an even distribution that every cell keeps",
    "gamma": "scale of a kernel or of logits",
    "learning_rate": "step size of a stochastic solver (scikit-learn's name; skorch has lr)",
    "lr": "step size of an optimizer (skorch's name)",
    "momentum": "share of the last step, or of the last statistic, that is kept",
    "p": "exponent of a norm",
    "participation": "share of clients in a round",
    "period": "length after which a feature repeats",
    "quantile": "share of training scores below a threshold",
    "ratio": "columns over rows of a window",
    "rcond": "singular values below this share of the largest are dropped",
    "residual_tol": "residual above which an eigenpair is not believed",
    "rho": "penalty of the distance to a consensus",
    "scale": "length, in units of X",
    "sfreq": "samples a second (MNE's name)",
    "significance": "chance to call noise a signal",
    "smoothing": "damping of high modes",
    "sparsity": "weight of the sum of absolute values",
    "state_lr": "step size of the states' own parameters",
    "target_rate": "convergence rate that is good enough",
    "theta": "power of a matrix",
    "time_step": "time between rows",
    "tol": "where iterations stop",
    "validation_fraction": "share of rows set aside to watch training",
    "weight_decay": "penalty of an optimizer (torch's name)",
    # which way
    "activation": "function between layers",
    "affinity": "how points are joined",
    "aggregation": "what clients send and the server makes of it",
    "assign_labels": "how rows become groups",
    "attribute_block": "which coordinates a row has",
    "calibration": "which inputs of a layer are looked at",
    "source": "which label is that of the rows to move",
    "smoother": "relaxation of a multigrid cycle",
    "composition": "how hierarchies are combined",
    "compressor": "how weights are made smaller",
    "covariance_type": "which covariances are allowed (scikit-learn's name)",
    "cycle": "order in which levels are visited",
    "edge": "where signal begins in a spectrum",
    "entanglement": "which qubits are joined (Qiskit's name)",
    "filters": "functions of eigenvalues",
    "gain": "what a filter of rows keeps of each direction",
    "index_set": "which products of functions",
    "init": "where training starts",
    "kernel": "function of two points",
    "kind": "family of orthogonal functions",
    "law": "with or without replacement",
    "layer": "sort of layer, or the name of one in a net",
    "measure": "weight of the past",
    "method": "which problem is solved",
    "metric": "distance",
    "model": "how measurements come about",
    "noise": "how the noise level is found",
    "noise_by": "who adds noise, and so who need not be trusted",
    "normalization": "what fixes the free scale",
    "on_empty": "what happens if nothing is kept",
    "optimizer": "how torch takes a step",
    "output": "form of what comes out",
    "projection": "sort of random matrix",
    "reconstruction": "way back from observables",
    "reference": "point or sensor that others are measured from",
    "retraction": "how a step returns to a manifold",
    "row_score": "what makes a row important",
    "sampler": "what draws the rows",
    "sampling": "law of the rows drawn",
    "selection": "how a parameter is chosen",
    "selector": "which directions are kept",
    "shrinkage": "loss for which eigenvalues are shrunk",
    "solver": "which algorithm reaches the same answer",
    "standardize": "what is brought to one scale first",
    "statistic": "what makes a row abnormal",
    "threshold_rows": "which rows set the threshold",
    "strategy": "which algorithm finds the vectors",
    "structure": "which matrices are allowed",
    "unknown": "what is done with groups not fitted",
    "weights": "how the parts of a pool are weighed",
    "xmin": "where a tail begins",
    # yes or no
    "append_constant": "a column of ones joins the table whose rows are scored",
    "append_target": "the targets join the table whose rows are scored",
    "bidirectional": "time runs both ways",
    "center": "the mean is subtracted",
    "early_stopping": "training may end early",
    "fit_intercept": "a constant joins the fit (scikit-learn's name)",
    "flatten": "images become rows",
    "include_bias": "the constant function is a feature (scikit-learn's name)",
    "keep_statistics": "a fit keeps what a stream or a merge needs",
    "include_state": "the state is an observable",
    "merge_repeats": "a row drawn twice appears once",
    "refine": "steps on the true misfit",
    "row_normalize": "rows get length 1",
    "signed": "orientation counts",
    "taper": "filters fall to 0 at the cut",
    "update_bias": "biases are corrected too",
    "warm_start": "a fit goes on from the last one",
    # things
    "bias": "centre that matrices are brought to",
    "bounds": "box that a grid covers",
    "callbacks": "called while training",
    "cells": "labels of the cells of a map",
    "classifier": "what tells classes apart at the end",
    "class_weight": "factor of the weights of the rows of each class (scikit-learn's name)",
    "channel_axis": "axis of the channels in what a layer returns",
    "cv": "folds",
    "device": "where arrays lie",
    "dictionary": "observables of a state",
    "domain": "range of each input",
    "dtype": "float width",
    "estimator": "what is wrapped; of covariances, how they are estimated (pyRiemann's name)",
    "feature_map": "features of a row",
    "gain_basis": "basis of the gains",
    "library": "array library",
    "metric_parameter": "matrix that fixes a metric",
    "module": "torch module to train",
    "n_jobs": "threads or processes",
    "net": "trained network that is looked into",
    "net_params": "further arguments of skorch",
    "perturbation": "disturbance of the input",
    "pool": "how several distributions become one",
    "random_state": "where chance comes from",
    "reference_measure": "law that a design is compared with",
    "reshape": "function of what a layer returns",
    "sensing": "known part of a measurement",
    "size": "shape that maps are resized to",
    "subspace": "transformer that reconstructs rows",
    "verbose": "whether progress is told",
}
# Parameters that several estimators share but start differently, and why.
DEFAULTS_DIFFER = {
    "alpha": "a perceptron is penalised a little, as scikit-learn's are",
    "batch_size": "sequences are longer than rows; rsgd sizes its batches by the table",
    "center": "NearestSubspaceClassifier (CLAFIC) measures directions of rows from the origin",
    "device": "a transformer that moves arrays moves them to the host unless told otherwise",
    "estimator": "each wraps another kind",
    "feature_map": "a quantum circuit has one, least squares take columns as they are",
    "flatten": "maps are looked at, images of meshes go on into a pipeline",
    "gamma": "scales of kernels depend on data, of logits not",
    "index_set": "waves of a few angles, products of many inputs",
    "init": "each has starts of its own",
    "n_init": "a start of K-means is cheap, one of a circuit or a bridge is not",
    "lag": "one chooses, one is told",
    "layer": "of a network to be built, or of one that is there",
    "lr": "each network has a rate that suits it",
    "max_bytes": "a kernel passes over states once, a fit hundreds of times",
    "max_iter": "each solver needs its own number",
    "method": "each has problems of its own",
    "metric": "of matrices, or of rows and subspaces",
    "momentum": "of steps, or of running statistics",
    "n_components": "a federated model has no spectrum to choose from; trained parameters and "
    "corrections of layers are counted otherwise than directions of rows",
    "optimizer": "each network has one that suits it",
    "order": "one chooses, one is told",
    "output": "waves or images",
    "quantile": "of rows, or of directions",
    "reference": "of matrices, or of sensors",
    "sampler": "a law's algorithm, or an estimator",
    "scale": "known, or found from rows",
    "solver": "each has solvers of its own",
    "tol": "each solver measures its own error",
    "validation_fraction": "None sets none aside; where early stopping is a method, a tenth",
    "hidden_layer_sizes": "perceptrons of the compression and of the deep family",
    "standardize": "a classifier should not depend on units; the spikes of a covariance do",
}

INSTANCES = {type(e).__name__: e for e in reversed(instances())}


def parameters():
    """Name -> {estimator: default} of every constructor parameter; ``module__x`` is no name."""
    found = {}
    for name, cls in estimators().items():
        for key, parameter in inspect.signature(cls).parameters.items():
            if parameter.kind is not parameter.VAR_KEYWORD and "__" not in key:
                found.setdefault(key, {})[name] = parameter.default
    return found


def deep_is_here():
    return any(name.startswith("Deep") for name in estimators())


def test_every_parameter_has_a_meaning_and_no_meaning_is_left_over():
    found = set(parameters())
    assert found <= set(MEANING), f"give these a row, or a name that exists: {found - set(MEANING)}"
    if deep_is_here():
        assert set(MEANING) == found, f"nobody has these any more: {set(MEANING) - found}"


def test_no_two_names_have_one_meaning():
    meanings = list(MEANING.values())
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize("name", sorted(MEANING))
def test_shared_parameter_starts_alike_or_says_why(name):
    defaults = {repr(default) for default in parameters().get(name, {}).values()}
    if len(defaults) > 1:
        assert DEFAULTS_DIFFER.get(name), f"{name}: {parameters()[name]}"


def test_no_reason_is_left_over():
    if deep_is_here():
        several = {n for n, by in parameters().items() if len({repr(d) for d in by.values()}) > 1}
        assert set(DEFAULTS_DIFFER) == several


@pytest.mark.parametrize("name", sorted(parameters()["random_state"]))
def test_random_state_is_any_source_of_chance_and_nothing_else(name):
    deep = {type(e).__name__: e for e in deep_instances()}
    estimator = clone((INSTANCES | deep)[name])
    for source in (None, 0, np.random.RandomState(0), np.random.default_rng(0)):
        estimator.set_params(random_state=source)._validate_params()
    data = example(kind_of_input(estimator))
    for word in ("abc", -1):
        with pytest.raises(InvalidParameterError, match="The 'random_state' parameter of"):
            estimator.set_params(random_state=word).fit(*data)


@pytest.mark.filterwarnings(r"ignore:\d+ draws cannot keep:UserWarning")
@pytest.mark.parametrize("name", sorted(INSTANCES))
def test_fitted_attributes_are_those_of_the_docstring(name):
    estimator = clone(INSTANCES[name])
    estimator.fit(*example(kind_of_input(estimator)))
    documented = {
        attribute.strip()
        for entry in ClassDoc(type(estimator))["Attributes"]
        for attribute in entry.name.split(",")
    }
    fitted = {key for key in vars(estimator) if key.endswith("_") and not key.startswith("_")}
    properties = {
        key
        for cls in type(estimator).__mro__
        if cls.__module__.startswith("subspace_learn")
        for key, value in vars(cls).items()
        if isinstance(value, property) and key.endswith("_") and not key.startswith("_")
    }
    assert fitted | properties <= documented | {"classes_"}, "set by fit, but not documented"
    missing = {key for key in documented if not hasattr(estimator, key)}
    assert missing <= {"feature_names_in_", *_only_with(estimator)}, "documented, but not there"


def _only_with(estimator):
    """Attributes that other parameters, or other input, bring."""
    return {
        "DPPLeastSquares": {"points_"},  # of a design on a continuous domain
        "NearestSubspaceClassifier": {"means_"},  # metric="residual"
        "RobustDirections": {"scores_"},  # of a selector that gives scores
        # model="blind_deconvolution", loss="robust"
        "SelfCalibrationLS": {"filter_", "measurement_weights_"},
        "SubsampledEstimator": {"classes_"},  # around a classifier
    }.get(type(estimator).__name__, set())
