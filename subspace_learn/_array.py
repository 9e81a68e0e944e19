"""Array libraries: the one file that knows NumPy, CuPy and torch by name.

The array that comes in decides where the work is done and what goes out: same library, same
device, same float width. Everything above this file is written against the array API standard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat as compat
import numpy as np
import scipy.sparse as sp
from array_api_compat import device as device_of
from array_api_compat import is_array_api_obj, is_cupy_array, is_numpy_array, is_torch_array

__all__ = [
    "Array",
    "array_namespace",
    "as_float",
    "conj",
    "detached",
    "device_of",
    "double",
    "faster",
    "fft_of",
    "is_array",
    "is_complex",
    "is_float",
    "is_numpy",
    "library_name",
    "move_like",
    "namespace_and_floats",
    "on_host",
    "real",
    "real_floats",
    "sparse_like",
    "to_library",
    "to_numpy",
]

_NUMPY = compat.array_namespace(np.empty(0))

Array = Any  # no library-neutral static type exists; the standard's protocol is the contract


def is_array(x: object) -> bool:
    """Whether ``x`` is a dense array of a library that follows the array API standard."""
    return is_array_api_obj(x) and not sp.issparse(x)


def is_numpy(x: object) -> bool:
    """Whether ``x`` is computed with NumPy (a SciPy sparse matrix counts)."""
    return is_numpy_array(x) or sp.issparse(x)


def library_name(x: object) -> str:
    """Name of the array library of ``x``: "numpy", "cupy", "torch", "array_api_strict", ..."""
    if is_numpy(x):
        return "numpy"
    return type(x).__module__.partition(".")[0]


def array_namespace(*arrays: Array) -> Any:
    """Return the namespace ``arrays`` share; None is skipped, SciPy sparse counts as NumPy.

    Raises
    ------
    TypeError
        If the arrays come from different libraries.
    """
    if len(arrays) == 1 and type(arrays[0]) is np.ndarray:  # nearly always: no questions
        return _NUMPY
    present = [a for a in arrays if a is not None]
    names = sorted({library_name(a) for a in present})
    if len(names) > 1:
        raise TypeError(
            f"Arrays from different libraries were mixed: {', '.join(names)}. All arrays of one "
            "call must come from the same library; convert them, for example with ToDevice."
        )
    dense = [a for a in present if not sp.issparse(a)]
    return compat.array_namespace(*dense) if dense else _NUMPY


def is_float(x: Array) -> bool:
    """Whether ``x`` holds real floating point numbers."""
    if sp.issparse(x):
        return bool(np.issubdtype(x.dtype, np.floating))
    return bool(array_namespace(x).isdtype(x.dtype, "real floating"))


def is_complex(x: Array) -> bool:
    """Whether ``x`` holds complex numbers."""
    kind = getattr(x.dtype, "kind", None)  # NumPy and CuPy: no look-up of a namespace
    if kind is not None:
        return bool(kind == "c")
    return bool(array_namespace(x).isdtype(x.dtype, "complex floating"))


def conj(x: Array) -> Array:
    """Complex conjugate; real arrays, which the standard refuses, come back as they are."""
    return array_namespace(x).conj(x) if is_complex(x) else x


def real(x: Array) -> Array:
    """Real part; real arrays, which the standard refuses, come back as they are."""
    return array_namespace(x).real(x) if is_complex(x) else x


def double(x: Array) -> Array:
    """Return ``x`` in double precision: complex128 if it is complex, else float64."""
    xp = array_namespace(x)
    wanted = xp.complex128 if is_complex(x) else xp.float64
    return x if x.dtype == wanted else xp.astype(x, wanted)


def fft_of(x: Array) -> Any:
    """Return the module with ``fft`` and ``ifft`` for ``x``: scipy.fft serves NumPy's arrays."""
    if is_numpy(x):
        import scipy.fft

        return scipy.fft
    return array_namespace(x).fft


def detached(x: Array) -> Array:
    """Return ``x`` without its history: nothing here is differentiated by torch's autograd."""
    return x.detach() if is_torch_array(x) else x


def as_float(x: Array) -> Array:
    """Return ``x`` itself if floating (float16 widened to float32), else a float64 copy of it."""
    xp = array_namespace(x)
    if not is_float(x):
        return xp.astype(x, xp.float64)
    return xp.astype(x, xp.float32) if xp.finfo(x.dtype).bits < 32 else x


def real_floats(*arrays: Any) -> Any:
    """Return arrays as real floating numbers, themselves if they are; integers become float64.

    One array comes back by itself, several as a tuple. Raises ValueError if one is complex or
    masked: parts of it would be lost.
    """
    found = tuple(_real_floats(x) for x in arrays)
    return found[0] if len(found) == 1 else found


def namespace_and_floats(*arrays: Any) -> tuple[Any, ...]:
    """Return the namespace that arrays share, and the arrays as `real_floats` gives them."""
    found = tuple(_real_floats(x) for x in arrays)
    return array_namespace(*found), *found


def _real_floats(x: Any) -> Array:
    if type(x) is np.ndarray and x.dtype.char in "fd":
        return x
    if np.ma.is_masked(x):
        raise ValueError("The array is masked. Fill the masked entries, or leave them out.")
    if isinstance(x, np.ndarray) or not is_array(x):
        x = np.asarray(x)
    if is_complex(x):
        raise ValueError(f"Complex data not supported: the array is of dtype {x.dtype}.")
    return as_float(x)


