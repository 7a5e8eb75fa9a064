# The commands of this project. `make help` lists them.
CARGO ?= cargo
BIN := $(or $(CARGO_TARGET_DIR),target)/debug

.PHONY: help demo test check fuzz mutants corpus bench crds golden
.DEFAULT_GOAL := help

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## tell the whole story on a real control plane; KEEP=1 leaves it up until Ctrl-C
	@echo "demo: building the operator and the plugin; the control plane's programs follow (15 minutes in all, the first time)"
	$(CARGO) build --workspace --bins
	$(BIN)/demo $(if $(KEEP),--keep)

test: ## run every test, the ones on a real control plane included
	@echo "test: building the programs that the tests start"
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace

check: ## formatting, lints and documentation, each without a warning
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

fuzz: ## look for a way round the gate with SEEDS=N seeds (20), or again with SEED=n; TELL=1 lists what the API server refuses
	$(CARGO) build --workspace --bins
	SEEDS=$(or $(SEEDS),20) $(CARGO) test --workspace --test fuzz -- --nocapture

mutants: ## negate each rule of src/domain and see a test fail; ARGS="-f 'src/domain/gate*' --shard 0/4" asks for a part
	tests/mutants/run.sh $(ARGS)

corpus: ## try the Deployments of CORPUS=DIR (several: separated by spaces) on a real control plane
	@test -n "$(CORPUS)" || { echo "corpus: say where the manifests are: make corpus CORPUS=DIR" >&2; exit 2; }
	@echo "corpus: building the operator, the plugin and the control plane's programs (minutes, the first time)"
	$(CARGO) build --workspace --bins
	$(BIN)/corpus $(CORPUS)

bench: ## measure, and write target/bench/report.md; FIGURES="rest many" for those alone; nothing is asserted
	@echo "bench: building in the release profile (ten minutes and more, the first time)"
	$(CARGO) build --release --workspace --bin permit-operator --bin example-server
	$(CARGO) bench --workspace --bench figures -- $(FIGURES)

crds: ## write crds/ anew from the types in src/api
	UPDATE=1 $(CARGO) test --test crds

golden: ## write every generated file anew; read the difference before you commit it
	UPDATE=1 $(CARGO) test --workspace
