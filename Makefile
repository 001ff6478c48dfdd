# Everything that this project does, one verb each. The first run of any of them sets up .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
ENV := .venv/.ready
export PYTHONPATH := tests:.
unexport PYTHONDONTWRITEBYTECODE  # a run of tests starts hundreds of programs, each of which would compile all of it

.DEFAULT_GOAL := help
.PHONY: help demo cluster test test-long test-attack image sbom check format generate pictures lock bench bench-operator bench-solver soak clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

$(ENV): requirements/dev.txt pyproject.toml
	@echo "Setting up .venv (pinned packages, about a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(ENV) ## Replay 25 real tenants on a real control plane. KEEP=1 leaves it up.
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

cluster: $(ENV) ## An empty cluster with the operator at work, until Ctrl-C.
	@$(BIN)/python -m demo.cluster

SIDE_BY_SIDE := --numprocesses=3 --dist=loadfile --no-loadscope-reorder

test: $(ENV) check ## Run the tests; builds the control plane once, if it cannot be found.
	@$(BIN)/python -m controlplane prepare
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-long: $(ENV) ## Run what `make test` leaves out, for it takes long: Karpenter, the image, the demo, pages, benchmarks.
	@$(BIN)/python -m controlplane prepare
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m long

test-attack: $(ENV) ## Attack the operator for hours: killed at every write, in all kinds of trouble, on 2,000 steps of walks; and all of what `make test` tries a sample of. STEPS=... SEED=... ONLY=... narrow it.
	@$(BIN)/python -m controlplane prepare
	ATTACK=whole $(BIN)/python -m pytest -m "long or not long" $(if $(ONLY),-k "$(ONLY)")

image: $(ENV) ## Build the image without a registry, start it on a test cluster, and write it to dist. BASE=... builds on that.
	@$(BIN)/python -m image dist/aifactory-operator.tar
	@$(BIN)/python -m controlplane prepare
	$(BIN)/python -m pytest tests/cluster/image

sbom: $(ENV) ## Write what is in the image to dist, as CycloneDX.
	@$(BIN)/python -m image.sbom dist/aifactory-operator.cdx.json

check: $(ENV) ## Lint, types, import rules, generated files.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m aifactory.api.crd --check crds
	$(BIN)/python -m docs.generate --check

format: $(ENV) ## Format the code.
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

generate: $(ENV) ## Generate crds/ and docs/reference.
	$(BIN)/python -m aifactory.api.crd crds
	$(BIN)/python -m docs.generate

pictures: $(ENV) ## Draw the pictures of docs/explanation/solver.md from real runs.
	$(BIN)/python -m bench.solver.pictures

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

lock: $(ENV) ## Renew the lock files.
	$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) --group build -o requirements/build.txt
	$(LOCK) --group go -o requirements/go.txt

bench: $(ENV) ## Measure the decision on generated fleets.
	$(BIN)/python -m bench

bench-operator: $(ENV) ## Measure the running operator. SCENARIO=fleet, flood, lanes or storm narrows it.
	@$(BIN)/python -m controlplane prepare
	$(BIN)/python -m bench.live --write $(if $(SCENARIO),--scenario=$(SCENARIO))

soak: $(ENV) ## Change a fleet for MINUTES=60, and see that the operator holds no more afterwards.
	@$(BIN)/python -m controlplane prepare
	$(BIN)/python -m bench.live.soak $(if $(MINUTES),--minutes=$(MINUTES))

bench-solver: $(ENV) ## Measure the solver beside its peers. SCALE=S,M,L SEEDS=... METHODS=... narrow it; SCALING=1: how it grows; PARTS=1: where its time goes.
	$(BIN)/python -m bench.solver$(if $(SCALING),.scaling)$(if $(PARTS),.parts) --write

clean: ## Remove what the other verbs made here; the control plane's cache stays.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .demo build dist
