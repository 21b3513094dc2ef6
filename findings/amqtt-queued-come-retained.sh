#!/bin/bash
# Guess: what amqtt kept for a client that was away comes with RETAIN 0, as from other brokers. It is a good guess:
# MQTT 3.1.1 allows RETAIN 1 only for what the topic had before the client subscribed, these messages were published
# without it, the session existed, and who subscribes anew gets none of them.
#
# They come with RETAIN 1. And they come only where a plugin that knows passwords is in charge: with
# AnonymousAuthPlugin the same client, with its name and password, is told `session present`, and gets nothing of what
# was acknowledged in its absence.
#
# What an agent has to do: not to drop messages because RETAIN is set, which is tempting where nothing is ever
# published so; tell cards from messages by their topic. Not to take `session present` for "nothing is missing".
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip --quiet --disable-pip-version-check install amqtt==0.12.1 dacite==1.9.2 psutil==7.2.2 pwdlib==0.3.1 \
    argon2-cffi==25.1.0 PyYAML==6.0.4 transitions==0.9.3 typer==0.29.2 websockets==15.0.1 paho-mqtt==2.1.0

cat >broker.py <<'END'
# broker.py PORT PLUGIN OPTIONS, until it is killed
import asyncio, json, logging, sys
from amqtt.broker import Broker

port, plugin, options = sys.argv[1:]
logging.basicConfig(filename="broker.log")

async def serve():
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    plugins = {f"amqtt.plugins.authentication.{plugin}": json.loads(options)}
    await Broker({"listeners": listeners, "plugins": plugins}).start()
    await asyncio.Event().wait()

asyncio.run(serve())
END
cat >clients.py <<'END'
# clients.py PORT: three messages for a reader that is away, and what it gets.
import sys, time
from paho.mqtt.client import CallbackAPIVersion, Client

def client(name, clean):
    made = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean)
    made.username_pw_set("board", "word")
    made.heard = []
    made.on_connect = lambda _, __, flags, *___: made.heard.append(f"session {int(flags.session_present)}")
    made.on_subscribe = lambda *_: made.heard.append("subscribed")
    made.on_message = lambda _, __, got: made.heard.append(f"{got.payload.decode()} retain {int(got.retain)}")
    made.connect("127.0.0.1", int(sys.argv[1]))
    made.loop_start()
    return made

def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)

def subscribed(name, clean):
    made = client(name, clean)
    until(lambda: made.heard)
    made.subscribe("messages", qos=1)
    until(lambda: "subscribed" in made.heard)
    return made

reader = subscribed("reader", clean=False)
reader.disconnect()
reader.loop_stop()
writer = client("writer", clean=True)
until(lambda: writer.heard)
for text in ["a", "b", "c"]:
    writer.publish("messages", text, qos=1).wait_for_publish(10)
reader = client("reader", clean=False)
until(lambda: len(reader.heard) == 4, 3)
stranger = subscribed("stranger", clean=True)
time.sleep(1)
print(", ".join(reader.heard), "| a stranger gets", len(stranger.heard) - 2)
END

port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listening() { for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; exit 1; }

away() { # `answer`: what comes, with this plugin
    local place=$(port)
    python/bin/python broker.py "$place" "$@" 2>>broker.log & pids="$pids $!"
    listening "$place"
    answer=$(python/bin/python clients.py "$place")
}

hash='from pwdlib import PasswordHash; print(PasswordHash.recommended().hash("word"))'
echo "board:$(python/bin/python -c "$hash")" >passwords
away FileAuthPlugin '{"password_file": "passwords"}'
seen="passwords: $answer"
away AnonymousAuthPlugin '{"allow_anonymous": true}'
seen="$seen; anonymous: $answer"
echo "version: amqtt $(python/bin/pip --disable-pip-version-check show amqtt | sed -n 's/^Version: //p')"
echo "expected: with both: session 1, a retain 0, b retain 0, c retain 0"
echo "seen: $seen"
wanted="passwords: session 1, a retain 1, b retain 1, c retain 1 | a stranger gets 0"
[ "$seen" = "$wanted; anonymous: session 1 | a stranger gets 0" ]
