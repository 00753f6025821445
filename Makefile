# Everything starts from a bare machine with Python 3.11 (or later) and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
NODE_TESTS := tests/integration/node
NODE_READY := $(NODE_TESTS)/node_modules/.package-lock.json
SERVERS := .venv-servers
SERVERS_PINS := tests/integration/servers

ON_EVERY_CORE := --numprocesses auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install run test coverage sweep check bench lock clean

help:  ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

install: $(VENV)/installed  ## Install Aura into .venv; leaves .venv/bin/aura

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes --no-deps --requirement constraints.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed constraints-dev.txt
	$(PIP) install --require-hashes --no-deps --requirement constraints-dev.txt
	@touch $@

$(NODE_READY): $(wildcard $(NODE_TESTS)/package*.json)
	@if command -v npm >/dev/null; then \
		npm ci --prefix $(NODE_TESTS) --silent --no-audit --no-fund && touch $@; \
	else \
		echo "npm is not installed: tests that need node packages will be skipped"; \
	fi

# MCP servers for the tests: programs of their own, whose packages are not ours to choose.
$(SERVERS)/installed: $(SERVERS_PINS)/constraints.txt
	$(PYTHON) -m venv $(SERVERS)
	$(SERVERS)/bin/python -m pip --disable-pip-version-check --quiet install \
		--require-hashes --no-deps --requirement $<
	@touch $@

run: install  ## Serve the demo agents on 127.0.0.1:8080, without a key
	$(BIN)/aura serve --config examples/demo --aura-custom-events true

test: check $(NODE_READY) $(SERVERS)/installed  ## Check and test everything
	$(BIN)/pytest $(ON_EVERY_CORE)

coverage: $(VENV)/installed-dev  ## Test, and list what no test reaches; takes longer
	$(BIN)/pytest $(ON_EVERY_CORE) --cov --cov-report term-missing:skip-covered

sweep: $(VENV)/installed-dev  ## Try every fault at every event and 10,000 bad requests, not only a sample
	$(BIN)/pytest tests/sweep -m "sweep or not sweep"
	$(BIN)/pytest -m sweep --ignore=tests/sweep

check: $(VENV)/installed-dev  ## Format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/flake8-async --anyio --enable=ASYNC101,ASYNC102 $$(find aura -name '*.py')

bench: $(VENV)/installed-dev  ## Measure, and print the tables
	$(BIN)/python -m benchmarks

lock:  ## Pin every dependency anew; needs uv
	uv pip compile pyproject.toml --extra build --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --upgrade \
		--output-file constraints.txt
	uv pip compile pyproject.toml --extra build --extra dev --constraint constraints.txt \
		--universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --quiet --upgrade --output-file constraints-dev.txt
	uv pip compile $(SERVERS_PINS)/requirements.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --upgrade \
		--output-file $(SERVERS_PINS)/constraints.txt

clean:  ## Remove what was installed and cached
	rm -rf $(VENV) $(SERVERS) $(NODE_TESTS)/node_modules .coverage .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache
