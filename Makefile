# SPDX-License-Identifier: GPL-2.0-only
# Verbs only; what they do is in scripts/. Each does its own set-up, and may be run twice.

.NOTPARALLEL:
# The kernel has a make of its own, which must not inherit this one's variables and flags.
unexport MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
export ARCH KERNEL_SRC KERNEL T TOPO ACCEL NET FIXES FORCE INTO J STEP WARM CHECK ACCEPT PROFILE CONFIG_FROM LOCALVERSION M FILES TIMEOUT

CONFIG ?= lab
export CONFIG
ifneq ($(words $(CONFIG))$(filter-out lab debug kcsan p2pdma-off callers stock,$(CONFIG)),1)
$(error p2p: CONFIG=$(CONFIG): use one of lab, debug, kcsan, p2pdma-off, callers, stock)
endif

check := @scripts/check-input
setup := @scripts/setup
# What another architecture than this machine's needs besides
foreign := $(filter arm64,$(ARCH))
# A T= that selects nothing is refused before the rest is installed and built.
select = $(if $(T),@scripts/setup test && scripts/test --check)
compose := @scripts/tree$(if $(filter stock,$(CONFIG)), --stock)

help:           ## this list (the default)
	@scripts/help $(firstword $(MAKEFILE_LIST))

demo: verb := demo
demo: kernel    ## copy drive to drive through a peer's BAR, and show the proof
	$(setup) tools
	@scripts/tools
	@scripts/demo

test:           ## every check: tree, lint, builds, end-to-end (T= selects); with ARCH=, those of that architecture
	$(check) $@
	$(select)
	$(setup) base build lab lint docs test tools $(foreign)
	@scripts/test

test-all:       ## test, and what takes longer: every 6.12.y, every commit, every architecture
	$(check) $@
	$(select)
	$(setup) base build lab lint docs test tools arm64
	@scripts/test --all

coverage:       ## lines and branches of each file that the tests reach
	$(check) $@
	$(setup) base build lab coverage
	@scripts/tree
	@scripts/coverage

mutants:        ## put small faults in, one at a time, and see which the tests notice (T=)
	$(check) $@
	$(setup) base build lab
	@scripts/tree
	@scripts/mutants

test-fresh:     ## demo and test in a minimal Debian 12 made for it (STEP= WARM=)
	$(check) $@
	$(setup) fresh
	@scripts/test-fresh

# With one of these the stock kernel is not needed.
bench_alone := $(if $(ACCEPT),--accept,$(if $(CHECK),--check,$(if $(PROFILE),--profile='$(PROFILE)')))
bench:          ## this implementation beside that of stock 6.12 (CHECK= PROFILE=)
	$(check) $@
	$(setup) base build lab bench
	@scripts/tree $(if $(bench_alone),,--stock)
	@scripts/build lab
	$(if $(bench_alone),,@for c in stock stock-off plain p2pdma-off; do scripts/build $$c || exit; done)
	@scripts/bench $(bench_alone)

docs:           ## the documentation as HTML, in build/docs/html
	$(check) $@
	$(setup) base docs
	@scripts/tree
	@scripts/docs

shell: verb := shell
shell: kernel   ## a shell in the lab's VM (TOPO= FILES=), also for commands that are piped into it
	@scripts/shell

module: verb := module
module: kernel  ## build a module of your own (M=), which make shell has in its guest then
	@scripts/module '$(M)'

tree:           ## compose build/tree: stripped base + overlay + patches
	$(check) $@
	$(setup) base
	@scripts/tree

refresh:        ## bring edits made in build/tree back to the overlay and the patches
	$(check) $@
	$(setup) base
	@scripts/refresh

series: tree    ## the mailable series in build/series (NET=1: net difference to stock, FIXES=1: its fixes)
	@scripts/series

check-apply:    ## try the patches on the 6.12.y that the archive offers
	$(check) $@
	$(setup) base
	@scripts/check-apply

tools:          ## p2ptopo, in build/tools: who reaches whose memory, on any machine
	$(check) $@
	$(setup) base tools $(foreign)
	@scripts/tree
	@scripts/tools

deb:            ## kernel packages for Debian 12, and one with the tools, in build/deb (CONFIG_FROM=)
	$(check) $@
	$(setup) base build tools deb
	@scripts/tree
	@scripts/tools
	@scripts/deb

lint:           ## checkpatch, sparse, W=1, kernel-doc, shellcheck, codespell, mypy, black
	$(check) $@
	$(setup) base build lint docs test
	@scripts/lint

build:          ## the kernel of CONFIG= (lab, debug, kcsan, p2pdma-off, callers, stock)
	$(check) $@
	$(setup) base build $(foreign)
	$(compose)
	@scripts/build $(CONFIG)

kernel:
	$(check) $(verb)
	$(setup) base build lab $(foreign)
	$(compose)
	$(if $(KERNEL),,@scripts/build $(CONFIG))

clean:          ## remove kernel builds and results (keeps the base and the tree)
	rm -rf build/out build/own build/runs build/test build/initramfs build/fresh build/fresh-logs build/deb build/deb-*

distclean:      ## remove everything generated
	rm -rf build

.PHONY: help demo test test-all coverage mutants test-fresh bench docs shell module tree refresh series check-apply lint tools \
	deb build kernel clean distclean
