"""What all estimators share: parameter validation, rollback on failure, random numbers, doc links.

Private helpers of scikit-learn come in through this file alone, so that a change there is a change
here and nowhere else.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import Tags, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._set_output import (
    _auto_wrap_is_configured,
    _get_output_config,
    _wrap_data_with_container,
)
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import has_fit_parameter

from ._array import array_namespace, is_array, is_complex, is_float
from ._distributed import LAZY, fit_on_chunks, is_lazy, map_over_chunks, refuse_container
from ._warnings import warn

__all__ = [
    "RANDOM_STATE",
    "HasMethods",
    "Interval",
    "StrOptions",
    "SubspaceEstimator",
    "as_container",
    "fit_method",
    "input_container",
    "progress",
    "random_generator",
    "random_seed",
    "routed_fit_params",
    "router_of_wrapped",
    "tags_of_wrapped",
    "tell",
    "warn",
    "warn_of_other_rows",
]


Method = TypeVar("Method", bound=Callable[..., Any])


def fit_method(method: Method) -> Method:
    """Validate parameters before ``method`` and, if it fails, leave the estimator as it was.

    For ``fit``, ``partial_fit`` and the like. A fit that leaves a number which is not finite, or in
    which LAPACK gives up, raises ValueError. The attributes present before the call are put back
    on any exception, an interrupt included; methods therefore bind new arrays to attributes and
    never write into those they find.
    """
    validated = _fit_context(prefer_skip_nested_validation=True)(method)

    names = tuple(inspect.signature(method).parameters)[1:]

    @_fit_context(prefer_skip_nested_validation=True)
    @functools.wraps(method)
    def on_chunks(self: SubspaceEstimator, given: dict[str, Any]) -> Any:
        return fit_on_chunks(self, method.__name__, given)

    @functools.wraps(method)
    def fit_or_roll_back(self: SubspaceEstimator, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        try:
            if _any_lazy(given):
                result = on_chunks(self, _in_order(given, names))
            else:
                result = validated(self, *args, **kwargs)
                if hasattr(given.get("X"), "iloc"):
                    warn_of_other_rows(given)
            _refuse_what_is_not_finite(self, method.__name__)
            return result
        except BaseException as error:
            self.__dict__.clear()
            self.__dict__.update(before)
            if not isinstance(error, np.linalg.LinAlgError):
                raise
            raise ValueError(
                f"{type(self).__name__}.{method.__name__}(): LAPACK gave up ({error}). The numbers "
                "in X are too far apart, or too dependent. Bring its columns to one scale."
            ) from error

    return cast(Method, fit_or_roll_back)


def _any_lazy(given: dict[str, Any]) -> bool:
    """Whether one of the arguments, or the first part of one, is held by Dask."""
    return any(
        hasattr(v[0] if isinstance(v, list | tuple) and len(v) else v, LAZY) and is_lazy(v)
        for v in given.values()
        if type(v) is not np.ndarray
    )


def _in_order(given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Arguments in the order of the signature, of which the first is X."""
    return {name: given[name] for name in (*names, *given) if name in given}


