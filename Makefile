# The list of commands. Each installs what it needs first, and does nothing when that is current.
#
#   make run        install and show the gateway at work (ONCE=1: end when all receipts are in)
#   make test       all tests, with the Debian packages they use when run as root
#   make unit       the quick tests only
#   make crash-long kill everything under load; docs/crash.md (ENGINE=sqlite|cluster DOCUMENTS=20000 SEED=n MINUTES=m STORY=kill|loss)
#   make histories  play seeded histories on a virtual clock (SEEDS=n FROM=k LEDGER=sqlite; SEED=n: one)
#   make fuzz-verify  mutated files against the verifier (MINUTES=75 SEED=n)
#   make openapi-play  call every operation of /openapi.json right and wrong (EXAMPLES=n SEED=n)
#   make lint       ruff, mypy --strict, import-linter
#   make bench      measure, ten minutes; docs/benchmarks.md (ARGS="--only recovery", ARGS=--quick)
#   make bench-console  measure 200 clerks over a million documents; docs/benchmarks-console.md
#                   (ARGS="--engine postgres", ARGS="--keep /srv/bench")
#   make bench-fairness  measure one dead destination of fifty; docs/benchmarks-fairness.md
#   make bench-verify  measure verification beside the library alone; docs/benchmarks-verify.md
#   make corpus     examine the sample files beside the project; writes docs/corpus.md
#   make docs       write the generated pages again
#   make screenshots  write docs/screenshots/*.png again, from the tests in the browser
#   make bundle     one archive that installs without a network: dist/vanlien-VERSION-linux-x86_64.tar.gz
#   make bundle-test  install that archive where there is no network, and run it
#   make compose-test  bring compose.yaml up as processes (root), send, kill a node
#   make lock       choose versions again and pin them with hashes
#   make clean      take away what make made

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# Programs that start again and again must not be compiled each time, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --no-compile --require-hashes
# Tests run in one process more than there are cores: some wait. JOBS=0 runs them in one.
JOBS ?= $(shell expr $$(nproc) + 1)
UV ?= $(shell command -v uv || echo $(BIN)/uv)
# The date of everything in a bundle: that of the last commit, so that it can be made again.
BUILT_AT = $(shell git log -1 --format=%ct 2> /dev/null || echo 0)
LOCKING := pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11

.PHONY: help run test unit crash-long histories fuzz-verify openapi-play lint format bench corpus bench-console bench-fairness bench-verify docs screenshots bundle bundle-test compose-test lock clean venv dev debian

help:
	@sed -n 's/^#   \(make .*\)/\1/p' Makefile

run: venv
	$(BIN)/vanlien demo $(if $(filter-out 0 no,$(ONCE)),--once) $(if $(DIALECTS),--dialects $(DIALECTS))

test: dev debian
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

unit: dev
	$(BIN)/python -m pytest tests/unit tests/property $(ARGS)

crash-long: dev
	nice -n 15 $(BIN)/python -m tests.crash --engine $(or $(ENGINE),sqlite) \
	  --documents $(or $(DOCUMENTS),20000) --seed $(or $(SEED),$$RANDOM) \
	  --minutes $(or $(MINUTES),120) --story $(or $(STORY),kill) $(ARGS)

histories: dev
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) --from $(or $(FROM),0) \
	  --ledger $(or $(LEDGER),memory) $(if $(SHAPE),--shape $(SHAPE)) \
	  $(if $(SEED),--seed $(SEED)) $(ARGS)

fuzz-verify: dev
	nice -n 15 $(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),75) \
	  $(if $(SEED),--seed $(SEED)) $(ARGS)

openapi-play: dev
	nice -n 15 $(BIN)/python -m tests.world.openapi_play --examples $(or $(EXAMPLES),100) \
	  $(if $(SEED),--seed $(SEED)) $(ARGS)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev
	$(BIN)/ruff format .

bench: dev
	$(BIN)/python -m tests.bench $(ARGS)

corpus: dev
	$(BIN)/python -m tests.world.corpus docs/corpus.md
	VANLIEN_CORPUS=all $(BIN)/python -m pytest tests/integration/test_differences_corpus.py

bench-console: dev
	$(BIN)/python -m tests.bench_console $(ARGS)

bench-fairness: dev
	$(BIN)/python -m tests.bench_fairness

bench-verify: dev
	$(BIN)/python -m tests.bench_verify $(ARGS)

docs: dev
	$(BIN)/python -m gateway.config > docs/configuration.md
	$(BIN)/python -m gateway.domain.diagrams > docs/states.md
	$(BIN)/python -m gateway.reports.schema > schemas/verification-report.schema.json
	shapes="$$($(BIN)/python -m tests.world.client_shapes)" && echo "$$shapes" > gateway/client/shapes.py

screenshots: dev debian
	VANLIEN_SCREENSHOTS=1 $(BIN)/python -m pytest -n0 tests/browser $(ARGS)

# ---------------------------------------------------------------- the offline bundle

# The wheels are those of the lock, byte by byte; everything else is the last commit, whatever lies in
# the work tree, so that the same commit gives the same archive. Without git: the files as they are.
bundle: dev
	rm -rf build/wheels build/source && mkdir -p build/wheels build/source
	if git rev-parse --verify --quiet HEAD > /dev/null; then git archive HEAD; \
	  else tar c --exclude-vcs --exclude=__pycache__ --exclude=./build --exclude=./dist --exclude=./$(VENV) .; \
	  fi | tar xp -C build/source
	$(PIP) download --require-hashes --no-deps --only-binary :all: -d build/wheels -r build/source/requirements.lock
	umask 022; SOURCE_DATE_EPOCH=$(BUILT_AT) $(PIP) wheel --no-deps --no-build-isolation -w build/wheels ./build/source
	SOURCE_DATE_EPOCH=$(BUILT_AT) $(BIN)/python packaging/bundle.py --root build/source --wheels build/wheels --output dist

bundle-test: dev
	VANLIEN_BUNDLE=$$(ls -t dist/vanlien-*-linux-x86_64.tar.gz | head -1) \
	  $(BIN)/python -m pytest tests/integration/test_bundle.py -s $(ARGS)

compose-test: dev debian
	VANLIEN_COMPOSE=1 $(BIN)/python -m pytest tests/integration/test_compose.py -o timeout=900 $(ARGS)

# ---------------------------------------------------------------- installing

venv: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The build backend is locked like everything else, so nothing is fetched that has no hash.
$(VENV)/.installed: requirements.lock pyproject.toml $(VENV)/.made
	$(INSTALL) -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(INSTALL) -r requirements-dev.lock
	@touch $@

debian: tests/debian-packages.txt
	@missing=$$(grep -v '^#' $< | while read -r name; do \
	    dpkg-query -W -f='$${Status}' "$$name" 2>/dev/null | grep -q ' installed$$' || echo "$$name"; \
	  done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then \
	  echo "Tests that need these are skipped, install them as root:" $$missing; exit 0; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get -qq update && apt-get -qq -y install --no-install-recommends $$missing > /dev/null; } \
	  || echo "Could not install, tests that need these are skipped:" $$missing

lock: $(VENV)/.made
	@command -v $(UV) > /dev/null || $(PIP) install uv
	$(UV) $(LOCKING) --extra build -o requirements.lock pyproject.toml
	$(UV) $(LOCKING) --extra build --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find gateway adapters schemas tests -name __pycache__ -type d -prune -exec rm -rf {} +
