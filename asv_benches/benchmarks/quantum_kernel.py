"""The quantum kernel beside Qiskit and PennyLane in time, beside plain machines in accuracy."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from subspace_learn.quantum import (
    QuantumKernel,
    VariationalQuantumClassifier,
    make_ad_hoc_quantum,
)

from .common import Listing, Quality, Speed, mean_and_deviation

SHAPES = {"5 qubits, 100 rows": (5, 100), "8 qubits, 100 rows": (8, 100)}
SHAPES |= {"10 qubits, 60 rows": (10, 60), "3 qubits, 10 rows": (3, 10)}
TURN = (0.0, 2 * np.pi)
SCALES = [0.01, 0.03, 0.1, 0.3, 1.0]
COSTS = [1.0, 10.0, 100.0]


def of_qiskit(X):
    """Call of Qiskit's exact kernel of the same map."""
    from qiskit.circuit.library import zz_feature_map
    from qiskit_machine_learning.kernels import FidelityStatevectorKernel

    circuit = zz_feature_map(X.shape[1], reps=2, entanglement="full")
    return lambda: FidelityStatevectorKernel(feature_map=circuit).evaluate(X)


def of_pennylane(X):
    """Call of PennyLane's kernel: states by its fastest simulator in Python, one product."""
    import pennylane as qml

    n = X.shape[1]

    @qml.qnode(qml.device("default.qubit", wires=n))
    def state(x):
        for _ in range(2):
            for i in range(n):
                qml.Hadamard(i)
                qml.RZ(-2 * x[..., i], wires=i)
            for i in range(n):
                for j in range(i + 1, n):
                    qml.IsingZZ(-2 * (np.pi - x[..., i]) * (np.pi - x[..., j]), wires=[i, j])
        return qml.state()

    def kernel():
        states = state(X)
        return abs(states @ states.conj().T) ** 2

    return kernel


class Simulated(Speed):
    """Kernel of a table with itself, two layers, all pairs, seconds (score: largest gap to ours).

    PennyLane is given all rows in one broadcast, Qiskit its state-vector kernel, as their
    documentations recommend for exact simulation.
    """

    may_use = ("qiskit_machine_learning", "pennylane")
    n_threads = 1
    budget = 15.0
    param_names = ["case"]
    params = [list(SHAPES)[:3]]
    smallest = ("3 qubits, 10 rows",)

    def make_data(self, case):
        n_qubits, n_rows = SHAPES[case]
        return np.random.default_rng(0).uniform(*TURN, size=(n_rows, n_qubits))

    def ours(self, X):
        return QuantumKernel().fit_transform(X)

    def peers(self, X):
        found = {}
        if find_spec("qiskit_machine_learning"):
            found["qiskit-machine-learning"] = of_qiskit(X)
        if find_spec("pennylane"):
            found["PennyLane"] = of_pennylane(X)
        return found

    def score(self, X, result):
        return float(np.max(np.abs(np.asarray(result) - self.ours(X))))


def of_classes(load, *classes):
    """A table of scikit-learn, or the rows of some classes."""
    X, y = load(return_X_y=True)
    kept = np.isin(y, classes) if classes else np.ones(len(y), dtype=bool)
    return X[kept], y[kept]


TABLES = {
    "breast cancer": lambda: of_classes(load_breast_cancer),
    "wine": lambda: of_classes(load_wine),
    "iris": lambda: of_classes(load_iris),
    "digits 3 and 8": lambda: of_classes(load_digits, 3, 8),
}


def angles_of(n_columns=5):
    """At most five principal directions as angles, made inside the folds."""
    return [StandardScaler(), PCA(n_columns), MinMaxScaler(TURN, clip=True)]


class Experts(Quality):
    """What an expert would use instead: accuracy on real tables, over five folds.

    All but the last two columns see the same five principal directions (iris: four) as angles.
    Scale and C are chosen by five folds inside each training fold; "as published" has scale 1.
    """

    case_name = "table"
    cases = TABLES
    seeds = 3

    def make_data(self, load, seed):
        X, y = load()
        if self.quick:
            X, y = X[:: len(X) // 60], y[:: len(y) // 60]
        return X, y, StratifiedKFold(2 if self.quick else 5, shuffle=True, random_state=seed)

    def methods(self, data):
        X, y, folds = data
        inner = 2 if self.quick else 5
        first = angles_of(min(5, X.shape[1]))
        costs = {"svc__C": COSTS}

        def accuracy(steps, grid):
            search = GridSearchCV(make_pipeline(*steps), grid, cv=inner)
            return cross_val_score(search, X, y, cv=folds).mean()

        precomputed = SVC(kernel="precomputed")
        scales = {"quantumkernel__scale": SCALES, **costs}
        widths = {"svc__gamma": ["scale", 0.001, 0.01, 0.1, 1.0], **costs}
        return {
            "ours, scale chosen": lambda: accuracy([*first, QuantumKernel(), precomputed], scales),
            "ours, as published": lambda: accuracy([*first, QuantumKernel(), precomputed], costs),
            "RBF, same angles": lambda: accuracy([*first, SVC()], widths),
            "RBF, all columns": lambda: accuracy([StandardScaler(), SVC()], widths),
            "logistic regression, all columns": lambda: accuracy(
                [StandardScaler(), LogisticRegression(max_iter=2000)],
                {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]},
            ),
        }


class Scales(Listing):
    """Accuracy by the scale of the angles, C = 10, five folds (mean overlap of rows behind it)."""

    def rows(self):
        yield ["scale", *self.some(TABLES)]
        for scale in self.some([*SCALES, 0.6]):
            cells = []
            for load in self.some(TABLES.values()):
                X, y = load()
                step = len(X) // 40 if self.quick else 1
                kernel = QuantumKernel(scale=scale)
                model = make_pipeline(
                    *angles_of(min(5, X.shape[1])), kernel, SVC(kernel="precomputed", C=10.0)
                )
                score = cross_val_score(model, X[::step], y[::step], cv=5).mean()
                overlap = model.fit(X[::step], y[::step])[-2].mean_overlap_
                cells.append(f"{score:.3f} ({overlap:.2f})")
            yield [f"{scale:g}", *cells]


class AdHoc(Listing):
    """Accuracy on 1,000 new rows of the ad hoc set by rows per class, ten draws of the set.

    The set is made from the kernel's own space, with two columns. C and the width of the RBF are
    chosen by five folds.
    """

    def rows(self):
        yield ["rows per class", "quantum kernel", "circuit, depth 4", "RBF, tuned"]
        for n in self.some([20, 200, 1000]):
            found = {"kernel": [], "circuit": [], "rbf": []}
            for seed in self.some(range(10 if n < 1000 else 3)):
                X, y = make_ad_hoc_quantum(2 * n + (100 if self.quick else 1000), random_state=seed)
                (X, X_new), (y, y_new) = np.split(X, [2 * n]), np.split(y, [2 * n])
                models = {
                    "kernel": make_pipeline(QuantumKernel(), SVC(kernel="precomputed", C=1e3)),
                    "circuit": VariationalQuantumClassifier(4, random_state=seed),
                    "rbf": GridSearchCV(
                        make_pipeline(StandardScaler(), SVC()),
                        {"svc__gamma": [0.1, 0.3, 1, 3, 10, 30], "svc__C": [1, 10, 100, 1000]},
                    ),
                }
                for name, model in models.items():
                    found[name].append(model.fit(X, y).score(X_new, y_new))
            yield [str(n), *map(mean_and_deviation, found.values())]
