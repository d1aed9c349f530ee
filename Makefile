PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
BENCHMARKS := synthetic pixel_cache loading training embedding scoring growth modality indexing gallery service export

help: ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# The stamp is newer than pyproject.toml when the environment holds what it asks for.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "vireid needs Python 3.10 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

install: $(VENV)/.installed ## make .venv and install the library with its checks

demo: install ## the whole thing on a made world: under 8 minutes after the install, no data set, no GPU
	$(BIN)/vireid demo

lint: install ## style, spelling, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

test: lint ## all checks and tests but the slow ones: under 10 minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/pytest -m 'not slow' -n auto --dist worksteal

# The variable turns off a notice of mkdocs-material about another project. The tests build it as well.
docs: install ## the documentation as a site in .site; any warning fails it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

coverage: install ## which branches of src the tests do not reach; fails under 90 %
	OMP_NUM_THREADS=1 $(BIN)/pytest -m 'not slow' -n auto --dist worksteal --cov --cov-report term:skip-covered

audit: install ## known holes in what is installed; needs the network
	$(BIN)/pip-audit --strict --skip-editable

mutation: install ## which small faults the tests of losses, metrics, protocols and sampler notice: 20 minutes
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutation.py --sample 60

test-slow: install ## the tests that take minutes each
	$(BIN)/pytest -m slow

# One thread each: what they count is images a core, and spinning threads would spoil it on a busy machine.
bench: install ## the benchmarks; each prints its table and the machine it ran on
	for name in $(BENCHMARKS); do OMP_NUM_THREADS=1 $(BIN)/python benchmarks/$$name.py || exit; done

clean: ## remove what the other targets made
	rm -rf $(VENV) demo runs .site .coverage .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help install demo lint test docs coverage audit mutation test-slow bench clean
