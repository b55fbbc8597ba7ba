# Everything runs on a plain Linux machine with Go: servers come from docker/local, without containers.
# What is fetched or built for tests is kept in CACHE, outside the checkout.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export CGO_ENABLED ?= 0
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cdc2lake

PKGS ?= ./...
# Two test binaries at a time: each may run a MySQL of its own.
P ?= 2
FUZZTIME ?= 20s
COUNT ?= 1
WORKLOADS ?= all
SCALE ?= 1
TESTFLAGS ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)

GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(CACHE)/tools/golangci-lint-$(GOLANGCI_VERSION)

BENCHSTAT_VERSION := v0.0.0-20260908200009-22c9c6c9d4da
BENCHSTAT := $(CACHE)/tools/benchstat-$(BENCHSTAT_VERSION)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/cdc2lake
	go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o bin/ ./cmd/...

.PHONY: servers
servers: ## fetch MySQL and MariaDB and build the S3 server for tests and the demo, once
	@[ -n "$${CDC2LAKE_MYSQL_DSN:-}" ] || docker/local/mysql.sh path
	@CDC2LAKE_FLAVOR=mariadb docker/local/mysql.sh path
	@docker/local/s3server.sh path

.PHONY: test
test: servers ## all but the slow tests; PKGS=./cdc/... for some
	go test $(TESTFLAGS) -p $(P) -timeout 7m $(PKGS)

.PHONY: test-all
test-all: servers ## the slow tests too
	CDC2LAKE_TEST_ALL=1 go test $(TESTFLAGS) -p $(P) -timeout 60m $(PKGS)

.PHONY: race
race: servers ## the tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race $(TESTFLAGS) -p $(P) -timeout 20m $(PKGS)

.PHONY: e2e
e2e: servers ## the end-to-end tests, slow ones too
	CDC2LAKE_TEST_ALL=1 go test -p 1 -timeout 60m -v $(TESTFLAGS) ./e2e/...

# The hook of the reader matrix: a program e2e/readers/run, which installs its readers by itself.
.PHONY: test-readers
test-readers: servers ## read the tables with the readers of e2e/readers
	@if [ -x e2e/readers/run ]; then e2e/readers/run; else echo "no e2e/readers/run: nothing to do"; fi

.PHONY: test-fidelity
test-fidelity: servers ## every type, character set and DDL, with all readers; FIDELITY=regexp for some cases
	CDC2LAKE_FIDELITY='$(FIDELITY)' e2e/fidelity/run -v

.PHONY: test-property
test-property: servers ## random schemas, changes and restarts; RUNS=500, SEED=n repeats one, SERVER=mariadb, SHRINK=1 looks for a shorter script
	go test -count=1 -timeout 60m -run '^TestProperty$$' -v ./e2e/fidelity $(if $(RUNS),-runs $(RUNS)) $(if $(SEED),-seed $(SEED)) $(if $(SERVER),-server $(SERVER)) $(if $(SHRINK),-shrink)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (20s)
	@grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -r -n 1 dirname | sort -u | while read -r dir; do \
	  for name in $$(grep -hoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go | cut -d' ' -f2); do \
	    go test "$$dir" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME); \
	  done; done

.PHONY: bench
bench: servers ## cdc2lake as a whole, a line a workload; WORKLOADS=load,insert SCALE=0.1 PROFILE=dir
	@go run ./e2e/bench -workloads '$(WORKLOADS)' -scale $(SCALE) $(if $(PROFILE),-profile '$(PROFILE)')

.PHONY: bench-compare
bench-compare: servers $(BENCHSTAT) ## the same for REV=revision and the checkout in turns, COUNT times, compared with benchstat
	@[ -n "$(REV)" ] || { echo "give a revision: make bench-compare REV=HEAD~1 COUNT=6 WORKLOADS=load,insert SCALE=0.2"; exit 2; }
	@go run ./e2e/bench -workloads '$(WORKLOADS)' -scale $(SCALE) -count $(COUNT) -compare '$(REV)' -benchstat '$(BENCHSTAT)'

.PHONY: bench-go
bench-go: ## the benchmarks of the packages, into bench-new.txt (compare with benchstat); COUNT=6 for figures to trust
	go test -p 1 -run '^$$' -bench . -benchmem -count $(COUNT) -timeout 60m $(PKGS) | tee bench-new.txt

.PHONY: lint
lint: $(GOLANGCI) ## golangci-lint, the arrows between packages, shell scripts where shellcheck is installed
	$(GOLANGCI) run $(PKGS)
	go test ./internal/archtest
	cd docker/local/s3server && GOWORK=off go vet ./...
	@for f in docker/local/*.sh .ci/run; do bash -n $$f; done
	@! command -v shellcheck >/dev/null || shellcheck docker/local/*.sh .ci/run

# Built from source with a version of its own dependencies, through the Go proxy: about a minute, once.
$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION) (about a minute, once)"
	@mkdir -p $(@D)/tmp-$(GOLANGCI_VERSION)
	@GOFLAGS= GOWORK=off GOBIN=$(@D)/tmp-$(GOLANGCI_VERSION) go install -trimpath \
	  github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(@D)/tmp-$(GOLANGCI_VERSION)/golangci-lint $@ && rmdir $(@D)/tmp-$(GOLANGCI_VERSION)

$(BENCHSTAT):
	@echo "building benchstat (once)"
	@mkdir -p $(@D)/tmp-$(@F)
	@GOFLAGS= GOWORK=off GOBIN=$(@D)/tmp-$(@F) go install -trimpath golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)
	@mv $(@D)/tmp-$(@F)/benchstat $@ && rmdir $(@D)/tmp-$(@F)

.PHONY: docs
docs: ## write the generated pages: configuration, errors, metrics
	UPDATE_DOCS=1 go test -count=1 -short ./internal/telemetry ./cmd/cdc2lake/...

.PHONY: fmt
fmt: ## gofmt
	gofmt -w $$(git ls-files '*.go')

.PHONY: demo
demo: servers ## MySQL, S3 and cdc2lake on this machine, with a load; KEEP=1 leaves them running
	go run ./docker/local/demo $(if $(KEEP),-keep)

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin bench-new.txt
	go clean -testcache

.PHONY: clean-cache
clean-cache: ## remove the fetched MySQL and the tools too
	rm -rf '$(CACHE)'
