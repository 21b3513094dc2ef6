#!/bin/bash
# Guess: mkm of 2019 and mkm of 2026 read each other's group IDs as those of groups. It is a good guess: an address has been
# the same 25 bytes with the same check bytes all the time, each generation reads the IDs of the other's people, and a group
# differs from those by one byte, which 2019 has a table for.
#
# Software of 2019 reads no group ID of today at all: the byte is not in its table, there is no address, and asking whether
# that one is good raises. Software of today reads the group of 2019 as a person, because its byte is even, and would wait
# for that person's visa.
#
# What an agent has to do: to tell groups by the bytes of both eras, and not to count on a member of 2019 in a group that it
# founds; the other way round works.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
pip="python/bin/pip --quiet --disable-pip-version-check install --no-deps"
common="pycryptodome==4.4.0 base58==2.1.1 ecdsa==0.19.2 six==1.17.0"
$pip --target old dimp==0.4.8 mkm==0.6.3 dkd==0.4.4 numpy==2.4.6 $common
$pip --target new dimp==2.4.3 dimsdk==2.4.3 dimplugins==2.4.3 mkm==2.4.3 dkd==2.4.3 $common

cat >old.py <<'END'
import sys
from dimp import ID, Meta, NetworkID, PrivateKey
if len(sys.argv) == 1:
    meta = Meta.generate(PrivateKey({"algorithm": "RSA", "keySizeInBits": 1024}), seed="club")
    print(*[meta.generate_identifier(network=kind) for kind in (NetworkID.Main, NetworkID.Group)])
for text in sys.argv[1:]:
    try:
        print("a group" if ID(text).type.is_group() else "a person")
    except AttributeError:
        print("AttributeError")
END
cat >new.py <<'END'
import sys
from dimplugins import ExtensionLoader, PluginLoader
from dimplugins.crypto.rsa import RSAPrivateKey
from dimsdk import ID, Meta, MetaType
ExtensionLoader().load()
PluginLoader().load()
if len(sys.argv) == 1:
    meta = Meta.generate(MetaType.MKM, RSAPrivateKey.new_key(1024), seed="club")
    print(*[ID.generate(meta=meta, network=kind) for kind in (0, 1)])
for text in sys.argv[1:]:
    print("a group" if ID.parse(text).is_group else "a person")
END
by_old() { PYTHONPATH=old python/bin/python old.py "$@"; }
by_new() { PYTHONPATH=new python/bin/python new.py "$@"; }
read -r old_person old_group <<<"$(by_old)"
read -r new_person new_group <<<"$(by_new)"
# What each makes of itself, and of the other.
seen=$(by_old "$old_person" "$old_group" "$new_person" "$new_group" | paste -sd,)
seen="$seen; $(by_new "$new_person" "$new_group" "$old_person" "$old_group" | paste -sd,)"
echo "version: mkm 0.6.3 and mkm 2.4.3"
echo "expected: a person,a group,a person,a group; a person,a group,a person,a group"
echo "seen: $seen"
[ "$seen" = "a person,a group,a person,AttributeError; a person,a group,a person,a person" ]
