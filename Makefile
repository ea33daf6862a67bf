# Two commands. Both set up an environment of their own in .venv, with Python ≥ 3.11 and pip alone.
#
#   make demo    train the lecture's network on real data and draw it; results in out/
#   make test    run the tests
#   make check   lint and types

PYTHON ?= python3
BIN = .venv/bin
# editable_mode: or a folder of this name beside a script would hide the package
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat

.PHONY: demo demos test check clean

demo: .venv/demo
	$(BIN)/python demos/two_layer_net.py

demos: .venv/demo
	@for demo in demos/*.py; do echo "== $$demo"; $(BIN)/python $$demo || exit 1; done

test: .venv/test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/demo: .venv/made
	$(INSTALL) --editable '.[draw, demo]'
	@touch $@

.venv/test: .venv/made
	$(INSTALL) --editable '.[test]'
	@touch $@

.venv/made: setup.cfg pyproject.toml
	@echo "setting up .venv, which takes half a minute"
	$(PYTHON) -m venv --clear .venv
	@touch $@

clean:
	rm -rf .venv out build *.egg-info .pytest_cache .mypy_cache .ruff_cache
