# Other kernels: Debian's, under emulation, with the built tree and this machine's files.
KERNELS := 6.1 6.12
KERNEL  ?= all
VM_TESTS ?= $(TEST_PROGRAMS) $(TEST_SCRIPTS) $(wildcard selftests/vm/*_test.sh)

.PHONY: vm-test
vm-test: ## boot KERNEL=6.1|6.12|all under emulation and run VM_TESTS there, default: all tests (root)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)kernel/vm/test $(abspath $(O)) $(if $(filter all,$(KERNEL)),$(KERNELS),$(KERNEL)) -- $(VM_TESTS)

.PHONY: vm-check
vm-check: all ## what `make test` runs on other kernels: a few tests, and those of selftests/vm (root)
	$(Q)O=$(abspath $(O)) selftests/run_tests $(O)/test-logs $(VM_SHORT)
