# Everything a contributor runs. `make help` lists it; CI and pre-commit call the same targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLUSTER_TOOL := hack/cluster/cluster
OLDEST := 1.34
SMOKE := $(addprefix tests/e2e/test_,dind.py host_socket.py sysbox.py)
SOURCES := operator tests hack bench

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

# --- demo and tests ---------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/installed ## Start a cluster and the operator, and build an image in each mode.
	$(BIN)/python hack/demo/demo.py

.PHONY: test
test: verify cluster image tools ## Run every test: unit, the other rings in two halves of about the same length, and e2e_vm.
	$(BIN)/python hack/side_by_side.py \
		e2e="$(BIN)/pytest -p no:cacheprovider tests/e2e" \
		other="$(BIN)/pytest -p no:cacheprovider tests/contract tests/integration tests/chart tests/guard"
	$(BIN)/pytest -p no:cacheprovider tests/e2e_vm

.PHONY: test-oldest
test-oldest: export NESTED_DOCKER_KUBERNETES := $(OLDEST)
test-oldest: image ## Run contract, chart and some tests of e2e on the oldest Kubernetes.
	$(BIN)/pytest tests/contract tests/chart $(SMOKE)

.PHONY: down
down: ## End the clusters that `make demo` and the tests started; other clusters stay.
	$(PYTHON) hack/demo/down.py

# --- quick checks -----------------------------------------------------------------------------------

.PHONY: verify
verify: format-check lint types imports names generated unit ## Run all quick checks; do so before each commit.

.PHONY: format
format: $(VENV)/installed ## Format the sources.
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix --quiet $(SOURCES)

.PHONY: format-check
format-check: $(VENV)/installed
	$(BIN)/ruff format --check --quiet $(SOURCES)

.PHONY: lint
lint: $(VENV)/installed ## Lint sources, spelling, words, YAML and workflows.
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/codespell
	$(BIN)/python hack/check_words.py
	$(BIN)/yamllint --strict .
	$(BIN)/python hack/lint_workflows.py

.PHONY: types
types: $(VENV)/installed ## Check the types.
	$(BIN)/mypy
	MYPYPATH=hack/demo:hack:hack/cluster $(BIN)/mypy --strict hack/cluster/embedded hack/demo hack/generate.py hack/check_commits.py \
		hack/lint_workflows.py hack/go_tool.py hack/node_tool.py hack/chart_readme.py hack/metrics_reference.py hack/mode_table.py hack/release_notes.py hack/side_by_side.py hack/check_names.py hack/check_words.py hack/docker_py_suite.py
	MYPYPATH=. $(BIN)/mypy --strict hack/docs_site/build.py hack/recording/record.py hack/recording/drawing.py

.PHONY: imports
imports: $(VENV)/installed ## Check the layers.
	$(BIN)/lint-imports --no-cache

.PHONY: names
names: $(VENV)/installed ## Check that a public name means one thing.
	$(BIN)/python hack/check_names.py

.PHONY: unit
unit: $(VENV)/installed ## Run the unit tests.
	$(BIN)/pytest -q tests/unit

.PHONY: generated
generated: $(VENV)/installed ## Fail if a generated file is out of date.
	$(BIN)/python hack/generate.py --check

# --- building and generating ------------------------------------------------------------------------

.PHONY: generate
generate: $(VENV)/installed ## Write the generated files: CRDs, references, modes, the recording.
	$(BIN)/python hack/generate.py

.PHONY: docs
docs: build/docs-venv/installed ## Build the documentation site in build/site/html, and check each of its links.
	build/docs-venv/bin/python -m hack.docs_site.build build/site

.PHONY: recording
recording: $(VENV)/installed ## Record the README's commands, with the cluster of KUBECONFIG and a Dockerfile in FOLDER.
	cd $(FOLDER) && PATH=$(CURDIR)/$(BIN):$$PATH $(CURDIR)/$(BIN)/python $(CURDIR)/hack/recording/record.py $(CURDIR)/docs/images/run.cast \
		"cat Dockerfile" \
		"nested-docker run -- sh -c 'docker build --quiet --tag hello . && docker run --rm hello'" \
		"nested-docker create build" \
		"nested-docker ls" \
		"nested-docker run --name build -- docker version --format 'dockerd {{.Server.Version}}'" \
		"nested-docker rm build"
	$(MAKE) generate

.PHONY: seccomp
seccomp: ## Write the chart's seccomp profile from containerd's source; needs Go.
	cd hack/cluster/runtime && go run ./seccomp-profile >$(CURDIR)/charts/nested-docker/files/seccomp/dockerd.json

.PHONY: cluster
cluster: ## Build what the embedded cluster needs (minutes the first time, then a second).
	$(CLUSTER_TOOL) build --vm

.PHONY: image
image: $(VENV)/installed ## Build the operator's image, in the embedded cluster or with BUILDER=docker.
	hack/image.sh

.PHONY: tools
tools: $(VENV)/installed ## Build or fetch the programs that tests use, so that no test waits for them.
	$(BIN)/python hack/go_tool.py
	$(BIN)/python hack/node_tool.py

.PHONY: lock
lock: $(VENV)/installed ## Update the locked dependencies.
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --group docs -o requirements/docs.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --group node -o requirements/node.txt

build/docs-venv/installed: requirements/docs.txt $(VENV)/installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/docs-venv
	VIRTUAL_ENV=build/docs-venv $(BIN)/uv pip install --quiet --require-hashes -r requirements/docs.txt
	touch $@

$(VENV)/installed: requirements/dev.txt pyproject.toml
	hack/venv.sh $(PYTHON) $(VENV)
	touch $@
