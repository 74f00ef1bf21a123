# `make reproduce` runs the study on the shipped data; `make test` checks the code. Both keep to .venv and need
# no more than python3 with venv, and make. Variables: PYTHON (interpreter), OUT (results directory), UV (for `lock`).

PYTHON ?= python3
OUT    ?= results/quick
UV     ?= uv

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check --no-input
# Wheels only, so that no compiler is needed; every file must match a hash of the lock.
INSTALL := $(PIP) install --quiet --require-hashes --only-binary :all:

# Stamps of what is installed. They lie inside the environment: rebuilding it (`venv --clear`) drops them all.
RUNTIME := $(VENV)/.runtime-installed
PACKAGE := $(VENV)/.package-installed
TESTING := $(VENV)/.testing-installed

# The tests start hundreds of processes, each of which would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help reproduce env test lint format lock clean
.DELETE_ON_ERROR:

help:
	@echo "make reproduce   run the study on the shipped data into OUT=$(OUT)"
	@echo "make test        lint, type check and test suite, but for the long tests that .ci/run adds"
	@echo "make lint        lint and type check alone"
	@echo "make format      reformat and fix what ruff can fix"
	@echo "make env         build $(VENV) with the test tools"
	@echo "make lock        regenerate the requirements files (needs uv; UPGRADE=1 takes newer versions)"
	@echo "make clean       remove $(VENV), caches and builds; results stay"

reproduce: $(PACKAGE)
	$(BIN)/basinet reproduce --preset quick --out "$(OUT)" $(if $(wildcard $(OUT)),--resume)

env: $(PACKAGE) $(TESTING)

# pytest comes last: its summary closes the output. Tests of real codes, documents and kills run in .ci/run beside it.
test: lint
	$(BIN)/python -m pytest --numprocesses logical --dist worksteal -m "not long"

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(RUNTIME): requirements.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) -r requirements.txt
	@touch $@

# Editable: a change of the source needs no new installation, a change of version or commands does.
$(PACKAGE): $(RUNTIME) pyproject.toml
	$(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(TESTING): $(RUNTIME) requirements-test.txt | $(PACKAGE)
	$(INSTALL) -r requirements-test.txt
	@touch $@

# One version serves every Python (fewest), so that what is tested is what runs.
# jax's plain distribution is the CPU one: accelerators are extras that nothing here asks for.
LOCK := $(UV) --no-config pip compile pyproject.toml --group build --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --only-binary :all: --custom-compile-command 'make lock' \
	$(if $(UPGRADE),--upgrade)

lock:
	$(LOCK) --output-file requirements.txt
	$(LOCK) --extra test --constraints requirements.txt --output-file requirements-test.txt

clean:
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +
