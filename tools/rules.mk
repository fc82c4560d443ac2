# Command lines, and putting the project on a host.
TRANSIT_OBJ := $(patsubst %.cpp,$(O)/%.o,$(wildcard tools/transit/*.cpp))
$(O)/bin/transit: $(TRANSIT_OBJ) $(LIBS)
	$(call link,-lprometheus-cpp-pull -lprometheus-cpp-core)
ALL += $(O)/bin/transit

# Line rates of interfaces. Some of it is shared with perf/ and selftests/.
LR_SKEL := $(patsubst %.bpf.c,$(O)/%.skel.h,$(wildcard tools/linerate/*.bpf.c))
$(O)/tools/linerate/%.bpf.o: tools/linerate/%.bpf.c bpf/rules.mk
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/tools/linerate/%.skel.h: $(O)/tools/linerate/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name mz_lr_$* > $@
-include $(LR_SKEL:.skel.h=.bpf.d)

LR_OBJ := $(patsubst %.cpp,$(O)/%.o,$(wildcard tools/linerate/*.cpp))
$(LR_OBJ): | $(LR_SKEL)
$(O)/bin/transit-linerate: $(LR_OBJ) $(O)/tools/transit/output.o $(O)/tools/transit/program.o $(LIBS)
	$(call link,$(shell pkg-config --libs libxdp))
ALL += $(O)/bin/transit-linerate

.PHONY: install
install: all ## put daemon, command line, man pages and service file under PREFIX (DESTDIR)
	$(Q)install -D -m 755 $(O)/bin/transitd $(DESTDIR)$(PREFIX)/sbin/transitd
	$(Q)install -D -m 755 $(O)/bin/transit-responder $(DESTDIR)$(PREFIX)/sbin/transit-responder
	$(Q)install -D -m 755 $(O)/bin/transit $(DESTDIR)$(PREFIX)/bin/transit
	$(Q)install -D -m 755 $(O)/bin/transit-linerate $(DESTDIR)$(PREFIX)/sbin/transit-linerate
	$(Q)install -D -m 755 $(O)/bin/transit-function-dns $(DESTDIR)$(PREFIX)/sbin/transit-function-dns
	$(Q)install -D -m 644 bpf/abi/function.h $(DESTDIR)$(PREFIX)/include/mizar/function.h
	$(Q)install -d $(DESTDIR)$(PREFIX)/lib/mizar/functions
	$(Q)install -m 644 $(FUNCTION_OBJ) $(DESTDIR)$(PREFIX)/lib/mizar/functions
	$(Q)install -d $(DESTDIR)$(PREFIX)/share/doc/mizar/functions
	$(Q)install -m 644 bpf/functions/*.bpf.c $(DESTDIR)$(PREFIX)/share/doc/mizar/functions
	$(Q)install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(Q)$(O)/bin/transit man $(DESTDIR)$(PREFIX)/share/man/man1
	$(Q)install -D -m 644 userspace/responder/transit-responder.8 $(DESTDIR)$(PREFIX)/share/man/man8/transit-responder.8
	$(Q)install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(Q)$(O)/bin/transit completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/transit
	$(Q)sed 's|@PREFIX@|$(PREFIX)|' userspace/transitd/systemd/transitd.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/transitd.service
	$(Q)sed 's|@PREFIX@|$(PREFIX)|' tools/transit/transit-metrics.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/transit-metrics.service
	$(Q)[ -e $(DESTDIR)/etc/transitd.conf ] || \
		install -D -m 644 userspace/transitd/systemd/transitd.conf $(DESTDIR)/etc/transitd.conf
	$(Q)install -D -m 644 userspace/responder/systemd/mizar-services.service \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/mizar-services.service
	$(Q)sed 's|@PREFIX@|$(PREFIX)|' userspace/responder/systemd/transit-responder.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/transit-responder.service
	$(Q)[ -e $(DESTDIR)/etc/transit-responder.conf ] || \
		install -D -m 644 userspace/responder/systemd/transit-responder.conf $(DESTDIR)/etc/transit-responder.conf
	$(Q)install -D -m 644 userspace/responder/systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/transit.conf
	@echo 'installed under $(DESTDIR)$(PREFIX); next: systemd-sysusers; systemctl enable --now mizar-services transitd transit-responder'

.PHONY: docs
docs: ## make the reference in docs/reference from the code
	$(Q)awk -f tools/dev/reasons.awk bpf/abi/reasons.h > docs/reference/reasons.md

.PHONY: demo demo-down
demo: ## two tenants on several hosts, under traffic (KEEP=1 leaves it up; SCENARIO=)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)BIN=$(O)/bin KEEP=$(KEEP) tools/demo/demo.sh up $(SCENARIO)
demo-down: ## remove every trace of demos that were left up
	$(Q)BIN=$(O)/bin tools/demo/demo.sh down
