#!/bin/bash
# Guess: a mosquitto bridge that names an address and a topic, and nothing else, carries a publication to nats-server
# within 15 s. It is a good guess: nats-server speaks MQTT 3.1.1, and when the bridge's own variant of the protocol is
# refused, as it is here, mosquitto tries the plain one by itself.
#
# That works. But then the bridge publishes its state below `$SYS/broker/connection/`, in a topic with its
# client ID, HOST.NAME, and nats-server 2.9 closes the connection of whoever publishes to a topic with a dot, time and
# again.
#
# What an agent has to do: `notifications false` in the bridge, and no dots in topics that may meet NATS: an address
# in Base58 is safe, a host's name is not.
set -eu
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"

mkdir packages
(cd packages && apt-get download -qq mosquitto=2.0.11-1.2+deb12u2 libmosquitto1=2.0.11-1.2+deb12u2 \
    mosquitto-clients=2.0.11-1.2+deb12u2 nats-server=2.9.10-1+b3 libcjson1 libdlt2 libwrap0 \
    2>../apt.log) || { cat apt.log >&2; exit 1; }
for package in packages/*.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$(echo "$work"/root/usr/lib/*-linux-gnu)
PATH=$work/root/usr/sbin:$work/root/usr/bin:$PATH

port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listening() { for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; exit 1; }

far=$(port)
cat >nats.conf <<END
server_name: far
listen: 127.0.0.1:$(port)
jetstream { store_dir: "$work/jetstream" }
mqtt { listen: 127.0.0.1:$far }
END
nats-server -c nats.conf >nats.log 2>&1 & pids="$pids $!"
listening "$far"

arrives() { # `answer`, yes or no: does what is published at the bridge with this setting arrive beyond it?
    local near=$(port) reader
    cat >bridge.conf <<END
user root
listener $near 127.0.0.1
allow_anonymous true
connection bridge
address 127.0.0.1:$far
topic sensors/# out 1
$1
END
    mosquitto_sub -p "$far" -t 'sensors/#' -q 1 -C 1 -W 18 >got 2>/dev/null & reader=$!
    mosquitto -c bridge.conf >bridge.log 2>&1 & pids="$pids $!"
    listening "$near"
    sleep 1
    mosquitto_pub -p "$near" -t sensors/garden -q 1 -m dry
    wait $reader || true
    answer=no
    [ "$(cat got)" != dry ] || answer=yes
}

arrives ''
seen=$answer
arrives 'notifications false'
said="characters ' ' and '.' not supported for MQTT topics"
seen="$seen, with notifications off $answer; NATS: $(grep -o "$said" nats.log | head -n 1)"
version() { dpkg-deb -f packages/"$1"_*.deb Version; }
echo "version: mosquitto $(version mosquitto), nats-server $(version nats-server)"
echo "expected: the message crosses the bridge: yes"
echo "seen: $seen"
[ "$seen" = "no, with notifications off yes; NATS: $said" ]
