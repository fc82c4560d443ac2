# Command lines.
TRANSIT_OBJ := $(patsubst %.cpp,$(O)/%.o,$(wildcard tools/transit/*.cpp))
$(O)/bin/transit: $(TRANSIT_OBJ) $(LIBS)
	$(call link)
ifneq ($(wildcard tools/transit/transit_main.cpp),)
ALL += $(O)/bin/transit
endif
