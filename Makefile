# The commands of this project; `make` alone lists them. Needs Python 3.11 or newer and its venv module, nothing else.

VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
PYTHON  ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
             $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
WORKERS ?= 2
ARGS    ?=

.DEFAULT_GOAL := help
.PHONY: help run demo test check docs bench bench-page bench-costs bench-worklist clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  Options go in ARGS, for instance: make test ARGS="tests/unit -x"'

run: $(READY) ## run the broker on its built-in settings: SQLite in data/, loopback only
	@exec $(BIN)/broker serve $(ARGS)

demo: $(READY) ## run it with an emulated RIS and modalities living through a day
	@exec $(BIN)/broker demo $(ARGS)

test: $(READY) ## run the whole suite with what this machine has
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: $(READY) ## lint, types and import rules
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY) ## fill the generated parts of the documentation
	$(BIN)/broker docs hl7-interface $(if $(wildcard ../shared/corpus/hl7),--corpus ../shared/corpus/hl7)

bench: $(READY) ## run the benchmarks, one at a time
	$(BIN)/python -m pytest tests/benchmarks --timeout=0 -s $(ARGS)

bench-page: $(READY) ## what `make bench` measured last into docs/performance.md
	$(BIN)/python -m tests.benchmarks.page

bench-costs: $(READY) ## count calls, statements and processor time of an order, an exam and a notification
	$(BIN)/python -m tests.benchmarks.costs $(ARGS)

bench-worklist: $(READY) ## measure the worklist beside DCMTK and Orthanc, up to a million steps
	$(BIN)/python -m tests.benchmarks.worklist_run $(ARGS)

clean: ## remove the environments and what the tools left behind; data/ stays
	rm -rf $(VENV) .foreign-venv tests/interop/node/node_modules build dist *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find hl7 broker tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up, once and again when the pins or the packages change. The stamp is written last, so an interrupted set-up is done anew.
$(READY): requirements.lock pyproject.toml
	@[ -n "$(PYTHON)" ] || { \
	  echo 'Python 3.11 or newer is needed and was not found (found: '"$$(python3 --version 2>&1)"').' >&2; \
	  echo 'On Debian 12 and Ubuntu 24.04: apt install python3 python3-venv. Or name one: make run PYTHON=/path/to/python3.' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11 or newer is needed." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'The venv module of $(PYTHON) is missing. On Debian and Ubuntu: apt install python3-venv.' >&2; exit 1; }
	@echo 'Setting up $(VENV) (once) ...'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation --editable .
	@touch $@
