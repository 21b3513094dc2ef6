"""Groups of a library that keeps none.

Its person remembers what the commands about a group say, in the order in which they come, and sends commands and texts
to each member by itself: texts in the split form, commands as personal messages.
"""

import json
import time

from postbox import Person


class BareGroups(Person):
    KNOWS_RESET = True

    def __init__(self):
        self.groups: dict[str, list[str]] = {}  # the owner first
        self.packages: list[tuple[str, bytes]] = []
        self.within: list[tuple[str, dict]] = []

    # What the library does

    def open_one(self, wire: bytes) -> dict:
        """Verifies and decrypts: the content as a plain object."""
        raise NotImplementedError

    def pack_content(self, to: str, content: dict) -> bytes:
        """Encrypts and signs a content for one person."""
        raise NotImplementedError

    def pack_for_group(self, group: str, text: str) -> tuple[int, list[dict]]:
        """Encrypts and signs a text once: its serial number and a message for each member, as they are on the wire."""
        raise NotImplementedError

    def new_group(self) -> tuple[str, dict, dict]:
        """The ID, the meta and a bulletin that names this person as founder."""
        raise NotImplementedError

    # What the person does

    def open(self, wire: bytes) -> dict:
        self.within = []
        content = self.open_one(wire)
        self.heed(self.parse(wire)["sender"], content)
        return content

    def heed(self, sender: str, content: dict) -> None:
        if int(content["type"]) == 255:
            for inner in content.get("secrets") or [content["forward"]]:
                if "meta" in inner and not self.knows(inner["sender"]):
                    self.learn_meta(inner["sender"], inner["meta"])
                opened = self.open_one(json.dumps(inner).encode())
                self.within.append((inner["sender"], opened))
                self.heed(inner["sender"], opened)
        elif int(content["type"]) in (136, 137) and "group" in content:
            self.obey(sender, content["command"], content["group"], members_of(content))

    def obey(self, sender: str, act: str, group: str, named: list[str]) -> None:
        members = self.groups.setdefault(group, [sender] if act in ("found", "reset", "invite") else [])
        if act == "found":
            named = [sender, *named]
        if act in ("found", "reset"):
            members.clear()
        if act in ("found", "reset", "invite"):
            members.extend(did for did in dict.fromkeys(named) if did not in members)
        if act in ("expel", "quit"):
            for did in named if act == "expel" else [sender]:
                if did in members:
                    members.remove(did)

    def inside(self) -> list[tuple[str, dict]]:
        return self.within

    def answers(self) -> list[tuple[str, bytes]]:
        packages, self.packages = self.packages, []
        return packages

    def found(self, members: list[str]) -> str:
        group, meta, bulletin = self.new_group()
        self.tell(members, {
            "type": 136, "command": "documents", "did": group, "ID": group, "meta": meta, "documents": [bulletin],
            "document": bulletin,
        })
        self.change("reset", group, [self.did, *members])
        return group

    def change(self, act: str, group: str, members: list[str]) -> bool:
        """As applications do it, an invitation or expulsion by the owner is a `reset`, where there is such a command."""
        before = list(self.groups.get(group, []))
        self.obey(self.did, act, group, members)
        after = self.groups[group]
        if self.KNOWS_RESET and before and before[0] == self.did and act in ("invite", "expel"):
            act, members = "reset", after
        for content in self.commands(act, members):
            self.tell(dict.fromkeys(before + after), {"type": 137, "group": group, **content})
        return True

    def commands(self, act: str, members: list[str]) -> list[dict]:
        return [{"command": act, "members": members} if members else {"command": act}]

    def tell(self, receivers, content: dict) -> None:
        content = {"sn": int(time.time() * 1000) % (1 << 31), "time": time.time(), **content}
        self.packages += [(did, self.pack_content(did, content)) for did in receivers if did != self.did]

    def say(self, group: str, text: str) -> int:
        sn, messages = self.pack_for_group(group, text)
        self.packages += [(message["receiver"], json.dumps(message).encode()) for message in messages]
        return sn

    def group(self, group: str) -> dict:
        members = self.groups.get(group, [])
        return {"owner": members[0] if members else None, "members": members, "administrators": []}


def bridged(meta: dict, words: list) -> dict:
    """The meta with the word for its kind that a generation knows, of MKM, BTC and ETH: what deployed applications do,
    because the libraries read nobody else's. Nothing that was signed is another."""
    kind = str(meta.get("type", meta.get("version")))
    for word, others in zip(words, (("1", "MKM"), ("2", "BTC"), ("4", "ETH"))):
        if kind in others:
            return {**meta, "type": word}
    return meta


def named(document: dict) -> dict:
    """The document with the owner under both names, as deployed applications write and read it."""
    did = document.get("did") or document.get("ID")
    return {**document, "did": did, "ID": did}


def members_of(content: dict) -> list[str]:
    return content.get("members") or ([content["member"]] if "member" in content else [])


def split(message: dict, group: str, members: list[str]) -> list[dict]:
    """A copy for each member with its own key alone."""
    keys = message["keys"]
    rest = {name: value for name, value in message.items() if name not in ("key", "keys")}
    return [
        {**rest, "receiver": did, "group": group, "key": keys[did], "keys": {did: keys[did]}}
        for did in members if did in keys
    ]
