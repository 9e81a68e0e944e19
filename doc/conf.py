"""Sphinx configuration: `make doc` builds with warnings as errors and without the network."""

import os
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import subspace_learn  # noqa: E402

project = "subspace-learn"
author = "The subspace-learn developers"
copyright = f"2026, {author}"
version = release = subspace_learn.__version__

extensions = [
    "api_pages",  # doc/_ext: API pages from the one list of public names
    "capability_page",  # doc/_ext: what each estimator takes and does, from its tags
    "optional_parts",  # doc/_ext: pictures and tables that may not be there
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]

# Links into other projects need the network: SUBSPACE_LEARN_INTERSPHINX=1 make doc
if os.environ.get("SUBSPACE_LEARN_INTERSPHINX") == "1":
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

exclude_patterns = ["_build", "_figures", "_tables", "user_guide/_*"]  # included by pages, or code
html_static_path = ["_static"]
default_role = "literal"  # `fit` in a docstring is code
autosummary_generate = False
autodoc_typehints = "none"  # the docstrings say it better
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
add_module_names = False

html_theme = "pydata_sphinx_theme"
html_title = "subspace-learn"
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "pygments_light_style": "tango",
}
wide_pages = ("index", "install", "tutorials/*", "choose", "big_data", "benchmarks")
wide_pages += ("development", "changelog")
html_sidebars = {page: [] for page in wide_pages}

# Examples on real data alone have nothing to show where these are absent: listed, not run.
from subspace_learn.datasets import data_home  # noqa: E402

NEEDS = {
    "/covariance/": "eeg/mamem_ssvep_U009.npz",
    "/plot_attributed_cora": "graphs/cora/adjacency.npz",
}
left_out = [part for part, file in NEEDS.items() if not (Path(data_home()) / file).exists()]
# And those that use an extra.
NEEDS_MODULES = {"/plot_dask_alarms": ("dask", "pyarrow")}
left_out += [part for part, names in NEEDS_MODULES.items() if not all(map(find_spec, names))]
examples_that_run = "^" + "".join(f"(?!.*{part})" for part in left_out) + ".*/(plot_|quickstart)"

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": examples_that_run,
    "ignore_pattern": r"(__init__|demo)\.py",
    "doc_module": ("subspace_learn",),
    "backreferences_dir": "api/generated/backreferences",
    "reference_url": {"subspace_learn": None},
    "abort_on_example_error": True,
    "show_memory": False,
    "plot_gallery": os.environ.get("SUBSPACE_LEARN_PLOT_GALLERY", "1") == "1",
}

# An example ends with plt.show(); the build has no window to show.
warnings.filterwarnings("ignore", message=".*FigureCanvasAgg is non-interactive.*")
