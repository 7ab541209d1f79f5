# make demo    train two networks on MNIST and show them side by side
# make test    lint, types and tests
# make test-long    also the campaigns that run for minutes
# make docs    the documentation as a site, in site/: open site/index.html
# make notebooks    execute the pages of the documentation as notebooks, into runs/notebooks
# Each sets up .venv first, once.

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test test-long docs notebooks clean

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
test test-long: export OPENBLAS_THREAD_TIMEOUT = 4

# Python stores the bytecode of what it imports, also where the environment says that it does not: tests start many processes.
test test-long: export PYTHONDONTWRITEBYTECODE =

# Kernels that the tests need are compiled beside the check of types, which uses one core.
# The files stay in their order, in which the slow ones come first (tests/conftest.py), because pytest-xdist would begin with the files that have the
# most tests and end with the few that are slow. A third worker on two cores makes the tests of pages wait too long for the browser.
test: .venv/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pellucid warm-up >/dev/null & $(BIN)/mypy; status=$$?; wait; exit $$status
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long"

test-long: .venv/test.done
	$(BIN)/pytest

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
	rm -rf .venv dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
