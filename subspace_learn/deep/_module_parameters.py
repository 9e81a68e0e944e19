"""A torch module as a parameter of an estimator, with parameters of its own: ``module__x``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ._base import BaseDeepEstimator

__all__ = ["ModuleEstimator"]

PREFIX = "module__"


class ModuleEstimator(BaseDeepEstimator):
    """Adds the parameter ``module`` and those with the prefix ``module__`` to a deep estimator."""

    _parameter_constraints: dict = {
        **BaseDeepEstimator._parameter_constraints,
        "module": [callable, None],
    }

    def __init__(
        self,
        module=None,
        *,
        max_epochs=50,
        lr=1e-3,
        batch_size=64,
        optimizer="adam",
        weight_decay=0.0,
        validation_fraction=None,
        early_stopping=False,
        n_iter_no_change=10,
        warm_start=False,
        callbacks=None,
        device="auto",
        dtype=None,
        random_state=None,
        verbose=0,
        net_params=None,
        **module__x,
    ):
        super().__init__(
            max_epochs=max_epochs,
            lr=lr,
            batch_size=batch_size,
            optimizer=optimizer,
            weight_decay=weight_decay,
            validation_fraction=validation_fraction,
            early_stopping=early_stopping,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            callbacks=callbacks,
            device=device,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
            net_params=net_params,
        )
        self.module = module
        for name in module__x:
            if not name.startswith(PREFIX):
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"{name!r}. Parameters of the module are written {PREFIX}{name}."
                )
        self._module_params = module__x

    @classmethod
    def from_module(
        cls,
        module: Callable[..., Any],
        module_params: Mapping[str, Any] | None = None,
        **params: Any,
    ) -> ModuleEstimator:
        """Make an estimator of a torch module, and check at once that it can be used.

        ``from_module(MyNet, {"hidden": 8}, lr=0.1)`` is ``cls(MyNet, module__hidden=8, lr=0.1)``
        with its errors before `fit`.

        Parameters
        ----------
        module : type or callable
            Class of a torch module, or a function that returns a new one; not a module.
        module_params : dict, default=None
            Parameters of the module.
        **params : dict
            Parameters of the estimator.

        Returns
        -------
        estimator : estimator
            Not fitted.
        """
        named = {f"{PREFIX}{name}": value for name, value in (module_params or {}).items()}
        estimator = cls(module, **params, **named)
        estimator._validate_params()
        estimator._module_arguments({})
        return estimator

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the estimator and, with the prefix ``module__``, of its module.

        Parameters
        ----------
        deep : bool, default=True
            Whether parameters of parameters are listed too.

        Returns
        -------
        params : dict
            By name.
        """
        return {**super().get_params(deep), **self._module_params}

    def set_params(self, **params: Any) -> ModuleEstimator:
        """Set parameters; if any name is unknown, none is changed.

        Parameters
        ----------
        **params : dict
            Parameter names and their new values; any name may follow ``module__``.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        own = {name: params.pop(name) for name in list(params) if name.startswith(PREFIX)}
        super().set_params(**params)
        self._module_params = {**self._module_params, **own}
        return self

    def _default_module(self) -> Callable[..., Any]:
        """Return the class that is used if none is given."""
        from ._perceptrons import Perceptron

        return Perceptron

    def _build_module(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> Any:
        factory = self._default_module() if self.module is None else self.module
        sizes = {"n_features": n_features, "n_outputs": n_outputs}
        return factory(**self._module_arguments(sizes))

    def _module_arguments(self, sizes: dict[str, int]) -> dict[str, Any]:
        """Arguments for the module: its own parameters, and the sizes that it asks for by name."""
        factory = self._default_module() if self.module is None else self.module
        name = getattr(factory, "__name__", type(factory).__name__)
        if _is_built(factory):
            raise TypeError(
                f"module is a {type(factory).__name__} that exists already: every fit would train "
                "this one further. Give its class and its parameters, as in "
                f"module={type(factory).__name__}, module__x=..., or a function that returns a new "
                "one."
            )
        given = {key.removeprefix(PREFIX): value for key, value in self._module_params.items()}
        known = inspect.signature(factory).parameters
        unknown = sorted(set(given) - set(known))
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            raise ValueError(
                f"{name} has no parameter {', '.join(unknown)} (set as {PREFIX}{unknown[0]}). It "
                f"takes: {', '.join(known) or 'nothing'}."
            )
        asked_for = {key: value for key, value in sizes.items() if key in known}
        return {**asked_for, **given}


def _is_built(factory: Any) -> bool:
    """Whether this is a module, not a class or function that makes one; torch may be absent."""
    bases = [f"{base.__module__}.{base.__name__}" for base in type(factory).__mro__]
    return "torch.nn.modules.module.Module" in bases
