"""The brokers that Debian has, and amqtt: each as its package configures it, as far as that goes without root.

Each one has a directory and free loopback ports of its own, and one process that is ended by its id. Nothing of the
system's is used or changed: no service, no user, no file below /etc or /var. `url` and `lines` are what a board's
`[broker]` section needs.
"""

import getpass
import os
import pathlib
import socket
import subprocess

from harness import TOP, end, eventually, free_port, start


class RealBroker:
    """A broker in one process: it listens on `port` once it has started, and keeps what it keeps in `directory`."""

    patience = 60.0  # seconds until it listens

    host = "127.0.0.1"
    before: list[str] = []  # what stands before each of its commands, which replaces itself with it
    top = pathlib.Path("/")  # below which its programs are
    package = ""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory / "broker"
        self.directory.mkdir()
        self.port = free_port()
        self.process = None

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    @classmethod
    def version(cls) -> str:
        """Of its package."""
        asked = ["dpkg-query", "-W", "-f", "${Version}", cls.package]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout

    user: tuple[str | None, str | None] = (None, None)  # its name and password, where one is needed

    @property
    def lines(self) -> list[str]:
        if self.user[0] is None:
            return []
        password = self.directory / "password"
        password.write_text(f"{self.user[1]}\n")
        password.chmod(0o600)
        return [f"username = {self.user[0]}", f"password_file = {password}"]

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        self.launch()
        eventually(self.listens, self.patience, f"the start of {type(self).__name__}")

    def launch(self) -> None:
        """Starts it and does not wait until it listens."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ", "EJABBERD", "ERL"))}
        with open(self.directory / "log", "ab") as log:
            self.process = start(
                [*self.before, *self.command()], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**clean, "HOME": str(self.directory), "LC_ALL": "C.UTF-8", **self.environment()},
            )

    def listens(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"{type(self).__name__} ended with {self.process.returncode}:\n{self.log[-3000:]}")
        return _listens(self.port, self.host)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        # With force: what a broker does at a clean end interests nobody here, and takes RabbitMQ seconds.
        if self.process is not None and self.process.poll() is None:
            self.kill()
        end(self.process)


class Mosquitto(RealBroker):
    """As Debian configures it, with persistence; it writes its store every half hour, and at a clean end."""

    package = "mosquitto"

    def command(self) -> list[str]:
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n"
            f"persistence true\npersistence_location {self.directory}/\n"
        )
        return ["/usr/sbin/mosquitto", "-c", str(configuration)]


class NATS(RealBroker):
    """MQTT needs JetStream and a name of the server; JetStream keeps messages and sessions in files."""

    package = "nats-server"

    def command(self) -> list[str]:
        configuration = self.directory / "nats.conf"
        configuration.write_text(
            f"server_name: one\nlisten: 127.0.0.1:{free_port()}\n"
            f'jetstream {{ store_dir: "{self.directory}/jetstream" }}\n'
            f"mqtt {{ listen: 127.0.0.1:{self.port} }}\n"
        )
        return ["/usr/sbin/nats-server", "-c", str(configuration)]


class RabbitMQ(RealBroker):
    """With the plugin rabbitmq_mqtt. Its node needs a port mapper, epmd; this one has its own, on a port of its own: the
    daemon that Erlang would start by itself outlives the node and is everybody's."""

    patience = 180.0  # ten seconds on a machine with nothing else to do
    package = "rabbitmq-server"
    mapper: subprocess.Popen | None = None

    def command(self) -> list[str]:
        self.mapping, self.distribution = free_port(), free_port()
        self.configure()
        self.mapper = start(
            [*self.before, "/usr/bin/epmd", "-address", "127.0.0.1", "-port", str(self.mapping)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        eventually(lambda: _listens(self.mapping), 10, "epmd's start")
        return self.node()

    def configure(self) -> None:
        (self.directory / "rabbitmq.conf").write_text(
            "listeners.tcp = none\n"
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "mqtt.allow_anonymous = true\nlog.console.level = error\nlog.file = false\n"
            # It would accept nothing while the test machine is short of memory or disk.
            "disk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 1GB\n"
        )
        (self.directory / "plugins").write_text("[rabbitmq_mqtt].\n")

    def node(self) -> list[str]:
        script = next(self.top.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
        return ["/" + str(script.relative_to(self.top))]

    def environment(self) -> dict[str, str]:
        place = str(self.directory)
        return {
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node, instead of waiting for it
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.mapping),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": "culver@localhost",
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_CONFIG_FILE": f"{place}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{place}/none.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{place}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{place}/mnesia",
            "RABBITMQ_LOG_BASE": f"{place}/logs",
            "RABBITMQ_PLUGINS_EXPAND_DIR": f"{place}/expanded",
            "RABBITMQ_PID_FILE": f"{place}/pid",
        }

    def kill(self) -> None:
        super().kill()
        end(self.mapper)

    def stop(self) -> None:
        super().stop()
        end(self.mapper)


class Ejabberd(RealBroker):
    """Without a node's name, so without epmd. Everybody may log in, as a user of its host."""

    package = "ejabberd"
    user = ("board@localhost", "any")  # it lets nobody in who has none

    def command(self) -> list[str]:
        (self.directory / "ejabberd.yml").write_text(
            "hosts: [localhost]\nloglevel: warning\n"
            f'listen:\n  - {{port: {self.port}, ip: "127.0.0.1", module: mod_mqtt}}\n'
            "auth_method: [anonymous]\nanonymous_protocol: login_anon\nallow_multiple_connections: true\n"
            "modules:\n  mod_mqtt: {}\n"
        )
        return ["/usr/bin/erl", "-noinput", "-mnesia", "dir", f'"{self.directory}/mnesia"', "-s", "ejabberd"]

    def environment(self) -> dict[str, str]:
        libraries = next(self.top.glob("usr/lib/*-linux-gnu/ejabberd-*")).parent
        return {
            "EJABBERD_CONFIG_PATH": f"{self.directory}/ejabberd.yml",
            "EJABBERD_LOG_PATH": f"{self.directory}/ejabberd.log",
            "ERL_LIBS": "/" + str(libraries.relative_to(self.top)),
            "ERL_CRASH_DUMP": "/dev/null",
        }


class Amqtt(RealBroker):
    """From PyPI, in an environment of its own (peers/requirements-amqtt.txt). It keeps messages for a client that is away
    only where a plugin that knows passwords is in charge."""

    python = pathlib.Path(os.environ.get("CULVER_PYTHON_AMQTT", TOP / ".build/python-amqtt/bin/python"))
    script = """
import asyncio, json, logging, sys
from amqtt.broker import Broker

async def serve():
    await Broker(json.loads(sys.argv[1])).start()
    await asyncio.Event().wait()

logging.basicConfig(level=logging.ERROR)
asyncio.run(serve())
"""

    user = ("board", "sesame")

    def command(self) -> list[str]:
        passwords = self.directory / "passwords"
        if not passwords.exists():
            hash = "from pwdlib import PasswordHash; print(PasswordHash.recommended().hash('sesame'))"
            made = subprocess.run([self.python, "-c", hash], check=True, capture_output=True, text=True, timeout=60)
            passwords.write_text(f"board:{made.stdout}")
        configuration = (
            f'{{"listeners": {{"default": {{"type": "tcp", "bind": "127.0.0.1:{self.port}"}}}}, "plugins": '
            f'{{"amqtt.plugins.authentication.FileAuthPlugin": {{"password_file": "{passwords}"}}}}}}'
        )
        return [str(self.python), "-c", self.script, configuration]


def _listens(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port)) == 0