def to_numpy(x: Array) -> np.ndarray:
    """Copy (or view, where memory is shared) ``x`` as a NumPy array on the host."""
    if is_numpy_array(x):
        return x
    if is_torch_array(x):
        return x.detach().cpu().numpy()
    if is_cupy_array(x):
        return x.get()
    return np.from_dlpack(x if on_host(x) else compat.to_device(x, _host_of(x)))


def _host_of(x: Array) -> Any:
    """The device of the library of ``x`` from which NumPy reads."""
    return array_namespace(x).__array_namespace_info__().default_device()


def move_like(x: Array, reference: Array) -> Array:
    """Move ``x`` to the library and device of ``reference``; the dtype stays."""
    if is_numpy(reference):
        return to_numpy(x)
    xp = array_namespace(reference)
    if library_name(x) != library_name(reference):
        x = to_numpy(x)
    return xp.asarray(x, device=device_of(reference))


def sparse_like(A: Any, reference: Array) -> Any:
    """Move a SciPy CSR array to the sparse matrices of the library and device of ``reference``.

    NumPy keeps it, CuPy gets a ``cupyx.scipy.sparse.csr_matrix``, torch a COO tensor (its CSR is
    still called a beta).
    """
    if is_numpy(reference):
        return A
    if is_cupy_array(reference):
        import cupyx.scipy.sparse

        with reference.device:
            return cupyx.scipy.sparse.csr_matrix(A)
    if is_torch_array(reference):
        import torch

        A = A.tocoo()
        places, data = torch.asarray(np.stack(A.coords)), torch.asarray(A.data.copy())
        moved = torch.sparse_coo_tensor(places, data, A.shape, check_invariants=True)
        return moved.to(reference.device).coalesce()
    raise TypeError(f"No sparse matrices are known for arrays of {library_name(reference)!r}.")


def on_host(x: Array) -> bool:
    """Whether ``x`` lies in the memory of the host, where caches reward small blocks."""
    return "cpu" in str(device_of(x)).lower()


def _gpu_library() -> str:
    from importlib.util import find_spec

    for name in ("cupy", "torch"):
        if find_spec(name) is not None:
            return name
    raise ImportError(
        "A GPU device was asked for, but neither CuPy nor torch is installed. Install one, for "
        "example with: pip install 'subspace-learn[gpu]'"
    )


def to_library(x: Array, device: str, library: str | None = None) -> Array:
    """Move ``x`` to ``device`` ("cpu", "cuda" or "cuda:<index>") in ``library``.

    ``library=None`` means NumPy for "cpu"; for "cuda" CuPy if it is installed, else torch.

    Raises
    ------
    ImportError
        If the library is not installed.
    ValueError
        If the library cannot use that device on this machine.
    """
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or not (index.isdecimal() or device == kind):
        raise ValueError(
            f"device={device!r} is not known here. Use 'cpu', 'cuda', or 'cuda:<index>' such as "
            "'cuda:0'."
        )
    library = library or ("numpy" if kind == "cpu" else _gpu_library())
    if library == "torch":
        return _to_torch(x, device)
    if library == "cupy" and kind == "cuda":
        return _to_cupy(x, int(index or 0))
    if library == "numpy" and kind == "cpu":
        return to_numpy(x)
    raise ValueError(
        f"library={library!r} cannot hold arrays on device={device!r}. "
        "Use 'numpy' with 'cpu', 'cupy' with 'cuda', or 'torch' with either."
    )


def _to_torch(x: Array, device: str) -> Array:
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r} was asked for, but torch {torch.__version__} finds no CUDA device. "
            "Use device='cpu', or install a CUDA build of torch on a machine with a GPU."
        )
    x = x if is_torch_array(x) else torch.asarray(np.array(to_numpy(x), copy=True))
    return x.to(device)


def _to_cupy(x: Array, index: int) -> Array:
    import cupy

    try:
        with cupy.cuda.Device(index):
            return cupy.asarray(x if is_cupy_array(x) else to_numpy(x))
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ValueError(
            f"device='cuda:{index}' was asked for, but CuPy cannot use it: {error}. "
            "Use device='cpu', or check the driver with nvidia-smi."
        ) from error


# ---------------------------------------------------------------------------------------------
# Second bodies: one row for each operation that measurement showed to be worth a body of its own.
# name -> library -> "module:function". No entry for a library means: use the portable code.
# ---------------------------------------------------------------------------------------------
_FASTER: dict[str, dict[str, str]] = {
    # LAPACK evr on a range of eigenvalues: 3x faster than all of them when few of many are wanted.
    "leading_eigenpairs": {"numpy": "subspace_learn.linalg.eig:scipy_leading_eigenpairs"},
    # One matrix in each lane: 2x to 4x faster than LAPACK on one after the other.
    "stacked_eigenvalues": {"numpy": "subspace_learn.linalg.eig:lanewise_eigenvalues"},
}


def faster(name: str, x: Array) -> Callable[..., Any] | None:
    """Return the special body of operation ``name`` for the library of ``x``, or None."""
    from importlib import import_module

    target = _FASTER[name].get(library_name(x))
    if target is None:
        return None
    module, _, function = target.partition(":")
    return getattr(import_module(module), function)
