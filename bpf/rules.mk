# The data plane: bpf/*.bpf.c -> $(O)/bpf/*.bpf.o -> $(O)/bpf/*.skel.h
MULTIARCH   := $(shell $(CC) -print-multiarch)
BPF_SRC     := $(wildcard bpf/*.bpf.c)
BPF_OBJ     := $(BPF_SRC:%.bpf.c=$(O)/%.bpf.o)
BPF_SKEL    := $(BPF_SRC:%.bpf.c=$(O)/%.skel.h)
BPF_CFLAGS  := -O2 -fno-strict-aliasing -Wno-address-of-packed-member -g -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Wshadow \
	-Wimplicit-int-conversion -Werror -I. -isystem /usr/include/$(MULTIARCH)

ALL += $(BPF_SKEL)

$(O)/bpf/%.bpf.o: bpf/%.bpf.c bpf/rules.mk
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

# The skeleton's functions are named mz_<file>__*. It becomes part of programs: without DWARF, which
# is for people; types and lines for the kernel are in .BTF and .BTF.ext.
$(O)/bpf/%.skel.h: $(O)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(LLVM_STRIP) -g -o $(@:.skel.h=.stripped.o) $<
	$(Q)$(BPFTOOL) gen skeleton $(@:.skel.h=.stripped.o) name mz_$* > $@

-include $(BPF_OBJ:.o=.d)

# Worked functions, as an operator would build them: against the header alone.
FUNCTION_HEADER := $(O)/include/mizar/function.h
$(FUNCTION_HEADER): bpf/abi/function.h
	$(Q)install -D -m 644 $< $@
FUNCTION_OBJ := $(patsubst %.bpf.c,$(O)/%.bpf.o,$(wildcard bpf/functions/*.bpf.c))
$(O)/bpf/functions/%.bpf.o: bpf/functions/%.bpf.c bpf/rules.mk $(FUNCTION_HEADER)
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(filter-out -I.,$(BPF_CFLAGS)) -I$(O)/include -MMD -MP -MF $(@:.o=.d) -c $< -o $@
ALL += $(FUNCTION_OBJ)
-include $(FUNCTION_OBJ:.o=.d)

# The same stages as a native library.
NATIVE_OBJ    := $(O)/bpf/native.o $(O)/bpf/target/native_maps.o
NATIVE_LIB    := $(O)/lib/pipeline.a
NATIVE_CFLAGS := -fno-strict-aliasing -Wno-address-of-packed-member -fno-sanitize=alignment
$(NATIVE_OBJ): CFLAGS_ += $(NATIVE_CFLAGS)
$(NATIVE_LIB): $(NATIVE_OBJ)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
ALL += $(NATIVE_LIB)
