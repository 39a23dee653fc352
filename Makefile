# `make help` says what there is. Quiet by default; V=1 shows every command.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

V ?= 0
Q := $(if $(filter 1,$(V)),,@)

# The pinned interpreter, ahead of the system's, for everything that says `node`.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
NODE := node
BIN := node_modules/.bin
CLANG ?= clang
CC ?= cc

# -idirafter: the kernel's headers for the build machine, behind clang's own for the bpf target.
BPF_CFLAGS := -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror -target bpf -mcpu=v3 \
	-idirafter /usr/include/$(shell gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
LAUNCHER_CFLAGS := -std=c11 -O2 -Wall -Wextra -Werror -static

# Debian packages, each with the command or file that shows it is there.
PACKAGES := clang:/usr/bin/clang llvm:/usr/bin/llvm-strip libbpf-dev:/usr/include/bpf/bpf_helpers.h \
	libbpf1:/usr/lib/$(shell uname -m)-linux-gnu/libbpf.so.1 linux-libc-dev:/usr/include/linux/bpf.h \
	gcc:/usr/bin/gcc libc6-dev:/usr/lib/$(shell uname -m)-linux-gnu/libc.a bpftool:/usr/sbin/bpftool \
	iproute2:/usr/bin/ip iptables:/usr/sbin/iptables tcpdump:/usr/bin/tcpdump iputils-ping:/usr/bin/ping \
	procps:/usr/bin/ps chromium:/usr/bin/chromium util-linux:/usr/bin/setpriv openssl:/usr/bin/openssl git:/usr/bin/git

.PHONY: help deps packages bpf launcher gen docs check test fuzz soak test-kernels demo bench bundle image-root image clean

help: ## show this list
	@printf 'Usage: make TARGET [V=1]\n\n'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

demo: deps bpf launcher ## two nodes, real pods and policies in namespaces of their own; every pair probed (under 60 s)
	$(Q)$(NODE) demo/demo.ts

test: deps bpf launcher image-root check ## all checks, then all tests, those that need root included
	$(Q)$(BIN)/vitest run $(TEST)

FUZZ_PACKETS ?= 1000000
FUZZ_SECONDS ?= 300

fuzz: deps bpf ## random packets through the programs and a reference that must agree (FUZZ_PACKETS, FUZZ_SECONDS, SEED)
	$(Q)$(NODE) test/fuzz/run.ts --packets $(FUZZ_PACKETS) --seconds $(FUZZ_SECONDS) $(if $(SEED),--seed $(SEED))

SECONDS ?= 600

soak: deps bpf ## random clusters: policies, tables and programs must agree on every flow (SECONDS, SEED)
	$(Q)$(NODE) test/soak/run.ts --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

test-kernels: deps bpf ## the programs on Debian's 6.1 and 6.12, emulated (4-6 min; KERNELS=package, RECORD=1)
	$(Q)$(NODE) --disable-warning=ExperimentalWarning test/kernels/run.ts $(if $(RECORD),--record) $(KERNELS)

check: deps bpf ## types, lint, format, import arrows, generated layouts
	$(Q)$(BIN)/tsc --noEmit
	$(Q)$(BIN)/oxlint
	$(Q)$(BIN)/prettier --check --log-level warn .
	$(Q)$(NODE) tools/check-arrows.ts
	$(Q)$(NODE) tools/gen-abi.ts --check dist/bpf/sluice.bpf.o
	$(Q)$(NODE) src/main.ts test examples > dist/examples.log || { cat dist/examples.log; exit 1; }
	$(Q)$(NODE) tools/semantics-table.ts --check
	$(Q)$(NODE) tools/doc-examples.ts --check
	@echo 'check: ok'

docs: deps ## write anew what documents show of commands and tests: examples, pictures, which test holds which rule
	$(Q)$(NODE) tools/semantics-table.ts
	$(Q)$(NODE) tools/doc-examples.ts

gen: deps bpf ## write src/kernel/abi.gen.ts anew from the object's type information
	$(Q)$(NODE) tools/gen-abi.ts dist/bpf/sluice.bpf.o > dist/abi.gen.ts
	$(Q)mv dist/abi.gen.ts src/kernel/abi.gen.ts
	$(Q)$(BIN)/prettier --write --log-level warn src/kernel/abi.gen.ts

bench: deps bpf launcher ## measure; each figure a ratio against a reference measured in the same run (ONLY=name)
	$(Q)$(NODE) bench/run.ts $(ONLY)

deps: packages node_modules/.package-lock.json ## install what is missing: Debian packages, npm packages

packages:
	$(Q)missing=(); for entry in $(PACKAGES); do \
		[ -e "$${entry#*:}" ] || missing+=("$${entry%%:*}"); \
	done; \
	if [ $${#missing[@]} -gt 0 ]; then \
		echo "installing Debian packages: $${missing[*]}"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			"$${missing[@]}" > /dev/null; \
	fi

node_modules/.package-lock.json: package.json package-lock.json
	@echo 'installing npm packages'
	$(Q)npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@# The npm of Debian 12 links no program that is called node.
	$(Q)[ -e $(BIN)/node ] || ln -s ../$$(cd node_modules && echo node-linux-*)/bin/node $(BIN)/node
	$(Q)touch $@

bpf: packages dist/bpf/sluice.bpf.o ## compile the eBPF programs

dist/bpf/sluice.bpf.o: $(wildcard bpf/*.h bpf/*.c) | packages
	@mkdir -p $(@D)
	@echo '  BPF   $@'
	$(Q)$(CLANG) $(BPF_CFLAGS) -c bpf/sluice.bpf.c -o $@.tmp
	$(Q)llvm-strip -g $@.tmp -o $@ && rm $@.tmp

launcher: packages dist/sluice-cni ## compile the CNI executable

dist/sluice-cni: $(wildcard launcher/*.c launcher/*.h) | packages
	@mkdir -p $(@D)
	@echo '  CC    $@'
	$(Q)$(CC) $(LAUNCHER_CFLAGS) -o $@ $(wildcard launcher/*.c)

bundle: deps bpf launcher dist/sluice/main.js ## the command line as a few files that need node and koffi only (dist/sluice)

dist/sluice/main.js: dist/bpf/sluice.bpf.o dist/sluice-cni package-lock.json node_modules/.package-lock.json \
		$(wildcard cni-conf/* tools/bundle*.ts) $(shell find src -name '*.ts' 2> /dev/null)
	@echo '  JS    $(@D)'
	$(Q)$(NODE) tools/bundle.ts

image-root: bundle ## the files of the image besides Debian's, at their places (dist/image)
	$(Q)$(NODE) tools/image-root.ts

IMAGE ?= localhost/sluice:dev
# The first engine that can build here; ENGINE=name takes that one.
ENGINE ?= $(shell for e in docker podman buildah; do \
	if [ $$e = docker ]; then docker info > /dev/null 2>&1 || continue; fi; command -v $$e > /dev/null && echo $$e && break; done)
BUILD_FLAGS ?=

image: ## build the container image with docker, podman or buildah (IMAGE=name, ENGINE=, BUILD_FLAGS=)
	$(Q)if [ -z '$(ENGINE)' ]; then echo 'make image needs docker (with its daemon), podman or buildah'; exit 1; fi
	$(Q)$(ENGINE) build $(BUILD_FLAGS) -t $(IMAGE) .
	$(Q)case $(ENGINE) in \
		buildah) size=$$(buildah images --format '{{.Size}}' $(IMAGE)) ;; \
		*) size="$$(($$($(ENGINE) image inspect --format '{{.Size}}' $(IMAGE)) / 1000000)) MB" ;; esac; \
		echo "$(IMAGE): $$size"

clean: ## remove what was built
	$(Q)rm -rf dist
