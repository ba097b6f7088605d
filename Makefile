# unitci: build, install, test. `make help` lists the targets.

# Where it is installed. Units, users and folders are found by systemd under /usr and /usr/local.
PREFIX  = /usr
DESTDIR =
# The folder of the built programs that `install` takes.
BUILT   = target/release
CARGO   = cargo
# rustup's Rust comes before Debian's, which is older than what we build with.
CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(CARGO_HOME)/bin:$(PATH)
# A recipe stops at its first error, in a loop too.
.SHELLFLAGS = -euc

bindir        = $(PREFIX)/bin
libexecdir    = $(PREFIX)/libexec/unitci
unitdir       = $(PREFIX)/lib/systemd/system
sysusersdir   = $(PREFIX)/lib/sysusers.d
tmpfilesdir   = $(PREFIX)/lib/tmpfiles.d
mandir        = $(PREFIX)/share/man
docdir        = $(PREFIX)/share/doc/unitci
bashdir       = $(PREFIX)/share/bash-completion/completions
zshdir        = $(PREFIX)/share/zsh/site-functions
fishdir       = $(PREFIX)/share/fish/vendor_completions.d
sysconfdir    = /etc/ci

# Run by units only, so not in anybody's PATH.
INTERNAL = ci-launch ci-worker
PROGRAMS = $(sort $(patsubst src/bin/%.rs,%,$(wildcard src/bin/*.rs)) $(patsubst src/bin/%/main.rs,%,$(wildcard src/bin/*/main.rs)))
COMMANDS = $(filter-out $(INTERNAL),$(PROGRAMS))
WORKINGS = $(filter $(INTERNAL),$(PROGRAMS))
UNITS    = $(notdir $(wildcard $(foreach kind,service socket path timer slice target,units/*.$(kind))))
PAGES    = $(notdir $(wildcard man/*.[1578]))
EXAMPLES = $(patsubst etc/%,%,$(shell find etc -type f 2>/dev/null))
DOCS     = $(wildcard README.md ARCHITECTURE.md SECURITY.md CHANGELOG.md LICENSE-* docs/*.md)
# Tests with `test = false`, which --all-targets leaves out.
BY_NAME  = $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs))

D = $(DESTDIR)
# The files name the usual places; elsewhere they are rewritten.
PLACE = sed -e 's|/usr/libexec/unitci|$(libexecdir)|g' -e 's|/usr/bin/ci-|$(bindir)/ci-|g'

all: ## build everything, optimized
	$(CARGO) build --release --locked

install: ## install what `make` built (PREFIX, DESTDIR); existing configuration stays as it is
	@test -n "$(PROGRAMS)" -a -x "$(BUILT)/$(firstword $(PROGRAMS))" || { echo "make: nothing built in $(BUILT): run 'make' first" >&2; exit 1; }
	install -d "$D$(bindir)" "$D$(libexecdir)" "$D$(unitdir)" "$D$(sysusersdir)" "$D$(tmpfilesdir)"
	for program in $(COMMANDS); do install -m 755 "$(BUILT)/$$program" "$D$(bindir)/"; done
	for program in $(WORKINGS); do install -m 755 "$(BUILT)/$$program" "$D$(libexecdir)/"; done
	for unit in $(UNITS); do $(PLACE) "units/$$unit" >"$D$(unitdir)/$$unit"; chmod 644 "$D$(unitdir)/$$unit"; done
	install -m 644 units/sysusers.d/unitci.conf "$D$(sysusersdir)/"
	install -m 644 units/tmpfiles.d/unitci.conf "$D$(tmpfilesdir)/"
	for page in $(PAGES); do install -D -m 644 "man/$$page" "$D$(mandir)/man$${page##*.}/$$page"; done
	for doc in $(DOCS); do install -D -m 644 "$$doc" "$D$(docdir)/$$doc"; done
	for file in $(EXAMPLES); do \
		test -e "$D$(sysconfdir)/$$file" || install -D -m 644 "etc/$$file" "$D$(sysconfdir)/$$file"; \
	done
	install -d "$D$(bashdir)" "$D$(zshdir)" "$D$(fishdir)"
	"$(BUILT)/ci-config" completions bash >"$D$(bashdir)/ci-build"
	for command in $(filter-out ci-build,$(COMMANDS)); do ln -sf ci-build "$D$(bashdir)/$$command"; done
	"$(BUILT)/ci-config" completions zsh >"$D$(zshdir)/_unitci"
	"$(BUILT)/ci-config" completions fish >"$D$(fishdir)/unitci.fish"
ifeq ($(DESTDIR),)
	systemd-sysusers unitci.conf
	systemd-tmpfiles --create unitci.conf
	if test -d /run/systemd/system; then systemctl daemon-reload; fi
endif

uninstall: ## remove what `install` installed; configuration and data stay
ifeq ($(DESTDIR),)
	if test -d /run/systemd/system; then systemctl disable --now $(filter-out %@.service %.slice,$(UNITS)); systemctl stop ci.slice; fi
endif
	rm -f $(foreach c,$(COMMANDS),"$D$(bindir)/$c" "$D$(bashdir)/$c")
	rm -f "$D$(zshdir)/_unitci" "$D$(fishdir)/unitci.fish"
	rm -rf "$D$(libexecdir)" "$D$(docdir)"
	rm -f $(foreach u,$(UNITS),"$D$(unitdir)/$u")
	rm -f "$D$(sysusersdir)/unitci.conf" "$D$(tmpfilesdir)/unitci.conf"
	for page in $(PAGES); do rm -f "$D$(mandir)/man$${page##*.}/$$page"; done
ifeq ($(DESTDIR),)
	if test -d /run/systemd/system; then systemctl daemon-reload; fi
endif
	@echo "Kept: $(sysconfdir) $(DATA) and the users; 'make purge' removes them. Deployed sites stay in any case."

DATA = /var/lib/ci /var/cache/ci /run/ci

purge: ## list configuration, data and users; SURE=yes removes them. Never a deployed site
	@tests/purge "$D" "$(SURE)" $(sysconfdir) $(DATA)

test: ## tests that need neither root nor network nor systemd
	$(CARGO) test --locked

lint: ## formatting, clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	for target in $(BY_NAME); do $(CARGO) clippy --locked --test $$target -- -D warnings; done

check: ## everything, on booted machines; as root; installs what is missing. SUITE=bookworm|trixie|all
	@tests/check

# The shell and cargo leave Ctrl-C to the demonstration, which takes its machine down.
demo: ## the whole way on a throw-away machine, as root; KEEP=1 leaves it up
	@tests/setup demo
	@built=$$(tests/release); $(CARGO) test --quiet --locked --test demo --no-run; \
		trap '' INT; UNITCI_BUILT=$$built $(CARGO) test --quiet --locked --test demo

bench: ## the promises that are ratios, on a booted machine, as root; ONLY="noop live" for some
	@tests/setup
	@built=$$(tests/release) && UNITCI_BUILT=$$built $(CARGO) test --quiet --locked --bench machine -- $(ONLY)

clean: ## remove what was built
	$(CARGO) clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: all install uninstall purge test lint check demo bench clean help
