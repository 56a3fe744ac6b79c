# Short on purpose: what is longer than a line lives in ops/.
SHELL := /bin/bash
# A login shell would have cargo in PATH; CI may not.
export PATH := $(PATH):$(HOME)/.cargo/bin
compose = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.DEFAULT_GOAL := help
.PHONY: help run test check bench reset up down
.NOTPARALLEL:

##@ Play
run: ## the whole club on this machine: database, demo data, service, game (Ctrl-C stops it; ANALYTICS=1: with Kafka and ClickHouse)
	@ops/run

##@ Develop
test: ## all tests, on private throw-away servers (ARGS="name of a test" for some)
	@ops/setup
	@ops/localstripe install
	@ops/smtp install
	@ops/clickhouse install
	@ops/kafka install
	@ops/kafka client >/dev/null
	@ops/browser install
	@ops/frontend install
	@cargo build --workspace
	@ops/postgres with --fast --dir .local/postgres-test -- \
	  ops/localstripe with -- ops/smtp with -- ops/kafka with -- ops/clickhouse with -- \
	  cargo test --workspace --no-fail-fast -- $(ARGS)

check: ## formatting, lints, compose file: what CI asks for besides the tests
	@ops/setup --no-postgres
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@ops/frontend check
	@if command -v $(firstword $(compose)) >/dev/null; then $(compose) config -q; fi

bench: ## measure, on a private durable PostgreSQL (ARGS go to the benchmark)
	@ops/setup
	@ops/clickhouse install
	@ops/kafka install
	@ops/postgres with --dir .local/postgres-bench -- ops/clickhouse with -- cargo bench -p tests --bench club -- $(ARGS)

reset: ## stop the local servers and delete all they stored (.local)
	@ops/kafka stop
	@for dir in .local/postgres*; do ops/postgres remove --dir "$$dir"; done
	@rm -rf .local

##@ Containers
up: ## build and start everything in Docker (settings: .env, see .env.example)
	@$(compose) up --build --detach

down: ## stop it; what it stored stays in its volumes
	@$(compose) down

help:
	@awk 'BEGIN { FS = ": ## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+: ## / { printf "  make %-8s %s\n", $$1, $$2 } \
	  END { print "" }' $(firstword $(MAKEFILE_LIST))
