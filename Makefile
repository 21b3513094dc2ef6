# The front door of culver. `make help` lists what there is.

SWIFT   ?= swift
PYTHON  ?= python3
PREFIX  ?= /usr/local
SYSCONF ?= /etc
DESTDIR ?=
BUILT   ?= .build/release
ROUNDS  ?= 30
MINUTES ?= 30
SEED    ?=
KIND    ?= nats rabbitmq
AGENTS  ?= 200
BROKER  ?= nats@sid
BOARD   ?= trixie
KEY     ?=
URL     ?= file:/srv/culver

# The build that `make bench` measures this one beside: the last before batches.
BASE    ?= f028aaf6b135b1ea093e7beff51673354f816432
BASE_AT  = .build/bench-base/$(BASE)

# Debian packages: to build, to try, to test.
BUILD_PACKAGES = libmbedtls-dev libmosquitto-dev libjansson-dev libsqlite3-dev libinih-dev binutils g++
DEMO_PACKAGES  = $(BUILD_PACKAGES) mosquitto python3
TEST_PACKAGES  = $(DEMO_PACKAGES) python3-venv openssl socat mosquitto-clients libnss-wrapper mount gcc libc6-dev systemd valgrind \
	mandoc man-db zsh fish tmux iproute2 mypy python3-setuptools python3-wheel \
	$(BROKERS) $(WATCHERS)
BROKERS        = rabbitmq-server nats-server ejabberd
WATCHERS       = prometheus prometheus-node-exporter
BENCH_PACKAGES = $(DEMO_PACKAGES) git openssl mosquitto-clients debhelper dh-python lintian valgrind
BOARD_PACKAGES = $(TEST_PACKAGES) $(DEB_PACKAGES) $(ARM_PACKAGES) $(REPO_PACKAGES) mmdebstrap
DEB_PACKAGES   = python3 debhelper dh-python lintian
REPO_PACKAGES  = python3 apt-utils gpg gpg-agent gpgv
ARM_PACKAGES   = binutils-aarch64-linux-gnu binutils-arm-linux-gnueabihf qemu-user-static

# Python environments: a stock DIMP stack in each, and a broker.
PEERS = 2.5 2.4 2.2 1.0 0.4 amqtt

# A program to be installed carries the Swift runtime, and neither symbols nor what only a stack trace would need. Its
# relocations are packed: glibc 2.36 or newer reads them.
SMALL = -c release --static-swift-stdlib -Xlinker --no-eh-frame-hdr -Xlinker -T -Xlinker "$(CURDIR)/cross/program.ld" \
	-Xlinker -z -Xlinker pack-relative-relocs -Xlinker --exclude-libs=ALL -Xlinker --no-export-dynamic -Xlinker -s

# The release build's linker is the one of the Swift toolchain: it folds like code.
RELEASE = $(SMALL) -Xswiftc -use-ld=lld -Xlinker --icf=all

# For a board: another compiler and linker, see cross/README.md.
CROSS = $(SMALL) --swift-sdk $(if $(filter armhf,$(BOARD)),armhf-trixie,aarch64-$(BOARD)) --scratch-path .build/cross-$(BOARD)

# Where systemd looks for units, and for users and directories, which it does not below /usr/local.
UNITS  = $(PREFIX)/lib/systemd/system
SYSTEM = $(if $(filter /usr,$(PREFIX)),/usr/lib,$(SYSCONF))

# Where Debian's Python looks for modules.
MODULES = $(PREFIX)/lib/python$(if $(filter /usr,$(PREFIX)),3,$(shell $(PYTHON) -c \
	'import sys; print("%d.%d" % sys.version_info[:2])'))/dist-packages

# Installs those of the packages that are lacking, and says so. Only Debian and its children are known.
need = @sh Tests/live/need $(1)

.PHONY: cross deb repo build demo test test-boards test-boards-all test-broker faults clusters fleet soak bench man format \
	install clean help deps deps-build deps-demo deps-boards deps-bench

build: deps-build                     ## release build: .build/release/culverd and .build/release/culver (default)
	$(SWIFT) build $(RELEASE) --product culverd
	$(SWIFT) build $(RELEASE) --product culver
	@ls -l .build/release/culverd .build/release/culver

demo: deps-demo                       ## two agents and a private broker: one message, from here to its verified receipt
	$(SWIFT) build --product culverd
	$(SWIFT) build --product culver
	@$(PYTHON) Tests/live/demo

test: deps $(PEERS:%=.build/python-%/made)  ## every test, with real brokers and real DIMP peers
	@SWIFT="$(SWIFT)" $(PYTHON) Tests/run

test-boards: deps-boards .build/python-2.4/made  ## packages for the boards and for this machine, and the tests of both, under qemu and as root
	@SWIFT="$(SWIFT)" $(PYTHON) Tests/run --boards

test-boards-all: deps-boards .build/python-2.4/made  ## the same, with what takes too long for every change
	@SWIFT="$(SWIFT)" $(PYTHON) Tests/run --boards --all

faults: deps-demo build               ## kill -9 for two agents and a broker, ROUNDS=30 times over: nothing lost, nothing twice
	@$(PYTHON) Tests/live/faults.py --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

clusters: deps build .build/python-2.4/made  ## kill -9 and cut cables for clusters of three, KIND="nats rabbitmq", ROUNDS=30 times over: nothing lost, nothing twice
	@for kind in $(KIND); do .build/python-2.4/bin/python Tests/live/clusters.py --kind $$kind --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) || exit; done

fleet: deps build .build/python-2.4/made  ## 20 and AGENTS=200 agents come back at once, at mosquitto and at a cluster: time, messages and bytes of each
	@.build/python-2.4/bin/python Tests/live/storm.py --agents $(AGENTS)

