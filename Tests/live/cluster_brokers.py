"""Clusters of three brokers, each with its own engine: NATS with JetStream, RabbitMQ with quorum queues.

A node is on a machine of network.py. `nodes` can be killed and started one by one; `url` has the name of them all, and
`urls` one address each.
"""

import pathlib
import subprocess

import newer_brokers
import real_brokers
from harness import start
from network import SIDES, Network

NAME = "brokers"  # with an address of each node
COUNT = 3


class Node:
    """What a broker of real_brokers.py is otherwise on a machine of a cluster's."""

    port = 1883

    def __init__(self, directory: pathlib.Path, machine):
        place = directory / machine.name
        place.mkdir()
        super().__init__(place)
        self.port, self.host, self.before, self.machine = Node.port, machine.address, machine.inside + self.before, machine

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class NATSNode(Node, real_brokers.NATS):
    def command(self) -> list[str]:
        configuration = self.directory / "nats.conf"
        routes = ", ".join(f"nats://{SIDES['nodes']}.{number}:6222" for number in range(1, COUNT + 1))
        configuration.write_text(
            f"server_name: {self.machine.name}\nlisten: 0.0.0.0:4222\n"
            f'jetstream {{ store_dir: "{self.directory}/jetstream", max_memory_store: 64MB, max_file_store: 1GB }}\n'
            f"cluster {{ name: garden, listen: {SIDES['nodes']}.{self.machine.number}:6222, routes: [{routes}] }}\n"
            # A session, and what is retained, is on as many nodes: also what it does without being told.
            f"mqtt {{ listen: 0.0.0.0:{self.port}, stream_replicas: {COUNT}, max_ack_pending: 64 }}\n"
        )
        return ["/usr/sbin/nats-server", "-c", str(configuration)]


class RabbitMQNode(Node, real_brokers.RabbitMQ):
    patience = 400.0  # three of them on two cores that are busy with other suites
    mapping, distribution = 4369, 25672

    def command(self) -> list[str]:
        names = "".join(
            f"cluster_formation.classic_config.nodes.{number} = rabbit@machine{number}\n" for number in range(1, COUNT + 1))
        (self.directory / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nmqtt.listeners.tcp.1 = 0.0.0.0:{self.port}\n"
            "mqtt.allow_anonymous = true\nloopback_users = none\nlog.console.level = warning\nlog.file = false\n"
            "disk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 500MB\n"
            "mqtt.durable_queue_type = quorum\n"
            # A node that is alone stops by itself; with `ignore`, which is the default, two halves never meet again.
            "cluster_partition_handling = pause_minority\nnet_ticktime = 15\n"
            f"cluster_formation.peer_discovery_backend = classic_config\n{names}"
        )
        (self.directory / "plugins").write_text("[rabbitmq_mqtt].\n")
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text("GARDEN")
            cookie.chmod(0o400)
        self.mapper = start(
            [*self.before, "/usr/bin/epmd"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.directory)
        return self.node()

    def environment(self) -> dict[str, str]:
        threads = "+S 1:1 +SDcpu 1:1 +SDio 1 +A 1 +sbwt none"  # three of them share what one has to itself elsewhere
        return {
            **{name: value for name, value in super().environment().items() if name != "ERL_EPMD_ADDRESS"},
            "RABBITMQ_NODENAME": f"rabbit@{self.machine.name}", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": threads,
        }


KINDS = {"nats": NATSNode, "rabbitmq": RabbitMQNode}


def named(text: str) -> type[Node]:
    """The nodes of `nats`, or of `nats@sid` (newer_brokers.py)."""
    kind, _, release = text.partition("@")
    return newer_brokers.of_release(KINDS[kind], kind, release) if release else KINDS[kind]


class Cluster:
    """The nodes and the network between them and the boards."""

    def __init__(self, directory: pathlib.Path, kind: str):
        self.network = Network(directory, COUNT, NAME)
        self.nodes = [named(kind)(directory, machine) for machine in self.network.machines]
        self.url = f"mqtt://{NAME}"
        self.urls = [node.url for node in self.nodes]

    def start(self) -> None:
        """One after the other: RabbitMQ's nodes are joined so."""
        for node in self.nodes:
            node.start()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
        self.network.stop()
