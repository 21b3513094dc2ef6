#!/bin/bash
# Guess: who publishes with QoS 1 and MQTT 5 to the only subscriber, which is away and whose queue is full, is told so:
# PUBACK with 0x97, quota exceeded. It is a good guess: MQTT 5 brought reasons into PUBACK, this is one of them, and the
# same broker does tell with another (0x10) that nobody has subscribed.
#
# Every PUBACK says success. The first thousand are kept, what comes later is gone; the broker's log has one line about
# it. `max_queued_messages` is 1000 unless set otherwise.
#
# What an agent has to do: to take a broker's acknowledgement for nothing but a pause, and repeat until the receiver
# itself has answered; to have no more than a few hundred messages under way to one receiver that is silent.
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait 2>/dev/null; rm -rf "$work"' EXIT
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

session="-V mqttv5 -p $port -i away -c -x 600 -q 1 -t queue"
mosquitto_sub $session -E
seq 1500 | mosquitto_pub -V mqttv5 -p "$port" -q 1 -t queue -l -d >sent
mosquitto_pub -V mqttv5 -p "$port" -q 1 -t nobody -m x -d >unheard
codes() { grep -o 'PUBACK.*RC:[0-9]*' "$1" | sed 's/.*RC:/code /' | sort | uniq -c | tr -s ' ' | sed 's/^ //'; }
mosquitto_sub $session -C 1000 >got
more=$(mosquitto_sub $session -W 3 2>/dev/null | wc -l)

seen="1500 published: $(codes sent); nobody subscribed: $(codes unheard); kept: $(head -1 got) to $(tail -1 got), then $more"
echo "version: mosquitto $(dpkg-deb -f packages/mosquitto_*.deb Version)"
echo "expected: 1500 published: 1000 code 0, 500 code 151; nobody subscribed: 1 code 16; kept: 1 to 1000, then 0"
echo "seen: $seen"
[ "$seen" = "1500 published: 1500 code 0; nobody subscribed: 1 code 16; kept: 1 to 1000, then 0" ]
