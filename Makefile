# Centaurus: every entry point of the project. `make help` lists them.
#
# Options: O=DIR    build tree (default: build)
#          V=1      show commands
#          SAN=address,undefined   sanitizers for user space (use its own O=)
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL     := /bin/bash

O       ?= build
V       ?= 0
SAN     ?=
KEEP    ?=
PREFIX  ?= /usr/local
DESTDIR ?=

VERSION := $(shell cat VERSION)
CLANG   ?= clang-19
LLVM_STRIP ?= $(subst clang,llvm-strip,$(CLANG))
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
CXX     := g++
CC      := gcc
AR      := ar

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' '$(1)' '$(2)')

.PHONY: all
all: ## build everything (programs, libraries, daemons, tests)

include bpf/rules.mk
include userspace/rules.mk
include control/rules.mk
include tools/rules.mk
include selftests/rules.mk
include perf/rules.mk
include kernel/rules.mk

all: $(ALL)

.PHONY: deps
deps: ## install the Debian packages of debian-packages that are missing (root)
	$(Q)tools/dev/install-deps debian-packages

.PHONY: clean
clean: ## remove the build tree
	$(Q)rm -rf $(O)

.PHONY: help
help: ## this list
	@echo 'Centaurus $(VERSION)'
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.SECONDARY:
