#!/bin/bash
# Guess: a SUBACK with 0x80 is the broker's last word on a topic. It is a good guess: MQTT knows no "not now" for a
# subscription, a client that may read a topic is granted it every time, and a cluster that cannot serve a client for a
# while would close its connection, as this one does when something is published.
#
# A node of a nats-server cluster that has lost its majority refuses subscriptions after some seconds, with the same 0x80
# as what is not permitted, and keeps the connection. When the other nodes are back, the connection is the same, nothing
# is said, and what is published there does not come. Who asks again is granted it.
#
# What an agent has to do: to ask again for a topic that it cannot do without, after a pause that grows, on the same
# connection; and not to tell its user "no permission" on account of a 0x80.
set -eu
work=$(mktemp -d)
pids=
trap 'kill -9 $pids 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq nats-server=2.9.10-1+b3 2>../apt.log) || { cat apt.log >&2; exit 1; }
dpkg-deb -x packages/nats-server_*.deb root
python3 -m venv python
python/bin/pip --quiet --disable-pip-version-check install paho-mqtt==2.1.0

ports=$(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(9)]
print(*(one.getsockname()[1] for one in held))')
set -- $ports
clients="$1 $2 $3" routes="nats://127.0.0.1:$4, nats://127.0.0.1:$5, nats://127.0.0.1:$6"
for number in 1 2 3; do
    cat >"$number.conf" <<END
server_name: node$number
listen: 127.0.0.1:$(echo "$ports" | cut -d' ' -f$((number + 6)))
jetstream { store_dir: "$work/store$number" }
cluster { name: c, listen: 127.0.0.1:$(echo "$ports" | cut -d' ' -f$((number + 3))), routes: [$routes] }
mqtt { listen: 127.0.0.1:$(echo "$ports" | cut -d' ' -f"$number") }
END
done
begin() { root/usr/sbin/nats-server -c "$1.conf" >>"$1.log" 2>&1 & eval "node$1=$!"; pids="$pids $!"; }
for number in 1 2 3; do begin "$number"; done

cat >client.py <<'END'
# client.py PORT OTHER: one client at one node, all the time; each line of input is a word.
import sys, time
from paho.mqtt.client import CallbackAPIVersion, Client

def until(question, seconds):
    end = time.monotonic() + seconds
    while not question() and time.monotonic() < end:
        time.sleep(0.05)
    return question()

def connected(name, port, heard, lost):
    for _ in range(60):
        client, codes = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False), []
        client.on_connect = lambda _, __, ___, code, ____: codes.append(code.value)
        client.on_disconnect = lambda *_: lost.append(1)
        client.on_message = lambda _, __, message: heard.append(message.topic)
        client.on_subscribe = lambda _, __, ___, granted, ____: heard.append(granted[0].value)
        client.reconnect_delay_set(900, 900)
        try:
            client.connect("127.0.0.1", port)
            client.loop_start()
            if until(lambda: codes, 15) and codes[0] == 0:
                lost.clear()
                return client
            client.loop_stop()
        except OSError:
            pass
        time.sleep(1)
    raise SystemExit(f"{name} is not let in")

port, other = int(sys.argv[1]), int(sys.argv[2])
heard, lost = [], []
client = connected("reader", port, heard, lost)

def subscribe(topic):
    heard.clear()
    client.subscribe(topic, 1)
    until(lambda: heard, 60)
    return f"0x{heard[0]:02x}" if heard else "nothing"

def arrives(topic):
    heard.clear()
    writer = connected("writer", other, [], [])
    writer.publish(topic, "1", qos=1).wait_for_publish(20)
    return "comes" if until(lambda: topic in heard, 8) else "does not come"

for line in sys.stdin:
    word, topic = line.split()
    print({"subscribe": subscribe, "arrives": arrives}[word](topic), "lost" if lost else "kept", flush=True)
END
coproc talk { python/bin/python client.py $(echo "$clients" | cut -d' ' -f1,2); }
pids="$pids $talk_PID"
ask() { echo "$1 $2" >&"${talk[1]}"; read -r -t 180 answer <&"${talk[0]}"; }

ask subscribe before
seen="with three nodes $answer"
kill -9 "$node2" "$node3"
wait "$node2" "$node3" 2>/dev/null || true
pids="$node1 $talk_PID"
ask subscribe after
seen="$seen; alone $answer"
begin 2
begin 3
sleep 20
ask arrives before
seen="$seen; with three again, the first $answer"
ask arrives after
seen="$seen, the second $answer"
ask subscribe after
seen="$seen; asked again $answer"
ask arrives after
seen="$seen, it $answer"
echo "version: nats-server $(dpkg-deb -f packages/nats-server_*.deb Version)"
echo "expected: alone, the connection is lost, or the answer waits for the others; 0x80 is for good"
echo "seen: $seen"
[ "$seen" = "with three nodes 0x01 kept; alone 0x80 kept; with three again, the first comes kept, the second does not \
come kept; asked again 0x01 kept, it comes kept" ]
