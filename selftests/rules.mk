# Selftests. Everything here builds with `make`; `make test` runs it.

# ---- packet tables ------------------------------------------------------
ST_BPF_SKEL := $(patsubst %.bpf.c,$(O)/%.skel.h,$(wildcard selftests/bpf/*.bpf.c))
$(O)/selftests/%.bpf.o: selftests/%.bpf.c bpf/rules.mk
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/selftests/%.skel.h: $(O)/selftests/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name mz_$(notdir $*) > $@
-include $(ST_BPF_SKEL:.skel.h=.bpf.d)

# Functions as an operator would build them.
ST_FUNCTIONS := $(patsubst %.bpf.c,$(O)/%.bpf.o,$(wildcard selftests/bpf/functions/*.bpf.c))
ALL += $(ST_FUNCTIONS)
$(O)/selftests/bpf/packet_test: | $(ST_FUNCTIONS)
-include $(ST_FUNCTIONS:.o=.d)

ST_BPF_OBJ := $(patsubst %.c,$(O)/%.o,$(filter-out %.bpf.c %_test.c,$(wildcard selftests/bpf/*.c)))
$(ST_BPF_OBJ) $(O)/selftests/bpf/packet_test.o: | $(ST_BPF_SKEL)
$(O)/selftests/bpf/packet_test: $(O)/selftests/bpf/packet_test.o $(ST_BPF_OBJ) $(NATIVE_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $(LINKER) $^ -lcmocka -lbpf -lelf -lz -o $@
ALL += $(O)/selftests/bpf/packet_test

# What the verifier says of every program.
$(O)/selftests/bpf/verifier_test: $(O)/selftests/bpf/verifier_test.o | $(BPF_SKEL)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $(LINKER) $^ -lcmocka -lbpf -lelf -lz -o $@
ALL += $(O)/selftests/bpf/verifier_test

# A sender for topologies, and a device under test.
ST_TOPO_C := $(O)/selftests/topo/live_frames $(O)/selftests/topo/linerate_dut
$(O)/selftests/topo/live_frames.o: | $(O)/tools/linerate/generate.skel.h
$(O)/selftests/topo/linerate_dut.o: | $(O)/selftests/topo/linerate_dut.skel.h
$(ST_TOPO_C): %: %.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $(LINKER) $^ -lbpf -lelf -lz -o $@
ALL += $(ST_TOPO_C)

# ---- fuzz: libFuzzer over the native pipeline ----------------------------
FUZZ_SRC     := selftests/bpf/frame.c bpf/native.c bpf/target/native_maps.c
FUZZ_HEADERS := $(wildcard bpf/*/*.h selftests/fuzz/*.h) selftests/bpf/frame.h
FUZZ_FLAGS   := -O1 -g -std=gnu11 -I. $(NATIVE_CFLAGS)
FUZZERS      := $(patsubst %,$(O)/selftests/fuzz/%_fuzz,pipeline gateway group)
$(FUZZERS): $(O)/%: %.c $(FUZZ_SRC) $(FUZZ_HEADERS)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize=alignment \
		-fno-sanitize-recover=undefined $< $(FUZZ_SRC) -o $@
$(FUZZERS:%=%_seeds): $(O)/%_seeds: %.c $(FUZZ_SRC) $(FUZZ_HEADERS)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -DMZ_FUZZ_SEEDS $< $(FUZZ_SRC) -o $@
ALL += $(FUZZERS) $(FUZZERS:%=%_seeds)

# What transit-responder reads of tenants, without its sockets.
RFUZZ_SRC   := selftests/fuzz/responder_fuzz.cpp $(patsubst %,userspace/responder/%.cpp,dhcp4 dhcp6 dns dns_message finding metadata probe zone) \
	$(patsubst %,userspace/base/%.cpp,addr names result services)
RFUZZ_FLAGS := -O1 -g -std=c++20 -I.
RFUZZ_LIBS  := -lfmt $(LDNS_LIBS)
RFUZZ_DEPS  := $(RFUZZ_SRC) $(wildcard userspace/responder/*.h userspace/base/*.h bpf/abi/*.h) selftests/unit/responder_world.h
CLANGXX     := $(subst clang,clang++,$(CLANG))
$(O)/selftests/fuzz/responder_fuzz: $(RFUZZ_DEPS)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANGXX) $(RFUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		$(RFUZZ_SRC) $(RFUZZ_LIBS) -o $@
$(O)/selftests/fuzz/responder_fuzz_seeds: $(RFUZZ_DEPS)
	$(call say,CXX,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANGXX) $(RFUZZ_FLAGS) -DMZ_FUZZ_SEEDS $(RFUZZ_SRC) $(RFUZZ_LIBS) -o $@
ALL += $(O)/selftests/fuzz/responder_fuzz $(O)/selftests/fuzz/responder_fuzz_seeds

# What operators write about policy.
PFUZZ_SRC   := selftests/fuzz/policy_fuzz.cpp $(filter-out %/message.cpp,$(wildcard userspace/policy/*.cpp)) \
	$(patsubst %,userspace/base/%.cpp,addr names result yaml) userspace/qos/level.cpp
PFUZZ_LIBS  := -lfmt $(shell pkg-config --libs yaml-cpp)
PFUZZ_DEPS  := $(PFUZZ_SRC) $(wildcard userspace/policy/*.h userspace/base/*.h userspace/qos/level.h bpf/abi/*.h)
$(O)/selftests/fuzz/policy_fuzz: $(PFUZZ_DEPS)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANGXX) $(RFUZZ_FLAGS) -Wno-deprecated-declarations -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		$(PFUZZ_SRC) $(PFUZZ_LIBS) -o $@
$(O)/selftests/fuzz/policy_fuzz_seeds: $(PFUZZ_DEPS)
	$(call say,CXX,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANGXX) $(RFUZZ_FLAGS) -Wno-deprecated-declarations -DMZ_FUZZ_SEEDS $(PFUZZ_SRC) $(PFUZZ_LIBS) -o $@
ALL += $(O)/selftests/fuzz/policy_fuzz $(O)/selftests/fuzz/policy_fuzz_seeds

# ---- unit: one GoogleTest program a file ------------------------
UNIT_TESTS := $(patsubst %.cpp,$(O)/%,$(wildcard selftests/unit/*_test.cpp))
$(O)/selftests/unit/%_test: $(O)/selftests/unit/%_test.o $(LIBS)
	$(call link,-lgtest -lgtest_main -lgmock $(LDNS_LIBS))
ALL += $(UNIT_TESTS)
# What operators write is read by the command line's own code.
$(O)/selftests/unit/qos_test: $(O)/tools/transit/qos_settings.o
# What transit-linerate does without an interface.
$(O)/selftests/unit/linerate_test $(O)/selftests/unit/linerate_count_test: $(patsubst %,$(O)/tools/linerate/%.o,frame generator search)
$(O)/selftests/unit/linerate_count_test.o: | $(LR_SKEL)
# The tests' own code: compiling it well takes longer than running it.
$(O)/selftests/unit/%.o: CXXFLAGS_ += -O0
# These run the command line itself.
$(O)/selftests/unit/cli_test $(O)/selftests/unit/cli_kernel_test: | $(O)/bin/transit
$(O)/selftests/unit/responder_test: | $(O)/bin/transit-responder

# ---- policy: the programs beside an oracle --------------------------------
$(O)/selftests/policy/differential_test: $(patsubst %.cpp,$(O)/%.o,$(wildcard selftests/policy/*.cpp)) $(LIBS)
	$(call link,-lgtest -lgtest_main $(LDNS_LIBS))
ALL += $(O)/selftests/policy/differential_test

# ---- topo: programs of its scripts ------------------------------------------
TOPO_PROGRAMS := $(patsubst %.cpp,$(O)/%,$(wildcard selftests/topo/*.cpp))
$(TOPO_PROGRAMS): %: %.o $(LIBS)
	$(call link)
ALL += $(TOPO_PROGRAMS)

# ---- running them -------------------------------------------------------
# Unit tests and packet tables are programs, topology tests are scripts.
TEST_PROGRAMS = $(UNIT_TESTS) $(O)/selftests/bpf/packet_test $(O)/selftests/bpf/verifier_test \
	$(O)/selftests/policy/differential_test
TEST_SCRIPTS  = $(filter-out selftests/vm/%,$(wildcard selftests/*/*_test.sh))
# Some of them once more on other kernels. Not both at the same time: emulation takes a CPU.
VM_SHORT      = kernel/vm/linux6.1_test.sh kernel/vm/linux6.12_test.sh

.PHONY: check test
check: all ## run the tests (root); needs the packages of `make deps`
	$(Q)BIN=$(abspath $(O))/bin O=$(abspath $(O)) selftests/run_tests $(O)/test-logs \
		$(word 1,$(VM_SHORT)) $(TEST_PROGRAMS) $(word 2,$(VM_SHORT)) $(TEST_SCRIPTS)

test: ## install what is missing, build, run every test, end with a summary line
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)$(MAKE) --no-print-directory check