def _also_lazy(method: Method) -> Method:
    """Let a method that takes rows work on the chunks of what Dask holds."""
    names = tuple(inspect.signature(method).parameters)[1:]

    @functools.wraps(method)
    def here_or_on_chunks(self: SubspaceEstimator, *args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if not _any_lazy(given):
            return method(self, *args, **kwargs)
        wanted = _get_output_config("transform", self)["dense"]
        if method.__name__ == "transform" and _auto_wrap_is_configured(self):
            refuse_container(self, wanted)
        return map_over_chunks(self, method.__name__, _in_order(given, names))

    return cast(Method, here_or_on_chunks)


def warn_of_other_rows(given: dict[str, Any]) -> None:
    """Warn where the pandas index of what stands beside X says that its rows are others.

    Successors and lagged targets have other labels than X for good reasons; what has the same
    labels in another order was sorted or shuffled by itself. `fit_method` looks at what `fit` gets,
    other methods that pair rows call this where X is a data frame of pandas.
    """
    labels = given["X"].index
    for name in ("y", "groups", "sample_weight", "u"):
        index = getattr(given.get(name), "index", None)  # a list has a method of this name
        if callable(index) or index is None or len(index) != len(labels) or index.equals(labels):
            continue
        moved = index.is_unique and bool(index.isin(labels).all())
        counted = any(getattr(i, "start", None) == 0 for i in (index, labels))
        if moved or not (counted or name == "y"):
            what = "has the labels of X in another order" if moved else "has other labels than X"
            warn(
                f"The index of {name} {what} ({index[0]!r} stands beside {labels[0]!r}), but rows "
                f"are taken as they come, not by label. If they belong together by label, give "
                f"{name}.loc[X.index]; if not, {name}.to_numpy()."
            )


def _refuse_what_is_not_finite(self: SubspaceEstimator, method: str) -> None:
    """Raise ValueError if a fitted number is NaN or infinite: nothing that follows can be right."""
    for name, value in vars(self).items():
        public = name.endswith("_") and not name.startswith("_") and name not in self._not_finite
        if public and not _all_finite(value):
            raise ValueError(
                f"{type(self).__name__}.{method}() would leave {name} = {_shown(value)}, from "
                "which nothing right can follow. Look for columns of X whose scales differ by many "
                "powers of ten, and for too few rows that differ."
            )


def _shown(value: Any) -> str:
    """What is wrong with a number or array, for a message."""
    if isinstance(value, float):
        return str(value)
    xp = array_namespace(value)
    n_bad = int(xp.sum(xp.astype(~xp.isfinite(value), xp.int64)))
    return f"an array with {n_bad} of {int(np.prod(value.shape))} numbers not finite"


def _all_finite(value: Any) -> bool:
    """False if a float, or an array of floats of any library, holds NaN or infinity."""
    if isinstance(value, float):
        return bool(np.isfinite(value))
    if value is None or isinstance(value, int | str | list | dict | BaseEstimator):
        return True
    if type(value) is np.ndarray:  # no look-up of a namespace
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    if not is_array(value) or not (is_float(value) or is_complex(value)):
        return True
    xp = array_namespace(value)
    return bool(xp.all(xp.isfinite(value)))


# scikit-learn's own constraint does not know NumPy's Generator.
RANDOM_STATE: list[Any] = ["random_state", np.random.Generator]
_RandomState = int | np.random.RandomState | np.random.Generator | None


def random_generator(random_state: _RandomState) -> np.random.Generator:
    """Turn ``random_state`` (None, int, RandomState or Generator) into one Generator.

    A RandomState or Generator is advanced, as scikit-learn does; NumPy's global state is not used.
    """
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31, size=4))
    return np.random.default_rng(random_state)


def routed_fit_params(
    router: BaseEstimator,
    name: str,
    child: BaseEstimator,
    sample_weight: object,
    fit_params: dict[str, Any],
) -> dict[str, Any]:
    """Keyword arguments for ``child.fit``: by metadata routing if enabled, else all that was given.

    Raises
    ------
    TypeError
        If ``sample_weight`` was given and ``child.fit`` does not take it (without routing).
    """
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(router, "fit", sample_weight=sample_weight, **fit_params)
        return dict(routed[name].fit)
    if sample_weight is None:
        return fit_params
    if not has_fit_parameter(child, "sample_weight"):
        raise TypeError(
            f"sample_weight was given, but {type(child).__name__}.fit does not take it. Leave it "
            "out, or use an estimator that does, such as GrassmannPCA."
        )
    return {**fit_params, "sample_weight": sample_weight}


def router_of_wrapped(owner: BaseEstimator, name: str, child: BaseEstimator) -> MetadataRouter:
    """Route metadata of ``fit`` to the owner itself and to the estimator that it wraps."""
    mapping = MethodMapping().add(caller="fit", callee="fit")
    router = MetadataRouter(owner=owner).add_self_request(owner)
    return router.add(method_mapping=mapping, **{name: child})


