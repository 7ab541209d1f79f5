# make demo    train two networks on MNIST and show them side by side
# make test    lint, types and tests
# make test-long    also the campaigns that run for minutes
# make test-lowest, make test-newest    a part of the tests with the lowest, or the newest, releases of all dependencies
# make test-installs    wheel and sdist in fresh environments: the core, each extra, all of them
# make docs    the documentation as a site, in site/: open site/index.html
# make notebooks    execute the pages of the documentation as notebooks, into runs/notebooks
# Each sets up .venv first, once.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test types tests test-long test-lowest test-newest test-installs docs notebooks clean

demo: .venv/demo.done
	$(BIN)/pellucid train mnist --model mlp --out runs/demo-mlp --force
	@echo
	$(BIN)/pellucid train mnist --model cnn --out runs/demo-cnn --force
	@echo
	$(BIN)/pellucid compare runs/demo-mlp runs/demo-cnn --out runs/demo-compare
	@echo
	@echo "Figures: learning_curves.png and confusion_matrix.png in runs/demo-mlp and runs/demo-cnn,"
	@echo "         accuracies.png and disagreements.png in runs/demo-compare"
	@echo "Next:    $(BIN)/pellucid draw   draws digits in the browser; $(BIN)/pellucid --help"

# NumPy's OpenBLAS lets a thread that has no work spin for 2^26 cycles, on a core that other tests need: now for 2^4.
tests test-long: export OPENBLAS_THREAD_TIMEOUT = 4

# Python stores the bytecode of what it imports, also where the environment says that it does not: tests start many processes.
tests test-long: export PYTHONDONTWRITEBYTECODE =

# The check of types runs beside the tests, which leave a fifth of two cores unused: they wait for the browser, processes and
# clocks. With a third worker they take as long, because it imports and collects everything, too. The files stay in their order,
# in which the slow ones come first (tests/conftest.py): pytest-xdist would end with the files that have few tests, but slow ones.
test: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory -j 2 types tests

types tests: .venv/test.done

types:
	$(BIN)/mypy

tests:
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long"

test-long: .venv/test.done
	$(BIN)/pytest

# Tests that use every dependency. Those of test-lowest are the lower bounds in pyproject.toml, for Python 3.11.
TOUCHING = tests/installs tests/core/test_files.py tests/model/test_model.py tests/model/test_reading.py tests/training/test_threads.py \
  tests/app/test_connection_page.py tests/app/test_server.py tests/cli/test_cli.py tests/plots/test_plots.py \
  tests/data/images/test_image_files.py tests/data/sources/test_idx.py tests/data/sources/test_mnist_sources.py \
  tests/data/text/test_tokenizers.py tests/export/test_export.py tests/losses/test_regression.py \
  tests/sklearn/test_sklearn.py::test_scikit_learns_checks_all_pass \
  tests/runs/test_search.py::test_a_search_with_optuna tests/runs/test_sweep.py::test_a_sweep_on_a_dask_cluster \
  tests/training/test_ranks.py::test_an_error_of_all_ranks_is_no_emergency tests/test_site.py

test-lowest: RESOLUTION = --resolution lowest-direct
test-newest: RESOLUTION = --prerelease allow --upgrade
test-lowest test-newest: export OPENBLAS_THREAD_TIMEOUT = 4

# Pellucid is installed from a wheel, and its kernels are compiled into a folder of their own: in the folder of the sources,
# another release of Numba would replace those of .venv. The check of types needs the newest NumPy: older stubs lack shapes.
test-lowest test-newest: test-%: .venv-%/python.done
	.venv-$*/bin/uv pip install --quiet --python .venv-$*/bin/python --reinstall-package pellucid $(RESOLUTION) ".[dev]"
	test $@ = test-newest || .venv-$*/bin/python tests/installs/bounds.py
	.venv-$*/bin/ruff check .
	.venv-$*/bin/ruff format --check .
	NUMBA_CACHE_DIR=$(CURDIR)/.venv-$*/kernels .venv-$*/bin/pytest -n 2 --dist loadfile -p no:cacheprovider $(TOUCHING)

.venv-%/python.done:
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check uv
	@touch $@

test-installs:
	$(PYTHON) tests/installs/run.py

docs: .venv/test.done
	$(BIN)/mkdocs build --strict

notebooks: .venv/test.done
	$(BIN)/python -m tests.notebooks

.venv/python.done:
	@$(PYTHON) -c 'import sys; sys.exit("Pellucid needs Python 3.11 or later: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/demo.done: pyproject.toml .venv/python.done
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[all]"
	@touch $@

# Compiling the bytecode of all 11,000 files would take pip half a minute; a quarter of them are imported, and compiled then.
.venv/test.done: pyproject.toml .venv/python.done
	$(BIN)/pip install --no-compile --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv .venv-lowest .venv-newest dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