test-broker: deps .build/python-2.4/made  ## the conversation of the tests on a broker of another release: BROKER="nats@sid mosquitto@forky"
	$(SWIFT) build --product culverd
	$(SWIFT) build --product culver
	@.build/python-2.4/bin/python Tests/live/broker.py $(BROKER)

soak: deps-demo build                 ## two boards talk for MINUTES=30, their broker dies each minute: nothing lost, nothing twice
	@$(PYTHON) Tests/live/soak.py --minutes $(MINUTES)

bench: deps-bench build $(BASE_AT)/made  ## print the figures beside an earlier build's: speed, memory, size, and what 100 000 messages cost (25 minutes)
	$(SWIFT) build $(RELEASE) --product Bench
	@.build/release/Bench
	@$(PYTHON) Tests/live/bench.py --base $(BASE_AT)/.build/release
	@$(PYTHON) Tests/live/scale.py --base $(BASE_AT)/.build/release

# Built once, by its own Makefile. In a clone without that commit the figures stand alone.
$(BASE_AT)/made:
	@rm -rf "$(@D)" && mkdir -p "$(@D)"
	@if git cat-file -e $(BASE) 2>/dev/null; then \
	    git archive $(BASE) | tar -x -C "$(@D)" && $(MAKE) -C "$(@D)" build && touch "$@"; \
	else echo "commit $(BASE) is not in this clone: there will be no figures of that build"; fi

cross:                                ## for a board, BOARD=trixie, bookworm, forky (64 bits) or armhf: .build/cross-BOARD/release/culverd and culver
	$(call need,python3 binutils xz-utils)
	@sdks=$$($(PYTHON) cross/setup $(BOARD)) && export BOARD=$(BOARD) && \
	    $(SWIFT) build $(CROSS) --swift-sdks-path "$$sdks" --product culverd && \
	    $(SWIFT) build $(CROSS) --swift-sdks-path "$$sdks" --product culver
	@ls -l .build/cross-$(BOARD)/release/culverd .build/cross-$(BOARD)/release/culver

deb: $(if $(filter native,$(BOARD)),build,cross)  ## Debian packages in .build/deb, BOARD=trixie, bookworm, forky (arm64), armhf, or native: this machine's own release
	$(call need,$(DEB_PACKAGES) $(if $(filter native,$(BOARD)),,$(ARM_PACKAGES)))
	@$(PYTHON) cross/package $(BOARD)

repo:                                 ## an apt repository of the packages in .build/deb, signed by gpg's KEY=…, to be found at URL=…: .build/repo
	$(call need,$(REPO_PACKAGES))
	@$(PYTHON) cross/repo --key "$(KEY)" --url "$(URL)"

man:                                  ## renew the verbs of culver(1) from the help texts of the tool
	$(SWIFT) build --product culver
	config/man/verbs .build/debug/culver

format:                               ## format the Swift sources in place
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests

install: build                        ## install programs, the package for Python, configuration and systemd units, below DESTDIR
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(UNITS)" "$(DESTDIR)$(SYSCONF)/culver/culver.conf.d"
	install -m 0755 $(BUILT)/culverd $(BUILT)/culver "$(DESTDIR)$(PREFIX)/bin"
	for page in culver.1 culver.conf.5 culver-protocol.7 culverd.8; do \
	    install -D -m 0644 config/man/$$page "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page"; done
	for file in clients/python/culver/*.py clients/python/culver/py.typed; do \
	    install -D -m 0644 $$file "$(DESTDIR)$(MODULES)/culver/$${file##*/}"; done
	install -d "$(DESTDIR)$(PREFIX)/share/bash-completion/completions" \
	    "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	umask 022; $(BUILT)/culver --generate-completion-script bash \
	    > "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/culver"
	umask 022; $(BUILT)/culver --generate-completion-script zsh > "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_culver"
	umask 022; $(BUILT)/culver --generate-completion-script fish \
	    > "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/culver.fish"
	@if [ ! -e "$(DESTDIR)$(SYSCONF)/culver/culver.conf" ]; then \
	    install -m 0644 config/culver.conf "$(DESTDIR)$(SYSCONF)/culver/culver.conf"; fi
	umask 022; sed 's|/usr/bin/culverd|$(PREFIX)/bin/culverd|' config/culver.service > "$(DESTDIR)$(UNITS)/culver.service"
	install -m 0644 config/culver.socket "$(DESTDIR)$(UNITS)/culver.socket"
	install -D -m 0644 config/culver.sysusers "$(DESTDIR)$(SYSTEM)/sysusers.d/culver.conf"
	install -D -m 0644 config/culver.tmpfiles "$(DESTDIR)$(SYSTEM)/tmpfiles.d/culver.conf"
	@[ -n "$(DESTDIR)" ] || echo "now: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload" \
	    "&& systemctl enable --now culver"

deps:                                 ## install the Debian packages that building and testing need
	$(call need,$(TEST_PACKAGES))

deps-build:
	$(call need,$(BUILD_PACKAGES))

deps-bench:
	$(call need,$(BENCH_PACKAGES))

deps-boards:
	$(call need,$(BOARD_PACKAGES))

deps-demo:
	$(call need,$(DEMO_PACKAGES))

clean:                                ## remove everything built, the Python environments included
	rm -rf .build

help:                                 ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /make \1	/p' Makefile | expand -t 24

# The stock DIMP stacks live in environments of their own, made again whenever their requirements change.
.build/python-%/made: Tests/live/peers/requirements-%.txt | deps
	rm -rf ".build/python-$*"
	$(PYTHON) -m venv ".build/python-$*"
	".build/python-$*/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$<"
	touch "$@"