def random_seed(random_state: _RandomState) -> int:
    """Draw one seed from ``random_state``, for work that may have to be done again later."""
    return int(random_generator(random_state).integers(2**63))


def as_container(transformer: BaseEstimator, output: Any, X: Any) -> Any:
    """Return one table in the container that ``set_output`` asks for.

    For transformers that return lists of tables, each to be wrapped by itself.
    """
    return _wrap_data_with_container("transform", output, X, transformer)


class _InputColumns:
    """Stands in for a transformer whose output has the columns of its input."""

    _sklearn_auto_wrap_output_keys = frozenset({"transform"})

    def __init__(self, transformer: Any) -> None:
        self._sklearn_output_config = getattr(transformer, "_sklearn_output_config", {})
        self._names = _names_of_columns(transformer)

    def get_feature_names_out(self) -> np.ndarray:
        return self._names


def input_container(transformer: BaseEstimator, output: Any, X: Any) -> Any:
    """Return rows of the input space in the container that ``set_output`` asks for."""
    return _wrap_data_with_container("transform", output, X, _InputColumns(transformer))


def _names_of_columns(transformer: BaseEstimator) -> np.ndarray:
    """Names of the columns of the fit; x0, x1, ... if they had none."""
    names = getattr(transformer, "feature_names_in_", None)
    if names is not None:
        return names
    return np.array([f"x{i}" for i in range(transformer.n_features_in_)], dtype=object)


def progress(estimator: BaseEstimator, message: str) -> None:
    """Tell the user how far a long fit is, if ``estimator.verbose`` asks for it."""
    if estimator.verbose:
        tell(type(estimator).__name__, message)


def tell(name: str, message: str) -> None:
    """Print one line of progress, of an estimator or a function of this name."""
    print(f"[{name}] {message}", flush=True)


def tags_of_wrapped(tags: Tags, estimator: BaseEstimator) -> Tags:
    """Give ``tags`` the kind, the targets and the sparse input of the estimator that is wrapped."""
    child = get_tags(estimator)
    tags.estimator_type = child.estimator_type
    tags.classifier_tags = child.classifier_tags
    tags.regressor_tags = child.regressor_tags
    tags.target_tags = child.target_tags
    tags.input_tags.sparse = child.input_tags.sparse
    return tags


class SubspaceEstimator(BaseEstimator):
    """Base of all our estimators: no numerics, only manners."""

    # What X is, where scikit-learn has no tag for it: see _capabilities.kind_of_input.
    _kind_of_input: str | None = None
    # Fitted attributes and methods whose NaN or infinity means something, and what. Any other
    # public attribute that is not finite fails the fit.
    _not_finite: dict[str, str] = {}

    _doc_link_module = "subspace_learn"
    _doc_link_template = (
        "https://subspace-learn.readthedocs.io/en/latest/api/generated/"
        "{estimator_module}.{estimator_name}.html"
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        mixins = (c for c in cls.__mro__[1:] if c.__module__.startswith(f"{__package__}."))
        own = [cls, *(c for c in mixins if not issubclass(c, SubspaceEstimator))]
        for name, method in [item for c in reversed(own) for item in vars(c).items()]:
            if name.startswith(("_", "fit", "partial_fit")):
                continue
            if hasattr(method, "check") and hasattr(method, "fn"):  # scikit-learn's available_if
                lazily = type(method)(_also_lazy(method.fn), method.check, name)
                setattr(cls, name, lazily)
            elif inspect.isfunction(method) and _takes_rows(method):
                setattr(cls, name, _also_lazy(method))


def _takes_rows(method: Callable[..., Any]) -> bool:
    """Whether the first argument is called X, or X0."""
    return any(name.startswith("X") for name in list(inspect.signature(method).parameters)[1:2])
