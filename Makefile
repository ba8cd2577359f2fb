# make demo   builds .venv, trains the small video depth network for two minutes, scores it, computes a video's depth
# make test   builds .venv and runs everything CI runs
# make check  format, lint, types, imports and the fast tests
PYTHON ?= python3
VENV ?= .venv
DEMO ?= outputs/demo
DEMO_OPTIONS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: install demo check lint fast test constraints clean
.DELETE_ON_ERROR:

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "turnaround needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# Each step of the demo leaves metrics.json, its last file; what is there is not made again.
demo: $(DEMO)/depth/metrics.json
	@cat $(DEMO)/eval/table.md
	@echo "depth of a video: $(DEMO)/depth/side_by_side.mp4"

$(DEMO)/train/metrics.json: | $(READY)
	$(BIN)/python train.py experiment=demo out=$(DEMO)/train resume=auto $(DEMO_OPTIONS)

$(DEMO)/eval/metrics.json: $(DEMO)/train/metrics.json
	$(BIN)/python eval.py benchmark=procedural checkpoint=$(DEMO)/train/checkpoints benchmark.source.count=16 out=$(DEMO)/eval

$(DEMO)/world/metrics.json: | $(READY)
	$(BIN)/python run.py pipeline=world seed=7 out=$(DEMO)/world

$(DEMO)/depth/metrics.json: $(DEMO)/eval/metrics.json $(DEMO)/world/metrics.json
	$(BIN)/python run.py pipeline=depth input=$(DEMO)/world/left.mp4 out=$(DEMO)/depth

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

fast: $(READY)
	$(PYTEST) -m "not slow and not gpu and not weights"

check: lint fast

test: lint
	$(PYTEST) -m "not gpu and not weights"

constraints: $(READY)
	$(BIN)/python -m pip freeze --exclude-editable --exclude turnaround > constraints.txt

clean:
	rm -rf outputs .cache
