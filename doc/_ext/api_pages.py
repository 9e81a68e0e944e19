"""Write the API pages from the one list of public names, before Sphinx reads its sources.

One page for each room (``subspace_learn.grassmann``) with the docstring of the room and a table of
its names; one page for each class or function. A name enters by standing in its room's ``__all__``.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from itertools import groupby
from pathlib import Path

import subspace_learn
from subspace_learn._discovery import PublicName, public_names

OUTPUT = Path(__file__).resolve().parents[1] / "api" / "generated"


def heading(text: str, under: str = "=") -> str:
    return f"{text}\n{under * len(text)}\n\n"


def shortest_path(found: PublicName) -> str:
    """The path users write: headline names import from the top."""
    return f"subspace_learn.{found.name}" if found.name in subspace_learn._HEADLINE else found.path


def object_page(found: PublicName) -> str:
    """Page of one class or function, with the examples that use it."""
    lines = [heading(found.name), f".. currentmodule:: {found.module}\n\n"]
    if inspect.isclass(found.value):
        lines.append(f".. autoclass:: {found.name}\n   :members:\n   :member-order: bysource\n")
        if requests := metadata_requests(found.value):
            lines.append(f"   :exclude-members: {', '.join(requests)}\n")
        lines += [
            f"\n   .. automethod:: {found.name}.{name}\n"
            for name in public_methods(found.value)
            if name not in vars(found.value) and is_ours(found.value, name)
        ]
        if inherited := inherited_methods(found.value, requests):
            names = ", ".join(f"``{name}``" for name in inherited)
            lines.append(f"\nInherited from scikit-learn: {names}.\n")
    else:
        lines.append(f".. autofunction:: {found.name}\n")
    if examples_using(found):
        lines.append("\n.. rubric:: Examples using this\n")
        lines.append(f"\n.. minigallery:: {shortest_path(found)}\n")
    return "".join(lines)


def metadata_requests(cls: type) -> list[str]:
    """Names such as ``set_fit_request``, which scikit-learn adds to each class."""
    return [name for name in dir(cls) if name.startswith("set_") and name.endswith("_request")]


def public_methods(cls: type) -> list[str]:
    """Names of the methods, own and inherited, that a user can call."""
    methods = inspect.getmembers(cls, inspect.isroutine)
    return [name for name, _ in methods if not name.startswith("_")]


def is_ours(cls: type, name: str) -> bool:
    """Whether the class that brings a method is one of ours; autodoc passes over private bases."""
    owner = next(base for base in cls.__mro__ if name in vars(base))
    return owner.__module__.startswith("subspace_learn")


def inherited_methods(cls: type, requests: list[str]) -> list[str]:
    """Public methods that scikit-learn's mixins bring."""
    from_sklearn = [
        name
        for name in public_methods(cls)
        if not is_ours(cls, name)
        and any(name in vars(base) for base in cls.__mro__ if base.__module__[:7] == "sklearn")
    ]
    return sorted({*from_sklearn, *requests})


def examples_using(found: PublicName) -> bool:
    examples = (Path(__file__).resolve().parents[2] / "examples").rglob("*.py")
    return any(found.name in path.read_text("utf-8") for path in examples)


def room_page(room: str, names: list[PublicName]) -> str:
    """Page of one room: its docstring, then a table for each of its modules."""
    lines = [heading(room), f".. automodule:: {room}\n   :no-members:\n\n"]
    for module, members in groupby(names, key=lambda found: found.module):
        if module != room:
            lines.append(heading(module.removeprefix(f"{room}."), "-"))
            lines.append(f".. automodule:: {module}\n   :no-members:\n\n")
        table = [f"   {found.name}\n" for found in members]
        lines += [f".. currentmodule:: {module}\n\n", ".. autosummary::\n   :nosignatures:\n\n"]
        lines += [*table, "\n"]
    pages = [f"   {found.path}\n" for found in names]
    return "".join([*lines, ".. toctree::\n   :hidden:\n\n", *pages])


def room_of(found: PublicName) -> str:
    return ".".join(found.module.split(".")[:2])


def write_if_new(path: Path, text: str, written: set[Path]) -> None:
    """Leave a page alone that says the same already, so that Sphinx need not read it again."""
    written.add(path)
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def write_pages(app=None) -> None:
    """Write all pages and remove those of names that are gone."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    written: set[Path] = set()
    names = public_names()
    for room in ["subspace_learn", *(f"subspace_learn.{name}" for name in subspace_learn._ROOMS)]:
        import_module(room)
        members = [found for found in names if room_of(found) == room]
        write_if_new(OUTPUT / f"room.{room}.rst", room_page(room, members), written)
    for found in names:
        write_if_new(OUTPUT / f"{found.path}.rst", object_page(found), written)
    for path in OUTPUT.glob("*.rst"):
        if path not in written:
            path.unlink()


def setup(app):
    app.connect("builder-inited", write_pages, priority=100)  # before autosummary and the gallery
    return {"parallel_read_safe": True, "parallel_write_safe": True}
