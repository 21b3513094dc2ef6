#!/bin/bash
# Guess: with mosquitto 2.1's persist-sqlite plugin a message whose PUBACK has come, and a retained one, survive kill
# -9 of the broker. It is a good guess: the plugin writes each of them to an SQLite database in WAL mode at once
# instead of saving everything every half hour, and a committed transaction survives the death of its process even
# with `synchronous` OFF. At least `plugin_opt_sync full` or `extra` should do.
#
# The plugin keeps one transaction open and commits it when `plugin_opt_flush_period`, five seconds, is over. What was
# acknowledged since is rolled back, and `plugin_opt_sync` has no say in it. With a period of 0 everything is there.
#
# What an agent has to do: not to take PUBACK for "on the broker's disk"; send again until the receiver's own receipt
# is there, put retained messages back after reconnecting; `plugin_opt_flush_period 0` in advice about brokers.
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"

# An apt of our own for sid, with the mirror and the keys of this system's.
mirror=$(grep -rohE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list* 2>/dev/null | head -n 1)
mkdir -p apt/lists/partial apt/cache/archives/partial apt/etc/apt.conf.d apt/etc/preferences.d packages
touch apt/status
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >apt/etc/sources.list
cat >apt.conf <<END
Dir::State "$work/apt"; Dir::State::status "$work/apt/status"; Dir::Cache "$work/apt/cache"; Dir::Etc "$work/apt/etc";
APT::Sandbox::User "root"; Acquire::Languages "none"; Acquire::Check-Valid-Until "false";
END
export APT_CONFIG=$work/apt.conf
(apt-get update -qq && cd packages && apt-get download -qq mosquitto=2.1.2-3 mosquitto-clients=2.1.2-3 \
    libmosquitto1=2.1.2-3 libc6 libcjson1 libdlt3 libedit2 libmicrohttpd12t64 libpicohttpparser1 libsqlite3-0 \
    libssl3t64 libsystemd0 libwrap0 libgnutls30t64 libp11-kit0 libidn2-0 libunistring5 libtasn1-6 libhogweed6t64 \
    libnettle8t64 libgmp10 libffi8 libzstd1 libcap2 zlib1g libbsd0 libmd0 libtinfo6) 2>apt.log ||
    { cat apt.log >&2; exit 1; }
for package in packages/*.deb; do dpkg-deb -x "$package" root; done
libraries=$(echo "$work"/root/usr/lib/*-linux-gnu)
/sbin/ldconfig -n "$libraries"
run="$(echo "$libraries"/ld-linux*.so.*) --library-path $libraries"  # sid's programs with sid's C library

port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listening() { for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; exit 1; }
broker() {
    $run root/usr/sbin/mosquitto -c mosquitto.conf >>mosquitto.log 2>&1 & broker=$!
    pids="$pids $broker"
    listening "$place"
}
publish() { $run root/usr/bin/mosquitto_pub -p "$place" -q 1 "$@"; }
reader() { $run root/usr/bin/mosquitto_sub -p "$place" -i reader -c -q 1 "$@"; }

kept() { # `answer`: what is left of two acknowledged messages after kill -9, with this setting
    place=$(port)
    rm -f messages.db*
    cat >mosquitto.conf <<END
user root
listener $place 127.0.0.1
allow_anonymous true
plugin $libraries/mosquitto/mosquitto_persist_sqlite.so
plugin_opt_db_file $work/messages.db
$1
END
    broker
    reader -t messages -E
    sleep 6  # the session is on disk now, and the next commit is some seconds away
    publish -t messages -m queued
    publish -t card -r -m retained
    kill -9 $broker
    wait $broker 2>/dev/null || true
    broker
    answer=$(reader -t messages -t card -W 2 2>/dev/null | sort | paste -sd ' ')
    answer=${answer:-nothing}
}

kept ''
seen="as it is: $answer"
kept 'plugin_opt_sync extra'
seen="$seen; sync extra: $answer"
kept 'plugin_opt_flush_period 0'
seen="$seen; flush_period 0: $answer"
echo "version: mosquitto $(dpkg-deb -f packages/mosquitto_*.deb Version)"
echo "expected: as it is: queued retained"
echo "seen: $seen"
[ "$seen" = "as it is: nothing; sync extra: nothing; flush_period 0: queued retained" ]
