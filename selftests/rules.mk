# Tests. make test runs what is built here (selftests/run_tests).

# ---- unit: one GoogleTest program a file, no root ------------------------
UNIT_TESTS := $(patsubst %.cpp,$(O)/%,$(wildcard selftests/unit/*_test.cpp))
$(O)/selftests/unit/%_test: $(O)/selftests/unit/%_test.o $(LIBS)
	$(call link,-lgtest -lgtest_main -lgmock)
ALL += $(UNIT_TESTS)
# These run the command line itself.
$(O)/selftests/unit/cli_test $(O)/selftests/unit/cli_kernel_test: | $(O)/bin/transit
