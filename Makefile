# Everything runs from .venv; `make demo` and `make test` build it. Plain pip commands are in README.md.

PYTHON ?= python3
BIN := .venv/bin
SCENARIO := scenarios/incident-desk

.PHONY: demo test test-all bench lint types clean help

help:
	@echo "make demo      verify, simulate and report $(SCENARIO)"
	@echo "make test      the test suite (under ten minutes on two cores)"
	@echo "make test-all  the test suite with the long tests"
	@echo "make bench     every figure that the documents quote (some twenty minutes)"
	@echo "make lint      style; make types: mypy; make clean: remove .venv and runs"

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Windtunnel needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version). Try make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python lacks venv. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/made pyproject.toml constraints.txt
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/test: .venv/run
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

# The scenario's no-go is the point of the demo: exit 1 is the answer wanted, any other is a fault.
demo: .venv/run
	@$(BIN)/windtunnel run $(SCENARIO); code=$$?; \
	if [ $$code -eq 1 ]; then \
		echo "The no-go (exit 1) is the point of this demo: the scenario has planted faults, and Windtunnel found them."; \
		echo "Report: $$(pwd)/runs/incident-desk/report.html"; \
	else echo "make demo: expected the no-go of $(SCENARIO) (exit 1), got exit $$code" >&2; exit 1; fi

test: .venv/test
	$(BIN)/python -m pytest -n auto -m "not long"

test-all: test
	$(BIN)/python -m pytest -n auto -m long

bench: .venv/test
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/engine.py --memory 10000 100000 1000000
	$(BIN)/python benchmarks/executors.py
	$(BIN)/python benchmarks/gate.py
	$(BIN)/python benchmarks/studies.py
	$(BIN)/python benchmarks/verification.py

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test
	$(BIN)/mypy

clean:
	rm -rf .venv runs
