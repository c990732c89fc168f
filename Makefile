# canary-judge. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Build output lives outside the checkout and is keyed by what it is built
# from, so that a fresh clone starts warm; scripts/cache says where.
export CARGO_TARGET_DIR ?= $(shell scripts/cache target)
MUSL := x86_64-unknown-linux-musl
# Executions of each fuzz target in `make test`.
FUZZ_RUNS ?= 100000
# Recorded logs, where a folder of them is there: what is measured on data needs it.
SHARED ?= ../shared
CORPUS = $(CARGO_TARGET_DIR)/throughput-corpus.log
DATA = $(if $(wildcard $(SHARED)/loghub-2k),--shared $(SHARED) --corpus $(CORPUS))
BENCH := cargo run --quiet --release --locked -p bench --
STATIC := cargo build --release --target $(MUSL)
# Arguments of the demo: make demo DEMO="--terminal".
DEMO ?=
# What a release is built for, and how its images are called.
ARCHS ?= amd64 arm64
REGISTRY ?= canary-judge
TAG ?= $(shell git describe --always --abbrev=40 --exclude='*' --dirty 2>/dev/null)

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what a build needs (as root on Debian; else say what is missing)
	@scripts/setup build

# Copies built programs into dist/, each in one step: one that runs stays whole.
INTO_DIST = for name in $(1); do \
	  cp "$$CARGO_TARGET_DIR/$(MUSL)/release/$$name" "dist/.$$name" && mv "dist/.$$name" "dist/$$name"; done

.PHONY: build
build: setup ## build the static binaries into dist/
	@scripts/setup static
	scripts/guarded $(STATIC) --locked -p metric-ai -p cli -p demo-app
	@mkdir -p dist
	@$(call INTO_DIST,rollouts-plugin-metric-ai canary-judge rollouts-demo)
	@cd dist && sha256sum rollouts-plugin-metric-ai canary-judge rollouts-demo

# Whom the plugin asks in e2e. Apart from the build above: built together they
# would change what its programs' dependencies are built with.
.PHONY: stand-ins
stand-ins: setup
	@scripts/setup static
	scripts/guarded $(STATIC) --locked -p model-stand-in -p agent-stand-in
	@mkdir -p dist
	@$(call INTO_DIST,model-stand-in agent-stand-in)

DIST := cargo run --quiet --locked -p e2e --bin dist --

.PHONY: dist
dist: setup ## a release in dist/: static binaries for amd64 and arm64, sha256sums, SBOM
	@scripts/setup dist
	@scripts/dist $(ARCHS)

.PHONY: dist-check
dist-check: dist ## check that release, and start its binaries (arm64 under qemu)
	@scripts/setup emulator
	$(DIST) check

.PHONY: image
image: dist ## write the images for amd64 and arm64 as dist/*.oci.tar; needs no engine
	@$(DIST) image --registry "$(REGISTRY)" --tag "$(TAG)"
	@scripts/dist sums

.PHONY: docker-build docker-buildx
docker-build: ## build the images for this machine with docker, podman or buildah
	@scripts/images engine >/dev/null
	@$(MAKE) dist ARCHS=amd64
	@REGISTRY="$(REGISTRY)" TAG="$(TAG)" scripts/images build amd64
docker-buildx: ## the same for amd64 and arm64; PUSH=1 pushes them
	@scripts/images engine >/dev/null
	@$(MAKE) dist
	@REGISTRY="$(REGISTRY)" TAG="$(TAG)" scripts/images buildx

.PHONY: demo demo-logs pictures
demo: setup ## watch a canary being judged, in the browser or as text (no cluster)
	@cargo build --quiet --locked -p cli -p demo-app -p metric-ai
	@"$$CARGO_TARGET_DIR/debug/canary-judge" demo $(DEMO)
pictures: setup ## make the README's pictures from the real page and a real run
	@cargo build --quiet --locked -p cli -p demo-app -p metric-ai
	@"$$(scripts/setup playwright)" scripts/pictures "$$CARGO_TARGET_DIR/debug/canary-judge" docs/pictures
demo-logs: setup ## judge the recorded logs of a healthy and of a broken canary
	@cargo build --quiet --locked -p cli
	@scripts/demo "$$CARGO_TARGET_DIR/debug/canary-judge"

.PHONY: test
test: setup lint ## all tests that need no cluster, with lints and a short fuzz
	@scripts/setup python >/dev/null
	@scripts/setup playwright >/dev/null
	@scripts/setup prometheus
	scripts/guarded cargo test --workspace --exclude e2e --locked --no-run
	CANARY_JUDGE_PYTHON="$$(scripts/setup python)" CANARY_JUDGE_PLAYWRIGHT="$$(scripts/setup playwright)" cargo test --workspace --exclude e2e --locked
	cargo test --locked -p e2e --lib --bins --test house
	fuzz/run $(FUZZ_RUNS)

# More arguments of the scenarios on the cluster: make e2e E2E="errors-are-aborted".
E2E ?=
# Which scenarios there are: those of every change, or all of a release.
EXTENT =

.PHONY: e2e test-e2e
e2e: build stand-ins ## tests on a real cluster on this machine (root, Linux, Go; 25 minutes at most)
	cargo test --locked -p e2e --test go_peer
	cargo test --locked -p e2e --test cluster -- --binaries "$(CURDIR)/dist" $(EXTENT) $(E2E)
test-e2e: e2e ## the same

.PHONY: e2e-full
# Handed on to what it needs: every scenario file is played on the cluster.
e2e-full: override EXTENT = --full
e2e-full: e2e dist-check ## all of that, all scenario files, and the release's checks

.PHONY: cluster
cluster: build ## start the cluster with Argo Rollouts, the plugin and the demo, and leave it running
	cargo test --quiet --locked -p e2e --test cluster -- --prepare --binaries "$(CURDIR)/dist"

.PHONY: cluster-down
cluster-down: setup ## stop that cluster and leave nothing behind
	cargo run --quiet --locked -p e2e --bin box -- down

.PHONY: corpus
corpus:
	@if [ -d "$(SHARED)/loghub-2k" ] && [ ! -f "$(CORPUS)" ]; then mkdir -p "$$CARGO_TARGET_DIR" && \
	  python3 "$(SHARED)/tools/throughput_corpus.py" "$(SHARED)/loghub-2k" "$(CORPUS).new" >&2 && mv "$(CORPUS).new" "$(CORPUS)"; fi

.PHONY: bench
bench: setup corpus ## measure the judge, and write the tables into docs/benchmarks.md (20 minutes)
	$(BENCH) all --document docs/benchmarks.md $(DATA)

.PHONY: figures
figures: build corpus ## measure every claim beside its target; exit 1 on a miss
	@scripts/setup playwright >/dev/null
	@missed=0; $(BENCH) figures --program dist/canary-judge $(DATA) || missed=$$?; \
	CANARY_JUDGE_PLAYWRIGHT="$$(scripts/setup playwright)" cargo run --quiet --release --target $(MUSL) --locked -p demo-app --example figures || missed=$$?; \
	cargo run --quiet --release --locked -p e2e --bin figures || missed=$$?; exit $$missed

.PHONY: fmt
fmt: ## format the sources
	cargo fmt --all

.PHONY: lint
lint: setup ## formatting, clippy, documentation, dependency rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p e2e --test cluster --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
	@cargo fetch --locked --quiet
	"$$(scripts/setup cargo-deny)" --offline check --hide-inclusion-graph bans licenses sources

.PHONY: docs
docs: setup ## build the API documentation
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	@echo "open $$CARGO_TARGET_DIR/doc/judge/index.html"
