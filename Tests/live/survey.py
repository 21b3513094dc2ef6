#!/usr/bin/env python3
"""What a cluster does with sessions, queues and retained messages when nodes die: docs/brokers.md has its answers.

    Tests/live/survey.py nats|rabbitmq|rabbitmq@sid|…

A small client of MQTT 3.1.1 asks, without culver. Root is needed, or user namespaces; see network.py.
"""

import pathlib
import shutil
import sys
import tempfile
import time

import paho.mqtt.client as mqtt

import network
from cluster_brokers import Cluster, named
from harness import eventually

COUNT = 50


class Client:
    """A client with a session, at one node."""

    def __init__(self, name: str, node, clean: bool = False, topics: tuple[str, ...] = (), patience: float = 60):
        self.heard: list[tuple[str, str]] = []
        self.present = self.is_ended = False
        self.granted: list[int] | None = None
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean, protocol=mqtt.MQTTv311)
        self.client.reconnect_delay_set(600, 600)
        self.client.on_connect = self.connected
        self.client.on_disconnect = lambda *_: setattr(self, "is_ended", True)
        self.client.on_subscribe = lambda _, __, ___, codes, ____: setattr(self, "granted", [code.value for code in codes])
        self.client.on_message = lambda _, __, message: self.heard.append((message.topic, message.payload.decode()))
        self.code: int | None = None
        eventually(lambda: self.tries(node), patience, f"a connection to {node.machine.name}")
        if topics:
            self.client.subscribe([(topic, 1) for topic in topics])
            eventually(lambda: self.granted is not None, patience, "the answer to the subscription")

    def tries(self, node) -> bool:
        self.code, self.is_ended = None, False
        try:
            self.client.connect(node.host, node.port, keepalive=30)
        except OSError:
            time.sleep(0.5)
            return False
        self.client.loop_start()
        end = time.monotonic() + 15
        while self.code is None and not self.is_ended and time.monotonic() < end:
            time.sleep(0.02)
        if self.code == 0:
            return True
        self.client.disconnect()
        self.client.loop_stop()
        time.sleep(0.5)
        return False

    def connected(self, _client, _data, flags, code, _properties) -> None:
        self.code, self.present = code.value, bool(flags.session_present)

    def publish(self, topic: str, payload: str, retain: bool = False, patience: float = 20) -> bool:
        """Whether it was acknowledged."""
        sent = self.client.publish(topic, payload, qos=1, retain=retain)
        try:
            sent.wait_for_publish(patience)
            return sent.is_published()
        except RuntimeError:  # the connection is closed
            return False

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Survey:
    def __init__(self, kind: str, directory: pathlib.Path):
        self.kind = kind
        self.cluster = Cluster(directory, kind)
        self.cluster.start()
        self.nodes = self.cluster.nodes
        self.number = 0
        self.say("version", self.nodes[0].version())

    def say(self, question: str, answer: object) -> None:
        print(f"{self.kind}: {question}: {answer}", flush=True)

    def must(self, acknowledged: bool) -> None:
        if not acknowledged:
            self.say("a publication", "was not acknowledged")

    def back(self, *nodes) -> None:
        for node in nodes:
            node.launch()
        for node in nodes:
            eventually(node.listens, node.patience, "the return of a node")

    def fresh(self, node) -> Client:
        self.number += 1
        return Client(f"one-{self.number}", node, clean=True)

    def retained(self, node, names: str) -> str:
        self.number += 1
        reader = Client(f"reader-{self.number}", node, clean=True, topics=tuple(f"cards/{name}" for name in names.split()))
        time.sleep(3)
        reader.leave()
        return " ".join(f"{topic[6:]}={payload}" for topic, payload in sorted(set(reader.heard))) or "nothing"

    def cards(self) -> None:
        first, second, third = self.nodes
        writer = self.fresh(first)
        for topic, payload in [("set", "1"), ("replaced", "1"), ("replaced", "2"), ("cleared", "1"), ("cleared", "")]:
            self.must(writer.publish(f"cards/{topic}", payload, retain=True))
        names = "set replaced cleared"
        for node in self.nodes:
            self.say(f"retained, written at node 1, seen at node {node.machine.number}", self.retained(node, names))
        writer.leave()
        # Its successor is written elsewhere, as after a change of node.
        writer = self.fresh(second)
        self.must(writer.publish("cards/replaced", "3", retain=True))
        self.must(writer.publish("cards/set", "", retain=True))
        writer.leave()
        for node in self.nodes:
            seen = self.retained(node, names)
            self.say(f"replaced=3 and set cleared at node 2, seen at node {node.machine.number}", seen)
        time.sleep(6)
        first.kill()
        self.say("node 1 killed, seen at node 3", self.retained(third, names))
        self.back(first)
        self.say("node 1 is back, seen there", self.retained(first, names))

    def session(self, title: str, before, after) -> None:
        """A session made at node 1; its client comes back at node 3."""
        first, second, third = self.nodes
        name = f"session-{title.replace(' ', '-')}"
        client = Client(name, first, topics=(f"q/{name}",))
        client.leave()
        before()
        writer = self.fresh(second)
        acknowledged = [str(number) for number in range(COUNT) if writer.publish(f"q/{name}", str(number))]
        writer.leave()
        after()
        begin = time.monotonic()
        client = Client(name, third, patience=180)
        taken = time.monotonic() - begin
        end, last = time.monotonic() + 45, -1
        while time.monotonic() < end and len({payload for _, payload in client.heard}) < len(acknowledged):
            time.sleep(0.1)
        heard = [payload for _, payload in client.heard]
        client.leave()
        self.say(title, f"session present {client.present}, {len(set(heard) & set(acknowledged))} of {len(acknowledged)} acknowledged "
                 f"came, {len(heard) - len(set(heard))} twice, connected after {taken:.1f} s")

    def sessions(self) -> None:
        first, second, third = self.nodes
        self.session("client goes from node 1 to node 3", lambda: None, lambda: None)
        self.session("node 1 killed before publishing", first.kill, lambda: None)
        self.back(first)
        time.sleep(5)
        self.session("the publisher's node 2 killed after the last PUBACK", lambda: None, second.kill)
        self.back(second)
        time.sleep(5)

        def all_killed() -> None:
            for node in self.nodes:
                node.kill()
            self.back(*self.nodes)

        self.session("all three killed after the last PUBACK", lambda: None, all_killed)

    def take_over(self) -> None:
        first, second, _ = self.nodes
        one = Client("same", first, topics=("q/same",))
        other = Client("same", second)
        time.sleep(5)
        self.say("same client id at node 1, then at node 2",
                 f"the first is {'closed' if one.is_ended else 'left open'}, session present {other.present}")
        one.leave()
        other.leave()

    def apart(self) -> None:
        """Node 1 sees its clients, and not the other nodes."""
        first, second, _ = self.nodes
        reader = Client("patient", second, topics=("q/apart",))
        writer = Client("cut", first)
        begin = time.monotonic()
        first.machine.cut("nodes")
        acknowledged = writer.publish("q/apart", "early", patience=10)
        self.say("a message to a node that is cut off from the others", "acknowledged" if acknowledged else "not acknowledged within 10 s")
        while not writer.is_ended and time.monotonic() - begin < 60:
            time.sleep(0.1)
        self.say("its clients", f"lose the connection after {time.monotonic() - begin:.0f} s" if writer.is_ended else "stay for 60 s")
        first.machine.mend()
        time.sleep(30)
        self.say("30 s after the cable is back, the message", "came" if ("q/apart", "early") in reader.heard else "did not come")
        reader.leave()
        writer.leave()


def main() -> int:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    named(sys.argv[1])  # downloads, which nobody can in there
    network.run_apart()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
    survey = None
    try:
        survey = Survey(sys.argv[1], directory)
        for part in (survey.cards, survey.sessions, survey.take_over, survey.apart):
            try:
                part()
            except AssertionError as error:
                survey.say(part.__name__, f"gave up: {error}")
    finally:
        if survey is not None:
            survey.cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
