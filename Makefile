# Four commands. They set up an environment of their own in .venv, with Python ≥ 3.11 and pip alone.
#
#   make demo          train the lecture's network on real data and draw it; results in out/
#   make test          run the tests
#   make check         lint and types
#   make docs-tables   write anew the tables and counts of the documentation that come from the tables of the code
#
# make test PYTHON=python3.13 VENV=.venv-3.13 NUMPY='numpy == 2.2.*' TESTS=tests/ops chooses what to test, and with what.

PYTHON ?= python3
VENV ?= .venv
NUMPY ?= numpy
TESTS ?= tests
BIN = $(VENV)/bin
# editable_mode: or a folder of this name beside a script would hide the package
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat

.PHONY: demo demos test check docs-tables clean

demo: $(VENV)/demo
	$(BIN)/python demos/two_layer_net.py

demos: $(VENV)/demo
	@for demo in demos/*.py; do echo "== $$demo"; $(BIN)/python $$demo || exit 1; done

test: $(VENV)/test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto $(TESTS)

check: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs-tables: $(VENV)/test
	$(BIN)/python docs/tables.py

$(VENV)/demo: $(VENV)/made
	$(INSTALL) --editable '.[draw, demo]'
	@touch $@

$(VENV)/test: $(VENV)/made
	$(INSTALL) --editable '.[test]' '$(NUMPY)'
	@touch $@

$(VENV)/made: setup.cfg pyproject.toml
	@echo "setting up $(VENV), which takes half a minute"
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

clean:
	rm -rf .venv* out build *.egg-info .pytest_cache .mypy_cache .ruff_cache
