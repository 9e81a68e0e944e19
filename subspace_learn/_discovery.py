"""Every public name, read off the ``__all__`` of each room: the one list.

The common tests, the docstring tests and the API pages of the documentation all walk it, so a name
that stands in its family's ``__all__`` is tested and documented, and one that does not is private.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from inspect import isabstract, isclass, isfunction
from pkgutil import iter_modules
from types import ModuleType
from typing import NamedTuple

import subspace_learn

__all__ = ["PublicName", "estimators", "public_names"]

# Libraries of extras: without them the names that are written in terms of theirs are passed over.
_OPTIONAL = {"torch", "skorch"}


class PublicName(NamedTuple):
    """A public object, under the name and in the module from which users import it."""

    module: str
    name: str
    value: object

    @property
    def path(self) -> str:
        """Full dotted path, such as ``subspace_learn.grassmann.GrassmannPCA``."""
        return f"{self.module}.{self.name}"


def public_names() -> list[PublicName]:
    """Return every public class and function, room by room, each once.

    A headline name that lives in a public room is listed there, one from a private module (such as
    ``_to_device``) at the top. Constants and type aliases are left out: the page of their
    module explains them.
    """
    top = [
        PublicName("subspace_learn", name, getattr(subspace_learn, name))
        for name, room in subspace_learn._HEADLINE.items()
        if room not in subspace_learn._ROOMS
    ]
    rooms = [import_module(f"subspace_learn.{room}") for room in subspace_learn._ROOMS]
    return top + [found for room in rooms for found in _names_in(room)]


def _names_in(module: ModuleType) -> Iterator[PublicName]:
    for name in getattr(module, "__all__", ()):
        try:
            value = getattr(module, name, None)
        except ImportError as error:
            if error.name in _OPTIONAL:
                continue
            raise
        if isclass(value) or isfunction(value):
            yield PublicName(module.__name__, name, value)
    if module.__name__.split(".")[1] in subspace_learn._PROVISIONAL:
        for found in iter_modules(getattr(module, "__path__", ())):
            yield from _names_in(import_module(f"{module.__name__}.{found.name}"))


def estimators() -> dict[str, type]:
    """Return every public estimator class by name; base classes that cannot be made are not."""
    from sklearn.base import BaseEstimator

    return {
        found.name: found.value
        for found in public_names()
        if isclass(found.value)
        and issubclass(found.value, BaseEstimator)
        and not isabstract(found.value)
    }
