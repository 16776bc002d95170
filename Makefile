# SPDX-License-Identifier: Apache-2.0
# The front door: installs what is missing, then calls CMake with the presets of CMakePresets.json.

BUILD  := build
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)

# CMake reads both; a compiler cache is used where there is one, and takes precompiled headers with these words.
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export CMAKE_CXX_COMPILER_LAUNCHER ?= $(notdir $(shell command -v ccache 2>/dev/null))
export CCACHE_SLOPPINESS ?= pch_defines,time_macros

.PHONY: run test build install uninstall deb oracle nightly bench bench-all format clean help packages

run: build  ## install what is missing, build, show attention on real data
	@$(BUILD)/attention_example

test: packages  ## every test; under 30 minutes on two cores
	@$(PYTHON) scripts/run_tests.py

build: packages  ## the optimised tool, build/batchdot, and build/compile_commands.json
	@cmake --preset release --log-level=WARNING >/dev/null $(if $(wildcard $(BUILD)/CMakeCache.txt),,-DCMAKE_INSTALL_PREFIX=$(PREFIX))
	@cmake --build --preset release --target batchdot_product

install: build  ## library, headers, CMake package, pkg-config, tool, man page, completions; PREFIX=, DESTDIR=
	@sh scripts/install.sh install $(BUILD) "$(PREFIX)" "$(DESTDIR)"

uninstall:  ## takes back what `make install` put there; same PREFIX=, DESTDIR=
	@sh scripts/install.sh uninstall $(BUILD) "$(PREFIX)" "$(DESTDIR)"

deb: packages  ## Debian packages, in build/deb
	@sh scripts/make_deb.sh

oracle: build  ## the judges at full size: the real packages of every release, from PyPI
	@$(PYTHON) tests/oracle/run.py

nightly: packages  ## what takes too long for `make test`
	@$(PYTHON) scripts/run_tests.py --nightly

bench: build  ## other libraries beside ours, a table and bench/results; BENCH="--only W1,W7 --quick"
	@sh scripts/install_packages.sh packaging/debian-bench-packages.txt
	@$(PYTHON) bench/run.py --setup $(BENCH)

bench-all: build  ## the same with PyTorch, JAX and TensorFlow, several GB
	@sh scripts/install_packages.sh packaging/debian-bench-packages.txt
	@$(PYTHON) bench/run.py --setup --all $(BENCH)

format:  ## clang-format over our sources
	@git ls-files -z -- '*.cc' '*.h' | xargs -0 clang-format -i

clean:  ## remove what was built; the judges' packages in build/oracle and those of build/bench stay
	@[ ! -d $(BUILD) ] || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name oracle ! -name bench -exec rm -rf {} +

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

packages:
	@sh scripts/install_packages.sh
