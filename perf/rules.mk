# Benchmarks. `make` builds the programs; `make bench` measures.
PERF_OBJ  := $(O)/perf/bench_sockets.bpf.o # loaded by bpftool, in no program
PERF_SKEL := $(patsubst %.bpf.c,$(O)/%.skel.h,$(filter-out $(PERF_OBJ:$(O)/%.o=%.c),$(wildcard perf/*.bpf.c)))
ALL += $(PERF_OBJ)
$(O)/perf/%.bpf.o: perf/%.bpf.c bpf/rules.mk
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/perf/%.skel.h: $(O)/perf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name mz_$* > $@
-include $(PERF_SKEL:.skel.h=.bpf.d) $(PERF_OBJ:.o=.d)

PERF_C := $(O)/perf/micro $(O)/perf/live $(O)/perf/stages $(O)/perf/curve
# By the native target: no kernel, and no libbpf.
$(O)/perf/paths.o: CFLAGS_ += $(NATIVE_CFLAGS)
$(O)/perf/paths: %: %.o $(O)/perf/fill.o $(O)/selftests/bpf/frame.o $(NATIVE_LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $^ -o $@
ALL += $(O)/perf/paths
PERF_PLAIN := $(O)/perf/connect $(O)/perf/soak $(O)/perf/programs
$(PERF_C:=.o): | $(PERF_SKEL) $(LR_SKEL)
$(O)/perf/micro $(O)/perf/stages $(O)/perf/curve: $(O)/perf/fill.o $(O)/perf/timed.o
$(PERF_C): %: %.o $(O)/selftests/bpf/frame.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $^ -lbpf -lelf -lz -o $@
$(PERF_PLAIN): %: %.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $^ -lbpf -lelf -lz -o $@
PERF_CPP := $(addprefix $(O)/perf/,attach goal policy_compile rpc set_labels)
$(PERF_CPP): %: %.o $(LIBS)
	$(call link)
ALL += $(PERF_C) $(PERF_PLAIN) $(PERF_CPP)

.PHONY: bench
bench: ## install what is missing, build, measure: build/bench/results.json (root)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BIN=$(abspath $(O))/bin PERF=$(abspath $(O))/perf perf/bench $(O)/bench

.PHONY: profile
profile: all ## where the time goes: ns by stage, instructions by file, sizes: build/profile/ (root)
	$(Q)PERF=$(abspath $(O))/perf python3 perf/profile.py $(O)/profile

.PHONY: curve
curve: all ## what a packet takes as tables grow to a million entries, bytes of each: build/curve/ (root)
	$(Q)CPU=$${CPU:-$$(($$(nproc) - 1))} BIN=$(abspath $(O))/bin PERF=$(abspath $(O))/perf TOPO_RUN=none python3 perf/curve.py $(O)/curve

.PHONY: bench-compare
bench-compare: ## A=COMMIT B=COMMIT [ROWS="1 8"]: what changed between two commits, and what is noise (root)
	$(Q)test -n "$(A)" -a -n "$(B)" || { echo 'bench-compare: say A=COMMIT B=COMMIT' >&2; exit 2; }
	$(Q)mkdir -p $(O)/compare
	$(Q)python3 perf/compare.py $(O)/compare $(A) $(B)
