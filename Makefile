# Every target runs on the Node that npm's `node` package brings, whatever Node the machine has (18 or later, for npm).
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CLUSTER := node test/cluster/cli.ts

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

node_modules/.package-lock.json: package-lock.json
	@echo "npm ci: the dependencies, as locked; a minute or two the first time"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: install
install: node_modules/.package-lock.json ## Dependencies, exactly as locked

.PHONY: demo
demo: install ## A cluster, the operator, the shop, one trace and a live change of its sampling
	@node test/demo/demo.ts

.PHONY: demo-down
demo-down: install ## Removes every trace of the demo's cluster
	@$(CLUSTER) down

.PHONY: demo-shell
demo-shell: install ## A shell in which kubectl and helm talk to the demo's cluster
	@node cli/build.ts
	@PATH="$(CURDIR)/dist:$$PATH" $(CLUSTER) exec -- bash --rcfile test/demo/shell.bash

.PHONY: shop
shop: install ## The shop and its servers as plain local processes, traced, without any cluster
	@node injector/agent/build.ts
	@node test/demo/local.ts

.PHONY: check
check: install ## Types, lint and unit tests: under a minute
	@npm run -s types
	@npm run -s lint
	@npm run -s unit

.PHONY: test
test: install ## Everything: unit, services, integration and end to end on a real cluster
	@node test/run.ts

.PHONY: build
build: install ## dist/: what goes into the images, and kubectl-tracing
	@echo "the operator, kubectl tracing and the agent: usually half a minute, a minute or two the first time"
	@node operator/build.ts
	@node cli/build.ts
	@node injector/agent/build.ts
	@echo 'kubectl tracing is dist/kubectl-tracing; in this shell: export PATH="$$PWD/dist:$$PATH"'

.PHONY: release
release: install ## Everything that a release consists of, into .release; publishes nothing: VERSION= REGISTRY= DOWNLOADS=
	@node release/release.ts --version '$(VERSION)' --registry '$(REGISTRY)' --downloads '$(DOWNLOADS)'

.PHONY: bench
bench: build ## Figures, as ratios in one run, into test/bench/results.json
	@node test/bench/run.ts

.PHONY: soak
soak: build ## Half an hour at 500 requests a second with a collector that comes and goes, the agent's whole matrix, many odd pods and requests, the shop without its collector, two bad minutes of the operator
	@node test/bench/soak.ts --minutes 30 --rate 500
	@AGENT_MATRIX=full node test/run.ts --only agent --files matrix
	@GENERATED_PODS=20000 node test/run.ts --only unit --files injector/generated
	@FUZZ_REQUESTS=100000 node test/run.ts --only services --files webhook/fuzz
	@COLLECTOR_GONE_SECONDS=300 node test/run.ts --only services --files shop/bad-days
	@CHAOS_SECONDS=120 node test/run.ts --only e2e --files alone/chaos

.PHONY: generate
generate: install ## What is derived from the schemas: CRD YAML, the chart's values, the references of policies, of metrics, of the chart and of kubectl tracing
	@node crds/generate.ts
	@node charts/reference.ts
	@node cli/reference.ts
	@node operator/reference.ts

.PHONY: pictures
pictures: install ## The pictures of the coverage page in docs/guides, by its test
	@PICTURES=write node test/run.ts --only services --files test/page

.PHONY: format
format: install ## Prettier and ESLint's own fixes
	@npm run -s format
