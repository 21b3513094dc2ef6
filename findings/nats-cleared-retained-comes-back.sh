#!/bin/bash
# Guess: what nats-server has acknowledged about retained messages is there after kill -9, be it that one was set,
# replaced or cleared. It is a good guess: it keeps them in JetStream's files, what was published in the same second is
# all there, and a process that is killed leaves to the kernel what it has written.
#
# The cleared one is back, if the kill comes within some seconds. It looks as if setting and replacing wrote to the file
# at once, and that a message is deleted were noted in memory first. A client that looked in between saw no such topic.
#
# What an agent has to do: not to take "cleared" for "gone": look at its own retained topics at every connection, and
# clear again what should not be there. Never to let a retained message mean something only because its successor is
# empty: a later one that says so, dated and signed, stays.
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq nats-server=2.9.10-1+b3 2>../apt.log) || { cat apt.log >&2; exit 1; }
dpkg-deb -x packages/nats-server_*.deb root
python3 -m venv python
python/bin/pip --quiet --disable-pip-version-check install paho-mqtt==2.1.0

cat >change.py <<'END'
# change.py PORT: one retained message is cleared, one replaced, one set; each is acknowledged.
import sys
from paho.mqtt.client import CallbackAPIVersion, Client

client = Client(CallbackAPIVersion.VERSION2, client_id="writer")
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
for topic, payload in [("cleared", "1"), ("replaced", "1"), ("cleared", ""), ("replaced", "2"), ("set", "1")]:
    client.publish(f"cards/{topic}", payload, qos=1, retain=True).wait_for_publish(10)
END
cat >look.py <<'END'
# look.py PORT: the retained messages, as somebody sees them who comes now.
import sys, time
from paho.mqtt.client import CallbackAPIVersion, Client

found = {}
client = Client(CallbackAPIVersion.VERSION2, client_id="reader")
client.on_connect = lambda *_: client.subscribe("cards/#", qos=1)
client.on_message = lambda _, __, got: found.update({got.topic[6:]: got.payload.decode()})
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
time.sleep(2)
print(" ".join(f"{topic}={payload}" for topic, payload in sorted(found.items())))
END

port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listening() { for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; exit 1; }

begin() {
    root/usr/sbin/nats-server -c nats.conf >nats.log 2>&1 &
    server=$!
    pids="$pids $server"
    listening "$place"
}

killed() { # `answer`: what is seen before, and after a kill -9 so many seconds after the last acknowledgement
    place=$(port)
    rm -rf jetstream
    cat >nats.conf <<END
server_name: one
listen: 127.0.0.1:$(port)
jetstream { store_dir: "$work/jetstream" }
mqtt { listen: 127.0.0.1:$place }
END
    begin
    python/bin/python change.py "$place"
    answer=$(python/bin/python look.py "$place")
    sleep "$1"
    kill -9 "$server"
    wait "$server" 2>/dev/null || true
    begin
    answer="$answer, then $(python/bin/python look.py "$place")"
    kill "$server"
    wait "$server" 2>/dev/null || true
}

killed 0
seen="killed after 2 s: $answer"
killed 28
seen="$seen; after 30 s: $answer"
echo "version: nats-server $(dpkg-deb -f packages/nats-server_*.deb Version)"
echo "expected: both times replaced=2 set=1, then the same"
echo "seen: $seen"
[ "$seen" = "killed after 2 s: replaced=2 set=1, then cleared=1 replaced=2 set=1; after 30 s: replaced=2 set=1, \
then replaced=2 set=1" ]
