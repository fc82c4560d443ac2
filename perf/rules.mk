# Benchmarks. `make` builds the programs; `make bench` measures.
PERF_SKEL := $(patsubst %.bpf.c,$(O)/%.skel.h,$(wildcard perf/*.bpf.c))
$(O)/perf/%.bpf.o: perf/%.bpf.c bpf/rules.mk
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/perf/%.skel.h: $(O)/perf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name mz_$* > $@
-include $(PERF_SKEL:.skel.h=.bpf.d)

PERF_C := $(O)/perf/micro $(O)/perf/live
$(PERF_C:=.o): | $(PERF_SKEL)
$(PERF_C): %: %.o $(O)/selftests/bpf/frame.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $^ -lbpf -lelf -lz -o $@
$(O)/perf/connect: $(O)/perf/connect.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_) $^ -o $@
$(O)/perf/attach $(O)/perf/policy_compile $(O)/perf/set_labels: %: %.o $(LIBS)
	$(call link)
ALL += $(PERF_C) $(O)/perf/connect $(O)/perf/attach $(O)/perf/policy_compile $(O)/perf/set_labels

.PHONY: bench
bench: ## install what is missing, build, measure: build/bench/results.json (root)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BIN=$(abspath $(O))/bin PERF=$(abspath $(O))/perf perf/bench $(O)/bench
