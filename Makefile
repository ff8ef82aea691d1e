# SPDX-License-Identifier: Apache-2.0
# The commands that people and CI use. Each does its own set-up.
.PHONY: help setup setup-all build image demo sample test test-nightly lint bench test-sanitize fuzz clean
.DEFAULT_GOAL := help

BUILD := build/release
JETCAL := $(BUILD)/bin/jetcal
CORES := $(shell nproc)
SAMPLE := sample
SETUP := python3 tools/setup.py

help:
	@echo "make demo           from collisions to a served jet correction (SIM=1 makes its own collisions)"
	@echo "make test           build everything, run every test"
	@echo "make test-nightly   what takes hours: 14 million jets from an S3 server (11 GB of disk)"
	@echo "make sample         the shared 1,000,000 jets into SAMPLE=folder; goes on where it was stopped"
	@echo "make build          release binary at $(JETCAL)"
	@echo "make image          the serving image as an OCI archive, jetcal-serve.tar"
	@echo "make bench          times beside peers, results in bench/results (PARTS=training,inference,loader,scaling,programs; QUICK=1)"
	@echo "make lint           clang-format and clang-tidy, zero findings"
	@echo "make fuzz           parsers under sanitizers, MINUTES=10 in all (FUZZ_CXX=clang++-14 for libFuzzer, with libclang-rt-14-dev)"
	@echo "make test-sanitize  fast suites under address + undefined and thread sanitizers"

setup:
	@$(SETUP) build $(if $(SIM),sim)

setup-all:
	@$(SETUP) build sim test

build: setup
	@cmake --preset release
	@cmake --build $(BUILD) --target programs

image: build
	@python3 tools/make_image.py --jetcal $(JETCAL) --output jetcal-serve.tar

demo: build
	@python3 tools/demo.py --jetcal $(JETCAL) $(if $(SIM),--simulate)

sample:
	@$(SETUP) build sim
	@cmake --preset release
	@cmake --build $(BUILD) --target programs
	@python3 tools/make_sample.py $(SAMPLE) --jetcal $(JETCAL)

test: setup-all
	@cmake --preset release
	@cmake --build $(BUILD)
	@ctest --preset release -j $(CORES) --no-tests=error

test-nightly: setup-all
	@$(SETUP) cluster
	@cmake --preset release
	@cmake --build $(BUILD) --target programs
	@ctest --preset nightly --no-tests=error

lint: setup-all
	@cmake --preset release >/dev/null
	@cmake --build $(BUILD) --target programs
	@python3 tools/lint.py $(BUILD)

bench:
	@$(SETUP) build bench
	@cmake --preset release -DJETCAL_BENCHMARKS=ON
	@cmake --build $(BUILD) --target programs benchmarks
	@python3 tools/run_benchmarks.py --build $(BUILD) $(if $(PARTS),--parts $(PARTS)) $(if $(QUICK),--quick --results $(BUILD)/bench-results)

test-sanitize: setup-all
	@cmake --preset asan && cmake --build build/asan && ctest --preset asan -j $(CORES) --no-tests=error
	@cmake --preset tsan && cmake --build build/tsan && ctest --preset tsan -j $(CORES) --no-tests=error

fuzz: build
	@cmake --preset fuzz $(if $(FUZZ_CXX),-DCMAKE_CXX_COMPILER=$(FUZZ_CXX))
	@cmake --build build/fuzz --target fuzzers
	@python3 tests/fuzz/run.py --build build/fuzz --jetcal $(JETCAL) --minutes $(or $(MINUTES),10)

clean:
	@rm -rf build demo
