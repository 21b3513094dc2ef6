#!/bin/bash
# Guess: a message with an expiry interval of an hour, and a session with one of a day, are still there after ten
# seconds, whatever the clock of the broker's board does meanwhile. It is a good guess: both are intervals in seconds,
# and the broker's connections do not mind a set clock.
#
# mosquitto compares calendar times. When a board without a clock of its own, a Raspberry Pi, learns the time some
# seconds after its broker has started, the messages and sessions of those seconds are older than their intervals, and
# gone; the messages had been acknowledged. libfaketime sets the clock here, CLOCK_MONOTONIC goes on as it is.
#
# What an agent has to do: keep what it sent until the receiver itself has said that it has it, not until PUBACK; take
# `session present: 0` for something that happens. For the broker's unit: `After=time-sync.target`, with a service
# that waits.
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq mosquitto=2.0.11-1.2+deb12u2 libmosquitto1=2.0.11-1.2+deb12u2 \
    mosquitto-clients=2.0.11-1.2+deb12u2 libfaketime=0.9.10-2.1 libcjson1 libdlt2 libwrap0 \
    2>../apt.log) || { cat apt.log >&2; exit 1; }
for package in packages/*.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
PATH=$work/root/usr/sbin:$work/root/usr/bin:$PATH

port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listening() { for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; exit 1; }

kept() { # `answer`: what is left ten seconds later, when the clock was set forward by this meanwhile
    local place=$(port)
    local reader="mosquitto_sub -V mqttv5 -p $place -i reader -c -x 86400 -q 1 -t messages"
    printf 'user root\nlistener %s 127.0.0.1\nallow_anonymous true\n' "$place" >mosquitto.conf
    echo +0 >clock
    env LD_PRELOAD="$(echo root/usr/lib/*/faketime/libfaketime.so.1)" FAKETIME_TIMESTAMP_FILE="$work/clock" \
        FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 mosquitto -c mosquitto.conf >mosquitto.log 2>&1 &
    pids="$pids $!"
    listening "$place"
    $reader -E
    mosquitto_pub -V mqttv5 -p "$place" -q 1 -t messages -m hour -D publish message-expiry-interval 3600
    mosquitto_pub -V mqttv5 -p "$place" -q 1 -t messages -m ever
    echo "$1" >clock.new
    mv clock.new clock
    sleep 8
    answer=$($reader -W 2 2>/dev/null | paste -sd ' ')
}

kept +0
seen="not set: $answer"
kept +2h
seen="$seen; +2 hours: $answer"
kept +2d
seen="$seen; +2 days: ${answer:-nothing}"
echo "version: mosquitto $(dpkg-deb -f packages/mosquitto_*.deb Version)"
echo "expected: not set: hour ever; +2 hours: hour ever; +2 days: hour ever"
echo "seen: $seen"
[ "$seen" = "not set: hour ever; +2 hours: ever; +2 days: nothing" ]
