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
clean: ## Stop, and remove data, rendered files and .run/venv; .env, reports/ and backups stay
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

.PHONY: deploy
deploy: ## Release the tree as it is now; an unready release is taken back. SERVICE=flask, STRATEGY=bluegreen
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: rollback
rollback: ## Release again what ran before; SERVICE=flask narrows
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: reload
reload: ## Render, test and reload the nginx configuration without a lost request
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: images
images: ## Build the images, put them to REGISTRY and name them by digest, for make up STAGE=production
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

.PHONY: backup
backup: ## Back up the database to .run/backups and keep the newest seven; FILE=, KEEP=30
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: restore
restore: ## Put a backup into an empty database, as it was; FILE=
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: verify-backup
verify-backup: ## Prove a backup: restore it beside the database and compare; FILE=, default the newest
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: doctor
doctor: ## Say what this machine lacks, each with its mend
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: new
new: ## Write a project of your own beside this one; DIR=../shop APPS=fastapi,django ENGINES=
	@./ponte $@ $(MAKEOVERRIDES)

##@ Check

.PHONY: test
test: ## Run the tests; T=tests/unit/test_settings.py narrows, SERVER=granian asks the stack on other servers
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: drill
drill: ## List the drills; DRILL=kill-replica breaks something under load, checks the promise and mends it; RATE=100
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: lost-requests
lost-requests: ## Count what every operation loses, on a stack of its own; SERVER=all, N=20, QUICK=1
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: check
check: ## Run formatters, linters and types; changes nothing
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: sbom
sbom: ## Write what each lock file holds to .run/sbom, as CycloneDX
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: audit
audit: ## Ask for known vulnerabilities of everything that is locked
	@./ponte $@ $(MAKEOVERRIDES)

##@ Measure

.PHONY: load
load: ## Find what each application carries; SERVICE=flask, MIX=cpu, RATE=200 TIME=1m, N=5, HOST=, QUICK=1, FULL=1
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: scaling
scaling: ## Find how many workers and replicas pay; SERVICE=flask, MIX=cpu, CPU_QUOTA=0.1, N=5, QUICK=1, FULL=1
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: websockets
websockets: ## Hold, echo and fan out WebSockets, through a restart too; SERVICE=fastapi, QUICK=1, FULL=1
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: slow-io
slow-io: ## Find what a slow backend does to WSGI and ASGI; SERVICE=, N=5, QUICK=1, FULL=1
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: matrix
matrix: ## Try every server under every framework, behind nginx: what is kept, and the cost; SERVER=, FRAMEWORK=, QUICK=1
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: compare
compare: ## Compare two runs in reports/ as ratios with intervals; A= B=
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: gate
gate: ## Hold a run against thresholds, for CI; SLO=loadtests/slo.toml RUN=
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: bench
bench: ## Measure what the edge and the load generator cost beside their peers, as ratios in one run
	@./ponte $@ $(MAKEOVERRIDES)

.PHONY: locust
locust: ## Open the Locust UI on LOCUST_PORT (8089) and under /locust/; HOST=, PROCESSES=2
	@./ponte $@ $(MAKEOVERRIDES)

##@ Help

.PHONY: help
help: ## Print this
	@awk -F ':.*## ' '/^##@/ {print "\n" substr($$0,5)} /^[a-z][a-z-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
