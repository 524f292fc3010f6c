# Every target sets up what it needs. "make" alone lists the targets.

GO          ?= go
MINUTES     ?= 10
FUZZTIME    ?= 30s
KILLS       ?= 50
CUTS        ?= 100
STEP        ?= 1
SEED        ?=
ARGS        ?=
KEEP        ?=
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.7.0
BUCKET      ?=
BIN         := bin

.DEFAULT_GOAL := help
.PHONY: help build setup test test-large demo torture hostile faults sabotage lint fmt fuzz bench bench-full clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/binlogproxy
	$(GO) build -trimpath -o $(BIN)/binlogproxy ./cmd/binlogproxy

setup: ## Make sure that a container engine runs, and that the MySQL image, the S3 server and promtool exist
	@testenv/setup/setup.sh
	@$(GO) run ./testenv/setup/s3
	@$(GO) run ./testenv/setup/promtool

test: setup ## Unit, property and integration tests, race detector on
	$(GO) test -race -timeout 20m ./...
	@$(MAKE) --no-print-directory sabotage

test-large: setup ## Files above 4 GiB and events of 1 GiB; minutes, and some 20 GB of disk
	$(GO) test -tags large -run Large -count=1 -timeout 60m ./...

demo: setup build ## A primary, the proxy and a replica under load, then proof; KEEP=1 leaves them running, BUCKET=1 deletes the data directory too
	$(GO) run ./testenv/cmd/demo -binary $(BIN)/binlogproxy $(if $(BUCKET),-bucket) $(if $(KEEP),-keep)

torture: setup build ## Kill and cut everything at random under load: KILLS=50 SEED=; BUCKET=1 with a bucket that fails
	$(GO) run ./testenv/cmd/torture -binary $(BIN)/binlogproxy $(if $(BUCKET),-bucket) -kills $(KILLS) $(if $(SEED),-seed $(SEED))

faults: build ## Power cuts, a full disk, and one that fails at every STEP-th operation: CUTS=100 STEP=1 SEED=
	@testenv/setup/setup.sh faults
	$(GO) run ./testenv/cmd/faults -binary $(BIN)/binlogproxy -cuts $(CUTS) -step $(STEP) $(if $(SEED),-seed $(SEED))

bench: setup build ## Measure receiving and serving against mysqlbinlog, mysqld and go-mysql, in at most 15 minutes: ARGS=
	$(GO) build -o $(BIN)/bench ./testenv/cmd/bench
	$(BIN)/bench $(ARGS)

bench-full: ## The same with files of 1 GiB; half an hour
	@$(MAKE) --no-print-directory bench ARGS="-size 1073741824 $(ARGS)"

hostile: setup build ## Clients that never read, and 10,000 that say nothing, beside good ones: MINUTES=10
	$(GO) run ./testenv/cmd/hostile -binary $(BIN)/binlogproxy -minutes $(MINUTES)

sabotage: ## Seven broken builds must each turn a test red
	@testenv/sabotage.sh

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

fmt: ## Format the code
	gofmt -w .

fuzz: ## Run each fuzz target for FUZZTIME; KEEP=1 keeps a few new inputs with each package
	@testenv/fuzz.sh $(FUZZTIME) $(if $(KEEP),keep)

clean: ## Remove what was built
	rm -rf $(BIN)
