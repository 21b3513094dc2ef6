"""What the stock peers share: one MQTT connection, and JSON lines on stdin and stdout.

A peer is a long-running process. Every line on stdin is a command, every line on stdout an event:

    {"cmd": "card"}                                      -> {"event": "card", "did", "meta", "visa"}
    {"cmd": "publish-card"}                              -> {"event": "published-card"}
    {"cmd": "renew"}                                     -> {"event": "renewed"}: another key, and a visa for it
    {"cmd": "learn", "did": ID}                          -> {"event": "learnt", "did", "visa": true|false}
    {"cmd": "learn", "did": ID, "meta": M, "visa"?: V}   -> the same, without asking the broker
    {"cmd": "send", "to": ID, "text": T, "attach"?: bool, "repeat"?: N} -> {"event": "sent", "to", "sn", "wire"} N times
    {"cmd": "open", "wire": TEXT}                        -> what an arrival of TEXT would give
    {"cmd": "stop"}

    {"cmd": "found", "members": [ID]}                    -> {"event": "founded", "group": ID}
    {"cmd": "change", "act": "invite"|"expel"|"reset"|"hire"|"quit"|"query"…, "group": ID, "members"?: [ID]}
                                                         -> {"event": "changed", "act", "group", "done": true|false}
    {"cmd": "say", "group": ID, "text": T}               -> {"event": "said", "group", "sn"}
    {"cmd": "group", "group": ID}                        -> {"event": "group", "group", "owner", "members", "administrators"}

    {"event": "ready", "did", "address"}                 once, when the postbox is subscribed
    {"event": "message", "sender", "content", "signature_ok", "attached", "wire"}
    {"event": "inside", "sender", "content"}             of a message inside the one before
    {"event": "parked", "sender"}                        the sender's meta is unknown; the retained one is awaited
    {"event": "refused", "why", "wire"?}

Only the person behind the postbox differs between the generations of DIMP: see `Person`.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import queue
import sys
import threading
import traceback

import ecdsa
import paho.mqtt.client as mqtt
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15


class LaidAside(Exception):
    """The stack has laid a message aside until it knows more."""


class Person:
    """One identity on one DIMP stack. Stock classes do the work; a subclass only introduces them."""

    did: str
    meta: dict
    visa: dict | None

    @property
    def address(self) -> str:
        return address_of(self.did)

    def knows(self, did: str) -> bool:
        """Whether the meta of `did` is known."""
        raise NotImplementedError

    def meta_of(self, did: str) -> dict:
        """The known meta of `did`, as it came."""
        raise NotImplementedError

    def learn_meta(self, did: str, meta: dict) -> None:
        """Saves a meta that matches `did`, else raises ValueError."""
        raise NotImplementedError

    def learn_visa(self, did: str, visa: dict) -> None:
        """Saves a visa signed by the owner of `did`, else raises ValueError."""
        raise NotImplementedError

    def pack(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        """Encrypts and signs a text: its serial number, and the bytes for the wire."""
        raise NotImplementedError

    def renew(self) -> None:
        """Makes another key that messages are encrypted for, and a visa that names it."""
        raise NotImplementedError

    def parse(self, wire: bytes) -> dict:
        """The fields of a message by their full names."""
        return json.loads(wire)

    def open(self, wire: bytes) -> dict:
        """Verifies and decrypts: the content as a plain object. Raises whatever the stock package raises."""
        raise NotImplementedError

    def answers(self) -> list[tuple[str, bytes]]:
        """What the stack wants to say by now: receivers and messages. Bare libraries say nothing by themselves."""
        return []

    def wanted(self) -> set[str]:
        """Of whom the stack wants to know more: applications ask their station, and here is a directory instead."""
        return set()

    def resumed(self) -> list[tuple[dict, dict]]:
        """Messages that had to wait for what was learnt by now, and their contents."""
        return []

    def inside(self) -> list[tuple[str, dict]]:
        """Senders and contents of the messages inside the one that was opened last."""
        return []

    # Groups

    def found(self, members: list[str]) -> str:
        """Founds a group and tells its members: its ID."""
        raise NotImplementedError

    def change(self, act: str, group: str, members: list[str]) -> bool:
        """Gives a command about a group. False: the stack says that this person may not."""
        raise NotImplementedError

    def say(self, group: str, text: str) -> int:
        """Writes to all members: the serial number."""
        raise NotImplementedError

    def group(self, group: str) -> dict:
        """The `owner`, `members` and `administrators` as the stack knows them."""
        raise NotImplementedError


def address_of(did: str) -> str:
    return did.split("/", 1)[0].rsplit("@", 1)[-1]


def signature_holds(meta: dict, message: dict) -> bool:
    """Checks the signature over the decoded `data` by itself, because stock 2.4.3 and 2.5 say yes to every RSA one."""
    if message["receiver"].lower().endswith(("anywhere", "everywhere")):
        data = message["data"].encode("utf-8")
    else:
        data = base64.b64decode(message["data"])
    signature = base64.b64decode(message["signature"])
    if meta["key"]["algorithm"] == "ECC":
        text = meta["key"]["data"]
        key = ecdsa.VerifyingKey.from_pem(text) if "BEGIN" in text else ecdsa.VerifyingKey.from_string(
            bytes.fromhex(text), curve=ecdsa.SECP256k1
        )
        try:
            return key.verify(signature, data, hashlib.sha256, ecdsa.util.sigdecode_der)
        except ecdsa.BadSignatureError:
            return False
    try:
        pkcs1_15.new(RSA.import_key(meta["key"]["data"])).verify(SHA256.new(data), signature)
        return True
    except ValueError:
        return False


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", default="dim/v1")
    parser.add_argument("--name", default="stock")
    parser.add_argument("--key-bits", type=int, default=1024)
    return parser


def device_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--terminal", help="the device that the visa is for")
    parser.add_argument("--owner", type=pathlib.Path, help="a file with the key of a meta, which the first device writes")


def shared_key(file: pathlib.Path | None, make, parse):
    """The key of the meta: of its own, or the one that all devices of its owner have."""
    if file is None:
        return make()
    if not file.exists():
        file.write_text(json.dumps(make().to_map()))
    return parse(json.loads(file.read_text()))


class Postbox:
    """Carries a person's messages. Everything happens on the main thread; the others only put into `inputs`."""

    def __init__(self, person: Person, options: argparse.Namespace):
        self.person = person
        self.root = options.root
        self.inputs: queue.Queue = queue.Queue()
        self.parked: dict[str, list[bytes]] = {}
        self.asked: set[str] = set()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"stock-{person.address}-{getattr(options, 'terminal', None) or ''}",
            clean_session=False,
        )
        self.client.on_connect = lambda *_: self.inputs.put(("connected", None, None))
        self.client.on_subscribe = lambda *_: self.inputs.put(("subscribed", None, None))
        self.client.on_message = lambda _c, _u, m: self.inputs.put(("arrived", m.topic, m.payload))
        self.client.reconnect_delay_set(1, 2)
        self.client.connect(options.host, options.port, keepalive=30)
        self.ready = False

    def run(self) -> None:
        threading.Thread(target=self.read_commands, daemon=True).start()
        self.client.loop_start()
        while True:
            kind, name, value = self.inputs.get()
            try:
                if kind == "stop":
                    break
                self.handle(kind, name, value)
            except Exception as error:  # the stock packages raise anything at all
                traceback.print_exc()
                tell("refused", why=f"{type(error).__name__}: {error}")
        self.client.disconnect()
        self.client.loop_stop()

    def read_commands(self) -> None:
        for line in sys.stdin:
            if line.strip():
                command = json.loads(line)
                self.inputs.put((command.pop("cmd"), None, command))
        self.inputs.put(("stop", None, None))

    def handle(self, kind: str, topic: str | None, value) -> None:
        if kind == "connected":
            self.client.subscribe(self.topic(self.person.did, "in"), qos=1)
            for did in self.asked:
                self.ask(did)
        elif kind == "subscribed":
            if not self.ready:
                self.ready = True
                tell("ready", did=self.person.did, address=self.person.address)
        elif kind == "arrived":
            if topic == self.topic(self.person.did, "in"):
                self.arrived(value)
            else:
                self.looked_up(topic, value)
        elif kind == "card":
            tell("card", did=self.person.did, meta=self.person.meta, visa=self.person.visa)
        elif kind == "publish-card":
            self.publish(self.topic(self.person.did, "meta"), json.dumps(self.person.meta).encode(), retain=True)
            if self.person.visa is not None:
                self.publish(self.topic(self.person.did, "visa"), json.dumps(self.person.visa).encode(), retain=True)
            tell("published-card")
        elif kind == "renew":
            self.person.renew()
            tell("renewed")
        elif kind == "learn":
            self.learn(**value)
        elif kind == "send":
            self.send(**value)
        elif kind == "open":
            self.arrived(value["wire"].encode("utf-8"))
        elif kind == "found":
            group = self.person.found(**value)
            self.flush()
            tell("founded", group=group)
        elif kind == "change":
            done = self.person.change(**{"members": [], **value})
            self.flush()
            tell("changed", act=value["act"], group=value["group"], done=done)
        elif kind == "say":
            sn = self.person.say(**value)
            self.flush()
            tell("said", group=value["group"], sn=sn)
        elif kind == "group":
            tell("group", group=value["group"], **self.person.group(**value))
        else:
            tell("refused", why=f"unknown command {kind}")

    # Directory

    def learn(self, did: str, meta: dict | None = None, visa: dict | None = None) -> None:
        if meta is None:
            self.ask(did)
            return
        self.person.learn_meta(did, meta)
        if visa is not None:
            self.person.learn_visa(did, visa)
        tell("learnt", did=did, visa=visa is not None)
        self.flush()

    def ask(self, did: str) -> None:
        self.asked.add(did)
        # The meta first: a visa can only be checked with it, and a broker sends retained messages in this order.
        self.client.subscribe(self.topic(did, "meta"), qos=1)
        self.client.subscribe(self.topic(did, "visa"), qos=1)

    def looked_up(self, topic: str, payload: bytes) -> None:
        for did in list(self.asked):
            if topic == self.topic(did, "meta") and payload:
                self.person.learn_meta(did, json.loads(payload))
                tell("learnt", did=did, visa=False)
                for wire in self.parked.pop(did, []):
                    self.arrived(wire)
            elif topic == self.topic(did, "visa") and payload:
                self.person.learn_visa(did, json.loads(payload))
                tell("learnt", did=did, visa=True)
                self.flush()

    # Messages

    def send(self, to: str, text: str, attach: bool = False, repeat: int = 1) -> None:
        """`repeat` messages of their own, each with the text and, when there are several, its number after it."""
        for number in range(1, repeat + 1):
            sn, wire = self.person.pack(to, text if repeat == 1 else f"{text} {number}", attach)
            self.publish(self.topic(to, "in"), wire)
            tell("sent", to=to, sn=sn, wire=wire.decode("utf-8"))

    def arrived(self, wire: bytes) -> None:
        text = wire.decode("utf-8", errors="backslashreplace")
        try:
            message = self.person.parse(wire)
            sender = message["sender"]
            if "meta" in message and not self.person.knows(sender):
                self.person.learn_meta(sender, message["meta"])
            if not self.person.knows(sender):
                self.parked.setdefault(sender, []).append(wire)
                self.ask(sender)
                tell("parked", sender=sender)
                return
            visa = message.get("visa") or message.get("profile")
            if visa is not None:
                self.person.learn_visa(sender, visa)
            content = self.person.open(wire)
            self.flush()
        except LaidAside:
            tell("parked", sender=sender)
            self.flush()
            return
        except Exception as error:  # the stock packages raise anything at all
            traceback.print_exc()
            tell("refused", why=f"{type(error).__name__}: {error}", wire=text)
            return
        self.tell_opened(message, content, text)

    def tell_opened(self, message: dict, content: dict, wire: str) -> None:
        tell(
            "message",
            sender=message["sender"],
            content=content,
            signature_ok=signature_holds(self.person.meta_of(message["sender"]), message),
            attached=[name for name in ("meta", "visa", "profile") if name in message],
            wire=wire,
        )
        for sender, content in self.person.inside():
            tell("inside", sender=sender, content=content)

    def flush(self) -> None:
        """Sends what the stack wants to say, and looks up whom it wants to know."""
        for message, content in self.person.resumed():
            self.tell_opened(message, content, json.dumps(message))
        for receiver, answer in self.person.answers():
            self.publish(self.topic(receiver, "in"), answer)
        for did in self.person.wanted() - self.asked:
            self.ask(did)

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain)

    def topic(self, did: str, level: str) -> str:
        return f"{self.root}/{address_of(did)}/{level}"


# Some stacks print; they get another standard output.
EVENTS = sys.stdout


def tell(event: str, **fields) -> None:
    EVENTS.write(json.dumps({"event": event, **fields}) + "\n")
    EVENTS.flush()
