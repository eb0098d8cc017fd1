# These commands do all the set-up on a machine with Python >= 3.11 and make:
#   make demo   heads, a turntable, a mesh and a page that shows them, in out/demo
#   make test   style, types and tests
#   make docs   the documentation as a site, in site/; fails at a link that leads nowhere

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0

.PHONY: demo test lint docs clean

demo: $(VENV)/installed
	$(BIN)/fullhead demo --out out/demo

test: $(VENV)/installed-dev tests/browser/node_modules lint
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

docs: $(VENV)/installed-docs
	$(BIN)/zensical build --clean --strict

# torch comes first, in the version that the rest is tested with; which build (CPU or CUDA) is up to your pip index.
$(VENV)/torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[video]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[video,logs,dev]"
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[video,docs]"
	touch $@

# three.js and the glTF validator, for the tests of exported heads; without npm those tests are skipped and say so.
tests/browser/node_modules: tests/browser/package-lock.json
	@if command -v npm > /dev/null; then \
	  cd tests/browser && npm ci --silent --no-audit --no-fund && touch node_modules || echo "npm ci failed: no test in a browser"; \
	fi

clean:
	rm -rf $(VENV) out site .cache .pytest_cache .ruff_cache
