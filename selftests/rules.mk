# Selftests. Everything here builds with `make`; `make test` runs it.

# ---- packet tables ------------------------------------------------------
ST_BPF_SKEL := $(patsubst %.bpf.c,$(O)/%.skel.h,$(wildcard selftests/bpf/*.bpf.c))
$(O)/selftests/bpf/%.bpf.o: selftests/bpf/%.bpf.c bpf/rules.mk
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/selftests/bpf/%.skel.h: $(O)/selftests/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name mz_$* > $@
-include $(ST_BPF_SKEL:.skel.h=.bpf.d)

ST_BPF_OBJ := $(patsubst %.c,$(O)/%.o,$(filter-out %.bpf.c %_test.c,$(wildcard selftests/bpf/*.c)))
$(ST_BPF_OBJ) $(O)/selftests/bpf/packet_test.o: | $(ST_BPF_SKEL)
$(O)/selftests/bpf/packet_test: $(O)/selftests/bpf/packet_test.o $(ST_BPF_OBJ) $(NATIVE_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $^ -lcmocka -lbpf -lelf -lz -o $@
ALL += $(O)/selftests/bpf/packet_test

# ---- unit: one GoogleTest program a file ------------------------
UNIT_TESTS := $(patsubst %.cpp,$(O)/%,$(wildcard selftests/unit/*_test.cpp))
$(O)/selftests/unit/%_test: $(O)/selftests/unit/%_test.o $(LIBS)
	$(call link,-lgtest -lgtest_main -lgmock)
ALL += $(UNIT_TESTS)
