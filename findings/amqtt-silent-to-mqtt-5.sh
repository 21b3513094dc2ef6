#!/bin/bash
# Guess: amqtt, which speaks MQTT 3.1.1 alone, answers a client that offers MQTT 5 with CONNACK 1, "unacceptable protocol
# version". It is a good guess: MQTT 3.1.1 requires just that (MQTT-3.1.2-2), the code for it is there and logs a line of
# its own, and the level stands before everything that is new in MQTT 5.
#
# It answers nobody that sends a property, and leaves the connection open: the packet is read to its end as one of 3.1.1
# before the level is looked at. The length of the properties becomes half of the client id's, which then has thousands
# of bytes that never come. Only a CONNECT without properties, user and will is short enough to be refused. Clients that
# wait for an answer before they try 3.1.1 wait for their own time-out, each time.
#
# What an agent has to do: take silence for "does not speak it", not only CONNACK 1 and 0x84; ask soon again by 3.1.1,
# and remember it for that broker beyond its own restart.
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip --quiet --disable-pip-version-check install amqtt==0.12.1 dacite==1.9.2 psutil==7.2.2 pwdlib==0.3.1 \
    PyYAML==6.0.4 transitions==0.9.3 typer==0.29.2 websockets==15.0.1

cat >broker.py <<'END'
# broker.py PORT, until it is killed
import asyncio, logging, sys
from amqtt.broker import Broker

logging.basicConfig(filename="broker.log")

async def serve():
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}}
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    await Broker({"listeners": listeners, "plugins": plugins}).start()
    await asyncio.Event().wait()

asyncio.run(serve())
END
cat >offer.py <<'END'
# offer.py PORT LEVEL PROPERTIES: what comes back within 15 seconds for a CONNECT of this level; properties in hex.
import socket, struct, sys

port, level, properties = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
text = lambda word: struct.pack(">H", len(word)) + word
body = text(b"MQTT") + bytes([level, 2]) + struct.pack(">H", 60)
body += (bytes([len(properties)]) + properties if level == 5 else b"") + text(b"board")
client = socket.create_connection(("127.0.0.1", port))
client.sendall(bytes([0x10, len(body)]) + body)
client.settimeout(15)
try:
    answer = client.recv(100)
    print(f"CONNACK {answer[3]}" if answer[:1] == b"\x20" else "closed" if not answer else answer.hex())
except TimeoutError:
    print("silence")
END

place=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
python/bin/python broker.py "$place" 2>>broker.log & pids=$!
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$place") 2>/dev/null && break; sleep 0.1; done

# 0x11 is the Session Expiry Interval, here an hour.
seen="3.1.1: $(python3 offer.py "$place" 4 ""); 5: $(python3 offer.py "$place" 5 ""); "
seen="${seen}5 that asks for a session: $(python3 offer.py "$place" 5 1100000e10)"
echo "version: amqtt $(python/bin/pip --disable-pip-version-check show amqtt | sed -n 's/^Version: //p')"
echo "expected: 3.1.1: CONNACK 0; 5: CONNACK 1; 5 that asks for a session: CONNACK 1"
echo "seen: $seen"
[ "$seen" = "3.1.1: CONNACK 0; 5: CONNACK 1; 5 that asks for a session: silence" ]
