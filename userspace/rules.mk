# User space: the libraries of userspace/, transitd, and the rules every C++
# folder of the tree shares.
CXXFLAGS  ?= -O2 -g
SANFLAGS  := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
CPPFLAGS_ := -I. -I$(O) -DMZ_VERSION='"$(VERSION)"'
CXXFLAGS_ := -std=c++20 -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Werror \
	$(CXXFLAGS) $(SANFLAGS)
CFLAGS_   := -std=gnu11 -Wall -Wextra -Wshadow -Wno-missing-field-initializers -Werror $(CXXFLAGS) $(SANFLAGS)

PKGS      := libbpf libnl-3.0 libnl-route-3.0 grpc++ protobuf lmdb yaml-cpp \
	fmt spdlog libcap
# Four times as fast as the usual one, and there are some sixty programs.
LINKER    := -fuse-ld=lld
# System headers: third-party warnings are not ours to fix.
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) | sed 's/-I/-isystem /g')
PKG_LIBS   := $(shell pkg-config --libs $(PKGS)) -lelf -lz -lpthread

# ---- generated protocol code -------------------------------------------
PROTOS    := $(wildcard userspace/proto/*.proto control/proto/*.proto)
PROTO_CC  := $(PROTOS:%.proto=$(O)/%.pb.cc)
GRPC_CC   := $(O)/userspace/proto/transit.grpc.pb.cc
PROTO_OBJ := $(PROTO_CC:.cc=.o) $(GRPC_CC:.cc=.o)
PROTO_H   := $(PROTO_CC:.cc=.h) $(GRPC_CC:.cc=.h)

$(O)/%.pb.cc $(O)/%.pb.h: %.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(O)
	$(Q)protoc -I. --cpp_out=$(O) $<
$(O)/%.grpc.pb.cc $(O)/%.grpc.pb.h: %.proto
	$(call say,GRPC,$<)
	$(Q)mkdir -p $(O)
	$(Q)protoc -I. --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin --grpc_out=$(O) $<
$(PROTO_OBJ): CXXFLAGS_ := -std=c++20 -O1 $(SANFLAGS)

# ---- libraries: one archive a folder ------------------------------------
# Order matters to the linker: a library stands before what it uses.
LIB_DIRS := userspace/functions userspace/responder userspace/xsk userspace/transitd userspace/dataplane userspace/net userspace/policy userspace/qos userspace/base control/model
lib_of    = $(O)/lib/$(subst /,-,$(1)).a
srcs_of   = $(filter-out %_main.cpp,$(wildcard $(1)/*.cpp))
define lib_rule
$(call lib_of,$(1)): $$(patsubst %.cpp,$$(O)/%.o,$$(call srcs_of,$(1)))
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach d,$(LIB_DIRS),$(eval $(call lib_rule,$(d))))
$(O)/lib/proto.a: $(PROTO_OBJ) $(patsubst %.cpp,$(O)/%.o,$(wildcard userspace/proto/*.cpp))
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
LIBS := $(foreach d,$(LIB_DIRS),$(call lib_of,$(d))) $(O)/lib/proto.a

# ---- objects --------------------------------------------------------------
# Generated headers exist before any object of ours is compiled.
$(O)/%.o: %.cpp | $(PROTO_H) $(BPF_SKEL)
	$(call say,CXX,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS_) $(CXXFLAGS_) $(PKG_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/%.o: $(O)/%.cc | $(PROTO_H)
	$(call say,CXX,$@)
	$(Q)$(CXX) $(CPPFLAGS_) $(CXXFLAGS_) $(PKG_CFLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@
$(O)/%.o: %.c | $(BPF_SKEL)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_) $(CFLAGS_) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

# link,SOURCES-OBJECTS: a program from objects and every library
define link
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS_) $(LINKER) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS) $(1) -o $@
endef

# ---- transitd -----------------------------------------------------------
$(O)/bin/transitd: $(O)/userspace/transitd/transitd_main.o $(LIBS)
	$(call link)
ifneq ($(wildcard userspace/transitd/transitd_main.cpp),)
ALL += $(O)/bin/transitd
endif

# ---- transit-responder --------------------------------------------------
# The only one that speaks DNS.
LDNS_LIBS := $(shell pkg-config --libs ldns)
$(O)/bin/transit-responder: $(O)/userspace/responder/responder_main.o $(LIBS)
	$(call link,$(LDNS_LIBS))
ALL += $(O)/bin/transit-responder

# ---- transit-function-dns: a function in user space ---------------------------
$(O)/bin/transit-function-dns: $(O)/userspace/functions/dns_main.o $(LIBS)
	$(call link,$(LDNS_LIBS))
ALL += $(O)/bin/transit-function-dns

-include $(shell [ -d $(O) ] && find $(O) -name '*.d' -not -name '*.bpf.d')
