#!/bin/bash
# Guess: nats-server grants one client a hundred QoS 1 subscriptions. It is a good guess: every other broker does,
# MQTT has no such limit, nothing in the configuration speaks of one, and a refusal would be expected at some round
# number.
#
# The 64th is refused, and the client stays connected. `max_ack_pending`, how many messages of one subscription may
# wait for their acknowledgement, is 1024 unless set otherwise; packet identifiers end at 65535, and each subscription
# takes its share of them in advance: 65535 / 1024 = 63. That explains 31 with 2048, and with 100 all are granted.
#
# What an agent has to do: read every code of every SUBACK; use one filter with a wildcard where it would have one
# topic for each peer; say `max_ack_pending` in advice about NATS.
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq nats-server=2.9.10-1+b3 mosquitto-clients=2.0.11-1.2+deb12u2 \
    libmosquitto1=2.0.11-1.2+deb12u2 libcjson1 2>../apt.log) || { cat apt.log >&2; exit 1; }
for package in packages/*.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
PATH=$work/root/usr/sbin:$work/root/usr/bin:$PATH

port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listening() { for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; exit 1; }

granted() { # `answer`: how many of a hundred subscriptions, with this setting
    local place=$(port) filters=
    rm -rf jetstream
    cat >nats.conf <<END
server_name: one
listen: 127.0.0.1:$(port)
jetstream { store_dir: "$work/jetstream" }
mqtt { listen: 127.0.0.1:$place
    $1
}
END
    nats-server -c nats.conf >nats.log 2>&1 & pids="$pids $!"
    listening "$place"
    for number in $(seq 100); do filters="$filters -t peers/$number"; done
    mosquitto_sub -p "$place" -q 1 -d -E $filters >answers
    answer=$(grep ^Subscribed answers | tr -cs 0-9 '\n' | sed 1,2d | grep -cx 1 || true)
}

granted ''
seen=$answer
granted 'max_ack_pending: 2048'
seen="$seen, with max_ack_pending 2048: $answer"
granted 'max_ack_pending: 100'
seen="$seen, with 100: $answer"
echo "version: nats-server $(dpkg-deb -f packages/nats-server_*.deb Version)"
echo "expected: 100 of 100 granted"
echo "seen: $seen"
[ "$seen" = "63, with max_ack_pending 2048: 31, with 100: 100" ]
