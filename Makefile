# Everything a newcomer, a developer and CI run, by one name each: `make help` lists the targets.
# Needs make and Python 3.11 or newer, nothing else; another Python: `make PYTHON=/path/to/python3.12 test`.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMPS := $(VENV)/.stamps
INSTALL := $(PY) -m pip install --disable-pip-version-check -c constraints.txt
FLOOR_PACKAGES := array-api-strict hypothesis networkx pandas polars pytest
TESTARGS ?=

# The project's own machines keep the real data here; elsewhere the fetchers look in the user's cache.
ifneq ($(wildcard ../shared/data),)
export SUBSPACE_LEARN_DATA ?= $(abspath ../shared/data)
endif
export MPLBACKEND ?= Agg

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-strict test-nojit test-gpu test-floors walk mutants doctest lint format doc examples \
	wheel bench bench-report clean distclean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

# --- environments -------------------------------------------------------------------------------

define CHECK_PYTHON
@command -v $(PYTHON) >/dev/null || { \
	echo "make: '$(PYTHON)' was not found. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11"; \
	exit 1; }
@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("make: subspace-learn needs \
Python 3.11 or newer, but $(PYTHON) is %d.%d (%s). Name a newer one: make \
PYTHON=/path/to/python3.11" % (v[0], v[1], sys.executable))'
endef

$(STAMPS)/venv:
	$(CHECK_PYTHON)
	@echo "==> making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# One stamp for each extra, so that a second call installs nothing. Editable: the code runs from here.
$(STAMPS)/%: pyproject.toml constraints.txt | $(STAMPS)/venv
	@echo "==> installing subspace-learn[$*] into $(VENV)"
	@$(INSTALL) -e ".[$*]"
	@touch $@

.venv-floors/.stamp: pyproject.toml constraints-floors.txt
	$(CHECK_PYTHON)
	@echo "==> installing the lowest supported releases into .venv-floors"
	@$(PYTHON) -m venv --clear .venv-floors
	@.venv-floors/bin/python -m pip install --disable-pip-version-check -c constraints-floors.txt \
		-e ".[data,deep,distributed]" $(FLOOR_PACKAGES)
	@touch $@

# --- what users see -----------------------------------------------------------------------------

demo: $(STAMPS)/data  ## install, run examples/demo.py on real data, pictures in demo_output/
	@echo "==> examples/demo.py"
	@$(PY) -u examples/demo.py

examples: $(STAMPS)/data $(STAMPS)/deep $(STAMPS)/distributed  ## run every example as a script
	@set -e; for script in examples/demo.py examples/quickstart.py $$(find examples -name 'plot_*.py' | sort); do \
		echo "==> $$script"; $(PY) -u $$script; done

# --- tests --------------------------------------------------------------------------------------

test: $(STAMPS)/test  ## the whole test suite
	$(PY) -m pytest --durations=10 $(TESTARGS)

test-strict: $(STAMPS)/test  ## common checks with SciPy's array API switched on
	SCIPY_ARRAY_API=1 $(PY) -m pytest tests/test_common.py $(TESTARGS)

test-nojit: $(STAMPS)/test  ## kernels as plain Python: coverage and index bounds
	NUMBA_DISABLE_JIT=1 $(PY) -m pytest tests/kernels $(TESTARGS)

# A GPU machine often brings its own Python with CuPy or torch: make test-gpu GPU_PYTHON=python3
ifdef GPU_PYTHON
test-gpu:
	$(GPU_PYTHON) -m pytest -m gpu $(TESTARGS)
else
test-gpu: $(STAMPS)/test $(STAMPS)/gpu  ## tests that need a CUDA device
	$(PY) -m pytest -m gpu $(TESTARGS)
endif

test-floors: .venv-floors/.stamp  ## mathematics, kernels and common checks on the lowest releases
	.venv-floors/bin/python -m pytest tests/kernels tests/linalg tests/functional tests/grassmann \
		tests/deep/test_adapter.py tests/datasets tests/test_common.py $(TESTARGS)

walk: $(STAMPS)/test  ## follow fit of the headline estimators, write the table of ARCHITECTURE.md
	$(PY) tests/walk.py

MUTANTS ?= 200
SEED ?= 0
mutants: $(STAMPS)/dev  ## change one operator at a time, see which tests notice (hours; MUTANTS=20 SEED=1)
	$(PY) -m pip install --disable-pip-version-check -q cosmic-ray
	$(PY) tests/mutants.py -n $(MUTANTS) --seed $(SEED)

doctest: $(STAMPS)/test  ## examples in docstrings, README, tutorials and user guide
	$(PY) -m pytest --doctest-modules --doctest-glob='*.rst' --doctest-glob='README.md' \
		-W "ignore:More than 20 figures:RuntimeWarning" subspace_learn README.md \
		doc/*.rst doc/tutorials doc/user_guide $(TESTARGS)

lint: $(STAMPS)/dev  ## ruff, format check, types, docstring validation
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m numpydoc lint $$(find subspace_learn -name '*.py' | sort)

format: $(STAMPS)/dev  ## let ruff mend what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# --- documentation, wheel, benchmarks -----------------------------------------------------------

doc: $(STAMPS)/doc $(STAMPS)/deep $(STAMPS)/distributed  ## build doc/_build/html, warnings are errors
	$(PY) -m sphinx -W --keep-going -b html doc doc/_build/html

wheel: $(STAMPS)/dev  ## build an sdist and a wheel from it, try every headline name in an empty environment
	rm -rf build dist .venv-wheel
	$(PY) -m build --outdir dist
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --disable-pip-version-check -c constraints.txt dist/*.whl
	.venv-wheel/bin/python -I tests/wheel_smoke.py

bench: $(STAMPS)/dev  ## every asv benchmark once
	cd asv_benches && ../$(PY) -m asv machine --yes && ../$(PY) -m asv run --quick --show-stderr -E existing:$(abspath $(PY))

bench-report: $(STAMPS)/dev  ## measure doc/_tables anew, fill the figures of the text (BENCH="dpp eora.Digits", BUDGET=2)
	$(PY) asv_benches/report.py $(BENCH) $(if $(BUDGET),--budget $(BUDGET))

# --- tidying ------------------------------------------------------------------------------------

clean:  ## remove what was built, keep the environments
	rm -rf build dist demo_output examples/demo_output doc/_build doc/api/generated doc/auto_examples \
		doc/sg_execution_times.rst asv_benches/.asv .coverage .hypothesis .mypy_cache \
		.pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean  ## remove the environments too
	rm -rf .venv .venv-floors .venv-wheel
