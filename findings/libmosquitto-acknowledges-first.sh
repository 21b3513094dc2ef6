#!/bin/bash
# Guess: a program that dies in libmosquitto's message callback gets the message again, QoS 1, when it comes back. It
# is a good guess: "at least once" is what QoS 1 means, the callback is where a message is stored, and paho's client,
# by the same people, acknowledges when the callback has returned.
#
# With mosquitto_loop_forever and mosquitto_loop the acknowledgement is on the wire before the callback is called: the
# message is lost. With mosquitto_loop_start, whose thread runs the very same loop, the acknowledgement is not sent
# before the callback has returned: the message comes again. A program changes from the one to the other by moving its
# loop into a thread, or out of it.
#
# What an agent has to do: not to take QoS 1 for a promise that a message survives the receiver. Ask for a receipt
# made after the message is on disk, and send again until it comes.
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq mosquitto=2.0.11-1.2+deb12u2 libmosquitto1=2.0.11-1.2+deb12u2 \
    mosquitto-clients=2.0.11-1.2+deb12u2 libcjson1 libdlt2 libwrap0 2>../apt.log) || { cat apt.log >&2; exit 1; }
for package in packages/*.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
PATH=$work/root/usr/sbin:$work/root/usr/bin:$PATH

python3 -m venv python
python/bin/pip --quiet --disable-pip-version-check install paho-mqtt==2.1.0

cat >reader.py <<'END'
# reader.py PORT forever|loop|thread|paho: subscribes, dies in the callback of the first message, gives up after 4 s.
import ctypes, os, signal, sys, time

def die(*_):
    os.write(1, b"x")
    os.kill(os.getpid(), signal.SIGKILL)

signal.alarm(4)
if sys.argv[2] == "paho":
    from paho.mqtt.client import CallbackAPIVersion, Client
    client = Client(CallbackAPIVersion.VERSION2, client_id="paho", clean_session=False)
    client.on_message = die
    client.connect("127.0.0.1", int(sys.argv[1]))
    client.subscribe("paho", qos=1)
    client.loop_forever()

way = sys.argv[2].encode()
library = ctypes.CDLL("libmosquitto.so.1")
library.mosquitto_new.restype = ctypes.c_void_p
library.mosquitto_lib_init()
client = ctypes.c_void_p(library.mosquitto_new(way, False, None))

arrived = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(die)
library.mosquitto_message_callback_set(client, arrived)
if library.mosquitto_connect(client, b"127.0.0.1", int(sys.argv[1]), 60) != 0:
    raise SystemExit("no connection")
library.mosquitto_subscribe(client, None, way, 1)
if sys.argv[2] == "forever":
    library.mosquitto_loop_forever(client, -1, 1)
elif sys.argv[2] == "loop":
    while library.mosquitto_loop(client, 100, 1) == 0:
        pass
else:
    library.mosquitto_loop_start(client)
    time.sleep(10)
END

port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listening() { for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; exit 1; }

place=$(port)
printf 'user root\nlistener %s 127.0.0.1\nallow_anonymous true\n' "$place" >mosquitto.conf
mosquitto -c mosquitto.conf >mosquitto.log 2>&1 & pids="$pids $!"
listening "$place"

copies() { # how many programs in turn are killed by one message
    mosquitto_sub -p "$place" -i "$1" -c -q 1 -t "$1" -E >subscribed
    mosquitto_pub -p "$place" -q 1 -t "$1" -m text
    for _ in 1 2; do (python/bin/python reader.py "$place" "$1" || true) 2>/dev/null; done
}

seen=
for way in paho forever loop thread; do
    copies=$(copies $way)
    seen="$seen$way ${#copies} of 2; "
done
echo "version: libmosquitto1 $(dpkg-deb -f packages/libmosquitto1_*.deb Version), paho-mqtt 2.1.0"
echo "expected: the second program gets the message again: 2 of 2 for all"
echo "seen: $seen"
[ "$seen" = "paho 2 of 2; forever 1 of 2; loop 1 of 2; thread 2 of 2; " ]
