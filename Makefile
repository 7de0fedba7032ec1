# Proctor's commands. They need Python 3.11 or later and a package index; everything else comes into .venv.

PYTEST = .venv/bin/python -m pytest

# Bytecode is kept, whatever the environment says, and out of the tree: the tests alone start some hundred processes, each
# of which would compile what it imports anew, for a second or more.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/bytecode
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test check bench soak browser clean
.DEFAULT_GOAL := help

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name says; do printf '  make %-8s %s\n' "$$name" "$$says"; done

run: .venv/.run ## Serve console and API on http://localhost:8501 (PORT=9000 make run: elsewhere)
	@exec .venv/bin/proctor serve --demo

test: .venv/.dev browser ## Run every test, with real databases and a real browser
	@status=0; \
	$(PYTEST) -n 4 --dist loadfile --no-loadscope-reorder --durations=20 || status=$$?; \
	$(PYTEST) -m e2e -n 2 --dist loadfile tests/e2e || status=$$?; \
	exit $$status

check: .venv/.dev ## Lint, format, types, import rules, docstrings
	@status=0; \
	for tool in 'ruff check' 'ruff format --check' pyright lint-imports \
		'interrogate --quiet core' 'interrogate --quiet --whitelist-regex ^test_ tests'; do \
		echo "$$tool"; .venv/bin/$$tool || status=1; \
	done; \
	exit $$status

bench: .venv/.dev ## Measure: CPU per generation, HTTP, memory, start
	.venv/bin/python -m tests.bench

soak: .venv/.dev ## Measure with a million calls in the database, generations and relays with every fault, and a rush on the front door; takes an hour; SCHEMAS=FOLDER and CORPUS=FOLDER read what is in them
	.venv/bin/python -m tests.bench walls 1000000
	.venv/bin/python -m tests.bench relayed 10000
	.venv/bin/python -m tests.bench door
	GENERATIONS=10000 $(PYTEST) tests/core/test_faulty_generations.py
	EXAMPLES=3 $(PYTEST) $$(grep -rl '^@given\|^    @given\|RuleBasedStateMachine\|import few' tests --include=*.py)
	[ -z "$(SCHEMAS)" ] || .venv/bin/python -m tests.bench schemas "$(SCHEMAS)"
	[ -z "$(CORPUS)" ] || .venv/bin/python -m tests.bench corpus "$(CORPUS)"

browser: .venv/.dev
	@.venv/bin/python -m tests.e2e.browser

clean: ## Remove what these commands installed here; the database stays
	rm -rf .venv .tools

# What is installed follows uv.lock to the letter. The stamps make a second start free: no sync, no network. The
# environment may hold uv itself, which the lock does not know: hence --inexact.
.venv/.run: uv.lock pyproject.toml
	@$(call sync,--no-dev)

.venv/.dev: uv.lock pyproject.toml
	@$(call sync,)
	@touch .venv/.run

define sync
set -e; \
export UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never; \
uv=uv; uv --version >/dev/null 2>&1 || uv=.venv/bin/uv; \
if [ ! -x .venv/bin/python ]; then \
	for python in python3 python3.14 python3.13 python3.12 python3.11 ''; do \
		[ -z "$$python" ] || ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || break; \
	done; \
	[ -n "$$python" ] || { echo 'Proctor needs Python 3.11 or later; there is none on the PATH.' >&2; exit 1; }; \
	if [ $$uv = uv ]; then uv venv --quiet --python "$$python" .venv; \
	else "$$python" -m venv .venv || { rm -rf .venv; \
		echo 'This Python cannot make a virtual environment: install uv, or on Debian python3-venv.' >&2; exit 1; }; \
	fi; \
fi; \
[ $$uv = uv ] || [ -x $$uv ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check uv; \
$$uv sync --frozen --inexact --python .venv/bin/python $(1); \
touch $@
endef
