#!/bin/bash
# Guess: when a second client connects with the client id of a first one, the will of the first is published. It is a
# good guess: its connection ends without a DISCONNECT of its own, its will has no delay, and MQTT 5 (3.1.4) names this
# very case and says that the will is sent.
#
# It is not where the second one goes on with the session, in either version of MQTT. It is where the second one begins
# a clean session, and where the first one is killed.
#
# What an agent has to do: not to take a missing will for a peer that is still there. Where two boards share a client
# id, those who watch them see neither of them go; so that must be told by what the boards themselves say.
set -eu
work=$(mktemp -d)
pids=
trap 'kill -9 $pids 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq mosquitto=2.0.11-1.2+deb12u2 mosquitto-clients=2.0.11-1.2+deb12u2 \
    libmosquitto1=2.0.11-1.2+deb12u2 libcjson1 libwebsockets17 libev4 libuv1 libdlt2 >../apt.log 2>&1) ||
    { cat apt.log >&2; exit 1; }
for package in packages/*.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
PATH=$work/root/usr/sbin:$work/root/usr/bin:$PATH

port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" >mosquitto.conf
mosquitto -c mosquitto.conf 2>mosquitto.log & pids="$pids $!"
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done

connections() { grep -c "New client connected .* as $1 " mosquitto.log || true; }
connect() { # NAME OPTION...: a client with a will, when the broker has let it in
    local name=$1 before=$(connections "$1")
    shift
    mosquitto_sub -p "$port" -i "$name" -q 1 -t "in/$name" --will-topic "will/$name" --will-payload gone \
        --will-qos 1 "$@" >/dev/null 2>&1 & last=$!
    pids="$pids $last"
    for _ in $(seq 100); do [ "$(connections "$name")" -gt "$before" ] && return; sleep 0.1; done
    exit 1
}

mosquitto_sub -p "$port" -i watcher -q 1 -t 'will/#' -v >wills & pids="$pids $!"
for _ in $(seq 100); do grep -q "as watcher " mosquitto.log && break; sleep 0.1; done
sleep 0.5
for version in mqttv5 mqttv311; do
    life=; [ $version = mqttv5 ] && life='-x 60'
    # The first of each is stopped: it would come back and take the id again.
    connect "kept-$version" -V $version -c $life
    kill -STOP "$last"
    connect "kept-$version" -V $version -c $life
    connect "clean-$version" -V $version
    kill -STOP "$last"
    connect "clean-$version" -V $version
    # A will that comes, after those that might have: the broker works through them in order.
    connect "killed-$version" -V $version -c $life
    kill -9 "$last"
done
for _ in $(seq 100); do [ "$(grep -c killed wills)" = 2 ] && break; sleep 0.1; done
sleep 1
seen=$(sort wills | tr '\n' ';')
echo "version: mosquitto $(dpkg-deb -f packages/mosquitto_*.deb Version)"
echo "expected: will/clean-…, will/kept-… and will/killed-…, each in both versions of MQTT"
echo "seen: $seen"
[ "$seen" = "will/clean-mqttv311 gone;will/clean-mqttv5 gone;will/killed-mqttv311 gone;will/killed-mqttv5 gone;" ]
