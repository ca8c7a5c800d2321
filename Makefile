# upstream_errors: a PostgreSQL extension and the sidecar proxy that shares its core.
#
#   make                  build both          make installcheck   SQL, isolation, TAP
#   make SIDECAR=no       extension only      make unit fuzz lint  the C core on its own

EXTENSION   = upstream_errors
MODULE_big  = upstream_errors
PGFILEDESC  = "upstream_errors - the life of an upstream API failure, in SQL"

CORE_OBJS   = $(patsubst %.c,%.o,$(sort $(wildcard extension/core/*.c)))
OBJS        = $(patsubst %.c,%.o,$(sort $(wildcard extension/*.c))) $(CORE_OBJS)
DATA        = $(sort $(wildcard extension/$(EXTENSION)--*--*.sql))
DATA_built  = extension/$(EXTENSION)--1.0.sql
PG_CPPFLAGS = -I$(srcdir)/extension
SHLIB_LINK  = -lpcre2-8
PG_CFLAGS   = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers

# Every pair sql/NAME.sql, expected/NAME.out is a test; each runs in a private server.
REGRESS        = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS   = --temp-instance=tmp_check --load-extension=$(EXTENSION) --encoding=UTF8
ISOLATION      = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --temp-instance=tmp_check_iso --inputdir=test/isolation --outputdir=output_iso --load-extension=$(EXTENSION) --encoding=UTF8
TAP_TESTS      = 1
PROVE_TESTS   ?= test/t/*.pl
PROVE_FLAGS   += -I test/perl
EXTRA_CLEAN    = build output_iso tmp_check_iso

# No LLVM bitcode: nothing in these functions is worth inlining into a query.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The install script in parts, in the order of their numbers.
INSTALL_PARTS = $(sort $(wildcard extension/install/*.sql))
extension/$(EXTENSION)--1.0.sql: $(INSTALL_PARTS)
	{ echo '/* $@: made of extension/install/ */'; for part in $^; do echo; cat $$part; done; } >$@.tmp
	mv $@.tmp $@

# The core must not see a PostgreSQL header, nor be seen by the backend's linker.
$(CORE_OBJS): override CPPFLAGS := -I$(srcdir)/extension
$(CORE_OBJS): override CFLAGS += -fvisibility=hidden

# A header has changed: PGXS tracks none of them by itself.
$(OBJS): $(wildcard extension/*.h extension/core/*.h)

ifneq ($(SIDECAR),no)
all: sidecar
install: install-sidecar
endif

.PHONY: sidecar install-sidecar unit fuzz bench lint format
sidecar:
	$(MAKE) -f sidecar/Makefile
install-sidecar: sidecar
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) build/upstream-errors-sidecar '$(DESTDIR)$(bindir)/'
unit fuzz bench upstream:
	$(MAKE) -f test/Makefile $@
lint: $(shlib)
	.ci/lint $<
format:
	clang-format -i extension/*.[ch] extension/core/*.[ch] sidecar/*.[ch] test/unit/*.[ch] test/fuzz/*.c test/upstream/*.[ch]
