# Thin: each line calls one thing. `make` alone lists the targets.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/foldstream
# Shared by all clones, so that a fresh clone does not compile the dependencies again.
export CARGO_TARGET_DIR ?= $(CACHE)/target
RELEASE := $(CARGO_TARGET_DIR)/release

.PHONY: generate readme help setup claim build demo up down status test soak chaos mutations check templates bench clean new-read-model new-aggregate new-event upgrade

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: ## install what is missing and download the parts of the local stack
	@dev/setup.sh

claim:
	@dev/claim.sh

build: setup claim ## compile everything for use
	@cargo build --release --locked --quiet --workspace --bins

demo: build ## start the stack, run everything on real data, leave it running
	@$(RELEASE)/foldstream-stack demo

up: build ## start the stack with its topics and schemas
	@$(RELEASE)/foldstream-stack up
	@$(RELEASE)/foldstream topics apply
	@$(RELEASE)/foldstream schemas register

down: ## stop what `make up` and `make demo` started
	@test ! -x $(RELEASE)/foldstream-stack || $(RELEASE)/foldstream-stack down

status: ## what is running
	@$(RELEASE)/foldstream-stack status

test: setup claim ## every test, on a stack of their own
	@dev/test.sh

chaos: setup claim ## faults at random under load for so long: make chaos MINUTES=15
	@FOLDSTREAM_CHAOS_SECONDS=$$(( $(or $(MINUTES),15) * 60 )) cargo test --locked --workspace --test whole -- --nocapture chaos

soak: setup claim ## every night: the tests in their long form, faults for 15 minutes, templates, mutations
	@FOLDSTREAM_SOAK=1 FOLDSTREAM_CHAOS_SECONDS=900 dev/test.sh
	@python3 dev/check/templates.py
	@python3 dev/check/mutations.py

mutations: setup claim ## break the loops on purpose, and see that a test notices
	@python3 dev/check/mutations.py

generate: ## make anew what is made: after a change of a schema or a catalogue, and for a new service
	@cargo run --quiet -p foldstream-generator

readme: ## make the table of services in README.md anew, from their types
	@UPDATE_EXPECT=1 cargo test --quiet --workspace --bin foldstream -- the_readme_lists_every_service

upgrade: build ## a stack that another build left midway goes on under this one: make upgrade FROM=<commit>
	@dev/check/upgrade.sh $(FROM) $(RELEASE)

check: setup claim ## format, lints, docs, licences, unused dependencies, structure, scripts
	@dev/check/check.sh

templates: setup claim ## a read model, an aggregate, an event from their templates, in a copy: counted, built, used
	@python3 dev/check/templates.py

new-read-model: setup claim ## a projection and its route from a template: make new-read-model NAME=sightings TOPIC=locations
	@python3 dev/templates/new.py read-model "$(NAME)" "$(TOPIC)"
	@$(MAKE) --no-print-directory readme

new-aggregate: setup claim ## commands, their decider, a read model and a resource: make new-aggregate NAME=ticket
	@python3 dev/templates/new.py aggregate "$(NAME)"
	@$(MAKE) --no-print-directory readme

new-event: setup claim ## an event type on a topic: make new-event NAME=ticket-closed TOPIC=tickets
	@python3 dev/templates/new.py event "$(NAME)" "$(TOPIC)"

bench: build ## figures beside their baselines, measured in the same run
	@$(RELEASE)/foldstream-bench

clean: ## stop the stack and remove its data and this clone's build output
	@test ! -x $(RELEASE)/foldstream-stack || $(RELEASE)/foldstream-stack down --remove-data
	@rm -rf .local target
