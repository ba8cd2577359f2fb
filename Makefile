# make demo   builds .venv, trains a small depth network for two minutes, scores it, uses it on a video, films an orbit
# make test   builds .venv and runs everything CI runs
# make check  format, lint, types, imports and the fast tests
# make browser  for the tests that open a page: finds Chromium or Chrome, or installs Debian's Chromium
PYTHON ?= python3
VENV ?= .venv
DEMO ?= outputs/demo
DEMO_OPTIONS ?=
ORBIT_OPTIONS ?= size=192 path.frames=60
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo -n)
APT := $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
HAS_BROWSER := { $(foreach name,$(BROWSERS),command -v $(name) ||) false; } >/dev/null
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: install demo check lint browser fast test constraints clean
.DELETE_ON_ERROR:

install: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "turnaround needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# Each step of the demo leaves metrics.json, its last file; what is there is not made again.
demo: $(DEMO)/orbit/metrics.json
	@cat $(DEMO)/eval/table.md
	@echo "depth of a video: $(DEMO)/depth/side_by_side.mp4"
	@echo "around a picture, and how: $(DEMO)/orbit/report.html"

$(DEMO)/train/metrics.json: | $(READY)
	$(BIN)/python train.py experiment=demo out=$(DEMO)/train resume=auto $(DEMO_OPTIONS)

$(DEMO)/eval/metrics.json: $(DEMO)/train/metrics.json
	$(BIN)/python eval.py benchmark=procedural checkpoint=$(DEMO)/train/checkpoints benchmark.source.count=16 out=$(DEMO)/eval

$(DEMO)/world/metrics.json: | $(READY)
	$(BIN)/python run.py pipeline=world seed=7 out=$(DEMO)/world

$(DEMO)/depth/metrics.json: $(DEMO)/eval/metrics.json $(DEMO)/world/metrics.json
	$(BIN)/python run.py pipeline=depth input=$(DEMO)/world/left.mp4 out=$(DEMO)/depth

$(DEMO)/orbit/metrics.json: $(DEMO)/depth/metrics.json
	$(BIN)/python run.py pipeline=orbit input=$(DEMO)/world/picture.png out=$(DEMO)/orbit $(ORBIT_OPTIONS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

# Fonts come with it. Where neither root nor sudo without a password is at hand, this says so and ends.
browser:
	@$(HAS_BROWSER) || { \
		{ $(AS_ROOT) true && command -v apt-get; } >/dev/null 2>&1 && \
		echo "no Chromium or Chrome on PATH: installing Debian's (0.1 GB to fetch, 0.4 GB on disk)" >&2 && \
		{ $(APT) update && $(APT) install -y --no-install-recommends chromium; } >/dev/null && $(HAS_BROWSER); \
	} || { echo "the tests need a browser: put Chromium or Chrome on PATH (Debian: apt-get install chromium)" >&2; exit 1; }

fast: $(READY) browser
	$(PYTEST) -m "not slow and not gpu and not weights"

check: lint fast

test: lint browser
	$(PYTEST) -m "not gpu and not weights"

constraints: $(READY)
	$(BIN)/python -m pip freeze --exclude-editable --exclude turnaround > constraints.txt

clean:
	rm -rf outputs .cache
