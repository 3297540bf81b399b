# The two commands are `make run` and `make test`; everything else is for those who work on it.

PYTHON ?= python3
VENV ?= .venv
HOME_DIR ?= .home
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# None of the tools phones home, whatever a user's own settings say.
export DAGSTER_DISABLE_TELEMETRY := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DO_NOT_TRACK := 1
export GX_ANALYTICS_ENABLED := false

.PHONY: run test check format dev bench evaluate lock clean setup

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v[:2] <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v.major}.{v.minor}; name another with make PYTHON=python3.12")'
	@echo "Setting up $(VENV) (two to three minutes, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'from pipelines.dbt_graph import ensure_manifest; ensure_manifest()'
	@touch $@

# A simulated export in the native format stands in for a real one; yours goes in with --exports.
$(HOME_DIR)/exports: | setup
	@echo "Making a simulated export ..."
	@mkdir -p $(HOME_DIR)
	@rm -rf $(HOME_DIR)/exports.part
	@$(BIN)/extraction-watch simulate --out $(HOME_DIR)/exports.part --seed 7 --accounts 600 --days 6
	@mv $(HOME_DIR)/exports.part $(HOME_DIR)/exports

run: setup $(HOME_DIR)/exports
	@$(BIN)/extraction-watch run --exports $(HOME_DIR)/exports --home $(HOME_DIR)

# Whole runs through Dagster and dbt use one core each; a file of tests stays on one worker, because
# its tests share a run.
test: check
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar dbt_project

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix --processes 2 --disable-progress-bar dbt_project

dev: setup $(HOME_DIR)/exports
	@$(BIN)/extraction-watch ui --exports $(HOME_DIR)/exports --home $(HOME_DIR)

evaluate: run
	@$(BIN)/extraction-watch evaluate --home $(HOME_DIR) --labels $(HOME_DIR)/exports/labels.csv

bench: setup
	@$(BIN)/python -m bench

# The lock is whole, so pip resolves nothing (--no-deps) and checks every hash.
# No index addresses in the lock: it must install from whatever index the machine is set to.
lock:
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-annotate --quiet \
		--output-file requirements.lock

clean:
	@rm -rf $(VENV) $(HOME_DIR) dbt_project/target dbt_project/logs
