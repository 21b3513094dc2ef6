#!/usr/bin/env python3
"""The power was cut for a whole fleet and comes back: how long until all are there, and what it costs each.

    Tests/live/storm.py [--agents 200] [--few 20] [--kind mosquitto|nats]      `make fleet AGENTS=…`

A fleet is a hub and boards, each a daemon of its own; the hub knows every board, each board the hub and two neighbours.
Broker and boards are killed, with `kill -9`, and started all at once. Printed are the seconds until all are connected,
and until everybody's cards stand at the broker, and what passed until nothing did for some seconds: MQTT packets and
bytes, both ways, for each agent. They are to be the same for few and for many, give or take a quarter.

All connect through a small proxy that counts, and leads to a cluster's nodes in turn. The programs are those of
CULVER_BIN, else the newer of .build/release and .build/debug.
"""

import argparse
import concurrent.futures
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import paho.mqtt.client as mqtt

import faults
import harness
import network
from cluster_brokers import Cluster
from harness import Closed, Daemon, Mosquitto, Refused, address_of, eventually

GOAL = 0.25
QUIET = 5.0  # seconds without a publication: the storm is over
PATIENCE = 600.0
AT_ONCE = 8  # daemons that make their keys side by side


class Meter:
    """A proxy that counts MQTT packets."""

    def __init__(self, ways: list[tuple[str, int]]):
        self.ways = ways
        self.packets = self.bytes = self.publications = self.connections = 0
        self.last = time.monotonic()
        self.lock = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.server.getsockname()[1]
        threading.stack_size(256 << 10)
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def reset(self) -> None:
        with self.lock:
            self.packets = self.bytes = self.publications = self.connections = 0

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.join, args=(client, self.ways[self.connections % len(self.ways)]), daemon=True).start()

    def join(self, client: socket.socket, way: tuple[str, int]) -> None:
        try:
            broker = socket.create_connection(way, 10)
        except OSError:
            return client.close()
        broker.settimeout(None)
        threading.Thread(target=self.pass_on, args=(broker, client), daemon=True).start()
        self.pass_on(client, broker)

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Each byte, and looks only at the fixed headers (MQTT 3.1.1, 2.2)."""
        head, skip = b"", 0
        try:
            while data := source.recv(65536):
                target.sendall(data)
                packets = publications = place = 0
                while place < len(data):
                    if skip:
                        step = min(skip, len(data) - place)
                        skip, place = skip - step, place + step
                        continue
                    head += data[place:place + 1]
                    place += 1
                    if len(head) > 1 and head[-1] < 128:
                        skip = sum((digit & 127) << 7 * number for number, digit in enumerate(head[1:]))
                        packets, publications = packets + 1, publications + (head[0] >> 4 == 3)
                        head = b""
                with self.lock:
                    self.packets, self.bytes = self.packets + packets, self.bytes + len(data)
                    if publications:
                        self.publications, self.last = self.publications + publications, time.monotonic()
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()

    def stop(self) -> None:
        self.server.close()


class Fleet:
    """A hub, boards, a broker and the meter between them."""

    def __init__(self, directory: pathlib.Path, count: int, kind: str):
        self.directory, self.count, self.kind = directory, count, kind
        if kind == "mosquitto":
            self.broker = Mosquitto(directory)
            self.ways = [("127.0.0.1", self.broker.port)]
        else:
            self.broker = Cluster(directory, kind)
            self.broker.start()
            self.ways = [(node.host, node.port) for node in self.broker.nodes]
        self.meter = Meter(self.ways)
        self.agents = [Daemon(directory, f"a{number}", self.meter.url, begin=False) for number in range(count)]
        for first in range(0, count, AT_ONCE):
            for agent in self.agents[first:first + AT_ONCE]:
                agent.launch()  # by the thread that lives on: they end with it
            for agent in self.agents[first:first + AT_ONCE]:
                eventually(agent._answers, PATIENCE, what="culverd's start")
        hub = self.agents[0]
        for number, agent in enumerate(self.agents[1:], 1):
            self.introduce(agent, hub)
            for other in (number - 1, number + 1):
                self.introduce(agent, self.agents[(other - 1) % (count - 1) + 1])
            self.introduce(hub, agent)

    def introduce(self, agent: Daemon, other: Daemon) -> None:
        agent.call("contact.add", did=other.did)

    @property
    def contacts(self) -> float:
        """For each."""
        return sum(len(list((agent.state / "contacts").iterdir())) for agent in self.agents) / self.count

    def are_acquainted(self) -> bool:
        """Whether each has the cards of each of its contacts."""
        return all(self.knows_cards(agent) for agent in self.agents)

    def knows_cards(self, agent: Daemon) -> bool:
        contacts = agent.state / "contacts"
        return all((place / name).exists() for place in contacts.iterdir() for name in ("meta.json", "visa.json"))

    def all_at_once(self, deed) -> None:
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            list(pool.map(deed, self.agents))

    def cut_power(self) -> None:
        self.all_at_once(Daemon.kill)
        if self.kind == "mosquitto":
            self.broker.kill()
        else:
            for node in self.broker.nodes:
                node.kill()

    def storm(self) -> dict[str, float]:
        """Seconds, and packets and bytes for each agent."""
        self.cut_power()
        self.broker.start()
        watcher = Watcher(self.ways[0])
        self.meter.reset()
        begin = time.monotonic()
        for agent in self.agents:
            agent.launch()
        waiting = list(self.agents)
        topics = {f"dim/v1/{address_of(agent.did)}/{name}" for agent in self.agents for name in ("meta", "visa", "state")}
        connected = cards = 0.0
        while not (connected and cards):
            waiting = [agent for agent in waiting if not is_connected(agent)]
            now = time.monotonic() - begin
            connected = connected or (0.0 if waiting else now)
            cards = cards or (now if topics <= watcher.standing() else 0.0)
            if now > PATIENCE:
                missing = len(topics - watcher.standing())
                raise AssertionError(f"{len(waiting)} are not connected, {missing} of {len(topics)} cards do not stand there")
            time.sleep(0.1)
        eventually(lambda: time.monotonic() - self.meter.last > QUIET, PATIENCE, "the end of the storm")
        watcher.stop()
        return {
            "seconds until all are connected": connected, "seconds until all cards are there": cards,
            "connections for each": self.meter.connections / self.count,
            "packets for each": self.meter.packets / self.count,
            "contacts of each": self.contacts,
            "publications for each": self.meter.publications / self.count,
            "bytes for each": self.meter.bytes / self.count,
        }

    def stop(self) -> None:
        self.all_at_once(Daemon.kill)
        self.broker.stop()
        self.meter.stop()


def is_connected(agent: Daemon) -> bool:
    try:
        return all(row["state"] == "connected" for row in agent.call("status")["brokers"])
    except (OSError, Closed, Refused):
        return False


class Watcher:
    """Reads everybody's cards at the broker itself, past the meter."""

    def __init__(self, way: tuple[str, int]):
        self.cards: dict[str, bytes] = {}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="watcher", protocol=mqtt.MQTTv311)
        self.client.on_connect = lambda client, *_: client.subscribe("dim/v1/+/+", qos=0)
        self.client.on_message = lambda _, __, message: self.cards.update({message.topic: message.payload})
        eventually(lambda: self.connected(way), what="the watcher's connection")
        self.client.loop_start()

    def connected(self, way: tuple[str, int]) -> bool:
        try:
            return self.client.connect(*way) == 0
        except OSError:
            return False

    def standing(self) -> set[str]:
        """The topics on which a card stands; a state that says `gone` is none."""
        return {topic for topic, card in list(self.cards.items()) if card and not (topic.endswith("/state") and b"gone" in card)}

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def measure(count: int, kind: str, words=print) -> dict[str, float]:
    """A fleet of so many, once. To be called apart (`network.run_apart`) for a cluster."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
    fleet = None
    try:
        begin = time.monotonic()
        fleet = Fleet(directory, count, kind)
        eventually(fleet.are_acquainted, PATIENCE, "the acquaintance of all")
        words(f"fleet: {count} agents at {kind}, made and acquainted after {time.monotonic() - begin:.0f} s")
        found = fleet.storm()
        for name, value in found.items():
            words(f"fleet: {count} at {kind}: {name:34} {value:10.1f}")
        return found
    finally:
        if fleet is not None:
            fleet.stop()
        shutil.rmtree(directory, ignore_errors=True)


def flatness(few: dict[str, float], many: dict[str, float], words=print) -> dict[str, float]:
    """How what each costs has grown."""
    grown = {name: many[name] / few[name] - 1 for name in ("packets for each", "publications for each", "bytes for each")}
    for name, value in grown.items():
        words(f"fleet: {name:34} {value:+10.0%} (goal: {GOAL:.0%} at most)")
    return grown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--kind", choices=["mosquitto", "nats"])
    options = parser.parse_args()
    if options.kind is None:
        ends = [subprocess.run([sys.executable, *sys.argv, "--kind", kind]).returncode for kind in ("mosquitto", "nats")]
        return max(ends)
    faults.choose_programs()
    network.run_apart()
    grown = flatness(measure(options.few, options.kind), measure(options.agents, options.kind))
    return 0 if all(value <= GOAL for value in grown.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
