"""A stock DIMP peer of the seed's days: dimp 0.4.8, mkm 0.6.3, dkd 0.4.4. The protocol of the pipes is in postbox.py.

`--published NAME --vectors DIR` makes it moki or hulk with the keys that mkm published, read from the vectors.
"""

import json
import pathlib

from dimp import Content, Group, ID, Barrack, InstantMessage, KeyCache, LocalUser, Meta, NetworkID, PrivateKey, Profile, ReliableMessage
from dimp import TextContent, Transceiver, User

from bare import BareGroups
from postbox import Postbox, arguments


class Facebook(Barrack):
    """The seed's Facebook, in memory."""

    def __init__(self):
        super().__init__()
        self.profiles = {}
        self.private_keys = {}  # ID -> (key of the meta, keys for decryption)
        self.memberships = {}

    def save_meta(self, meta, identifier):
        return bool(self.cache_meta(meta=meta, identifier=identifier))

    def user(self, identifier):
        user = super().user(identifier)
        if user is None and identifier is not None:
            user = LocalUser(identifier) if identifier in self.private_keys else User(identifier)
            self.cache_user(user)
        return user

    def group(self, identifier):
        group = super().group(identifier)
        if group is None and identifier is not None:
            group = Group(identifier)
            self.cache_group(group)
        return group

    def profile(self, identifier):
        return self.profiles.get(identifier)

    def private_key_for_signature(self, identifier):
        return self.private_keys[identifier][0]

    def private_keys_for_decryption(self, identifier):
        return self.private_keys[identifier][1]

    def contacts(self, identifier):
        return []

    def founder(self, identifier):
        return None

    def owner(self, identifier):
        return None

    def members(self, identifier):
        return [ID(did) for did in self.memberships.get(str(identifier), [])]


class KeyStore(KeyCache):
    def save_keys(self, key_map):
        return True

    def load_keys(self):
        return None


class Messanger(Transceiver):
    """The seed's class, by the seed's spelling."""

    def __init__(self, facebook):
        super().__init__()
        self.barrack = facebook
        self.key_cache = KeyStore()


class Stock048(BareGroups):
    KNOWS_RESET = False

    def __init__(self):
        super().__init__()
        self.facebook = Facebook()
        self.facebook.memberships = self.groups
        self.messanger = Messanger(self.facebook)
        self.visa = None

    def register(self, name: str, bits: int, with_profile: bool) -> None:
        key = PrivateKey({"algorithm": "RSA", "keySizeInBits": bits})
        self.adopt(Meta.generate(key, seed=name), NetworkID.Main, key)
        if with_profile:
            profile_key = PrivateKey({"algorithm": "RSA", "keySizeInBits": bits})
            profile = Profile.new(self.me)
            profile.name = name
            profile.key = profile_key.public_key
            profile.sign(key)
            self.facebook.private_keys[self.me][1].insert(0, profile_key)
            self.visa = dict(profile)

    def impersonate(self, name: str, vectors: pathlib.Path) -> None:
        """Takes the published meta and private key of moki or hulk."""
        other = {"moki": "hulk", "hulk": "moki"}[name]
        sent = json.loads((vectors / f"message/published-{name}-to-{other}.json").read_text())
        received = json.loads((vectors / f"message/published-{other}-to-{name}.json").read_text())
        key = PrivateKey(received["receiver"]["keys"][0])
        self.adopt(Meta(sent["sender"]["meta"]), NetworkID.Main, key)
        assert self.did == sent["sender"]["did"]

    def adopt(self, meta, network, key) -> None:
        self.me = meta.generate_identifier(network=network)
        self.did, self.meta = str(self.me), dict(meta)
        self.facebook.private_keys[self.me] = (key, [key])
        assert self.facebook.save_meta(meta, self.me)

    def knows(self, did: str) -> bool:
        return self.facebook.meta(ID(did)) is not None

    def meta_of(self, did: str) -> dict:
        return self.facebook.meta(ID(did))

    def learn_meta(self, did: str, meta: dict) -> None:
        if not self.facebook.save_meta(Meta(meta), ID(did)):
            raise ValueError("the meta does not match the ID")

    def learn_visa(self, did: str, visa: dict) -> None:
        profile = Profile(visa)
        if profile.identifier != ID(did) or not profile.verify(self.facebook.meta(ID(did)).key):
            raise ValueError("the profile is not signed by the ID's owner")
        self.facebook.profiles[ID(did)] = profile

    def pack(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        content = TextContent.new(text)
        message = self.messanger.encrypt_sign(InstantMessage.new(content, sender=self.me, receiver=ID(to)))
        if attach:
            message.meta = self.meta
            if self.visa is not None:
                message["profile"] = self.visa
        return content.serial_number, json.dumps(message).encode("utf-8")

    def open_one(self, wire: bytes) -> dict:
        return dict(self.messanger.verify_decrypt(ReliableMessage(json.loads(wire))).content)

    # Groups

    def commands(self, act: str, members: list[str]) -> list[dict]:
        """Its commands name one member each. The `reset` of somebody who founds a group is an invitation."""
        act = "invite" if act == "reset" else act
        return [{"command": act, "member": did} for did in members if did != self.did] or [{"command": act}]

    def pack_content(self, to: str, content: dict) -> bytes:
        message = InstantMessage.new(Content({**content, "time": int(content["time"])}), sender=self.me, receiver=ID(to))
        return json.dumps(self.messanger.encrypt_sign(message)).encode("utf-8")

    def pack_for_group(self, group: str, text: str) -> tuple[int, list[dict]]:
        content = TextContent.new(text)
        content.group = group
        message = self.messanger.encrypt_sign(InstantMessage.new(content, sender=self.me, receiver=ID(group)))
        others = [did for did in self.groups[group] if did != self.did]
        return content.serial_number, [dict(copy) for copy in message.split(others)]

    def new_group(self) -> tuple[str, dict, dict]:
        """The founder's key is the group's. What names the founder is a document of later times."""
        key = self.facebook.private_keys[self.me][0]
        meta = Meta.generate(key, seed="club")
        group = meta.generate_identifier(network=NetworkID.Group)
        bulletin = Profile.new(group)
        bulletin.name = "club"
        bulletin.set_property("founder", self.did)
        bulletin.sign(key)
        return str(group), dict(meta), dict(bulletin)


def main() -> None:
    parser = arguments()
    parser.add_argument("--profile", action="store_true", help="with a profile that holds another encryption key")
    parser.add_argument("--published", choices=["moki", "hulk"])
    parser.add_argument("--vectors", type=pathlib.Path)
    options = parser.parse_args()
    person = Stock048()
    if options.published:
        person.impersonate(options.published, options.vectors)
    else:
        person.register(options.name, options.key_bits, options.profile)
    Postbox(person, options).run()


if __name__ == "__main__":
    main()
