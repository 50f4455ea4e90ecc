# What can I do here? `make` prints it. Each target is one call of ./ponte, which says more:
# `./ponte TARGET --help`. Words go behind the target: make up HTTP_PORT=8081

.DEFAULT_GOAL := help
# (!) make itself ends with 2 whatever failed; CI that needs the exit code calls ./ponte.

##@ Run

.PHONY: up
up: ## Start the stack and wait until every replica is ready; ENGINE=native, DEV=1 reloads on edit
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: down
down: ## Stop gracefully, keep the data
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: clean
clean: ## Stop, and remove data, rendered files and .run/venv; .env and reports/ stay
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: ps
ps: ## Show replicas: state, server, workers, memory, uptime; FORMAT=json for programs
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: logs
logs: ## Show logs; SERVICE=fastapi narrows, FOLLOW=1 stays
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: restart
restart: ## Restart replica by replica without a lost request; SERVICE=flask narrows
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: scale
scale: ## Change the replicas of a service under load; SERVICE=fastapi REPLICAS=4
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: reload
reload: ## Render, test and reload the nginx configuration without a lost request
	@./ponte $@ $(MAKEOVERRIDES)

##@ Look inside

.PHONY: config
config: ## Print the rendered configuration
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: shell
shell: ## Open a shell in a replica; SERVICE=django
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: psql
psql: ## Open the database
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: doctor
doctor: ## Say what this machine lacks, each with its mend
	@./ponte $@ $(MAKEOVERRIDES)

##@ Check

.PHONY: test
test: ## Run the tests; T=tests/unit/test_settings.py narrows
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: check
check: ## Run formatters, linters and types; changes nothing
	@./ponte $@ $(MAKEOVERRIDES)

##@ Measure

.PHONY: load
load: ## Run the load tests without a window; SERVICE= USERS=20 RATE=5 TIME=30s PROCESSES= HOST=
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: locust
locust: ## Open the Locust UI on LOCUST_PORT (8089); HOST= as above
	@./ponte $@ $(MAKEOVERRIDES)

##@ Help

.PHONY: help
help: ## Print this
	@awk -F ':.*## ' '/^##@/ {print "\n" substr($$0,5)} /^[a-z][a-z-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
