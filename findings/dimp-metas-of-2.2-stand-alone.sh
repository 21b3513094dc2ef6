#!/bin/bash
# Guess: the Python stacks 2.0.0, 2.2.2 and 2.4.3 of DIMP read each other's metas, nine pairs of nine. It is a good
# guess: a meta never changes once it is made, an ID depends on it, and these are versions of one major number; if one
# pair failed, it would be the oldest and the newest.
#
# The oldest and the newest read each other. 2.2.2 reads none of theirs and they none of its: it writes `"type":
# "MKM"` where 2.0 writes the number 1 and 2.4 the string "1", and nobody knows the other's names. Two of three raise
# an error for it, 2.4.3 answers None.
#
# What an agent has to do: read all three, as well as `version` of 2019; write the number, which only 2.2 cannot read.
# The key, the seed and the fingerprint are the same in all, so changing the type alone makes the meta good, and the
# ID stays.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
pip="python/bin/pip --quiet --disable-pip-version-check install --no-deps"
$pip pycryptodome==4.4.0 base58==2.1.1 ecdsa==0.19.2 six==1.17.0
stacks="2.0.0 2.2.2 2.4.3"
for stack in $stacks; do
    $pip --target "$stack" dimsdk=="$stack" dimplugins=="$stack" dimp=="$stack" mkm=="$stack" dkd=="$stack"
done

cat >meta.py <<'END'
# meta.py make TYPE FILE: a meta and its ID, as JSON. meta.py read FILE: "reads", if this stack reads and believes them.
import json, sys
import dimplugins
from dimp import ID, Meta, PrivateKey

if hasattr(dimplugins, "register_plugins"):  # 2.0
    dimplugins.register_plugins()
elif hasattr(dimplugins, "ExtensionLoader"):  # 2.4
    dimplugins.ExtensionLoader().load()
    dimplugins.PluginLoader().load()
else:
    import dimsdk.plugins
    dimsdk.plugins.ExtensionLoader().run()
    dimplugins.PluginLoader().run()

if sys.argv[1] == "make":
    kind, file = sys.argv[2:]
    meta = Meta.generate(json.loads(kind), PrivateKey.generate("RSA"), "alice")
    made = {"meta": dict(meta.items()), "id": f"alice@{meta.generate_address(0)}"}
    json.dump(made, open(file, "w"))
else:
    made = json.load(open(sys.argv[2]))
    try:
        meta = Meta.parse(made["meta"])
        address = ID.parse(made["id"]).address
        print("reads" if meta is not None and meta.generate_address(0) == address else "refuses")
    except (AssertionError, ValueError) as error:
        print("raises", type(error).__name__, file=sys.stderr)
END

stack() { PYTHONPATH=$1 python/bin/python meta.py "${@:2}"; }
stack 2.0.0 make 1 2.0.0.json
stack 2.2.2 make '"MKM"' 2.2.2.json
stack 2.4.3 make '"1"' 2.4.3.json
seen=
for reader in $stacks; do
    seen="$seen$reader reads"
    for writer in $stacks; do
        [ "$(stack $reader read $writer.json 2>>errors)" != reads ] || seen="$seen $writer"
    done
    seen="$seen; "
done
sed 's/"type": "MKM"/"type": 1/' 2.2.2.json >other.json
seen="${seen}with the number 1 instead of MKM 2.4.3 $(stack 2.4.3 read other.json) that of 2.2.2"
echo "version: dimsdk, dimplugins, dimp, mkm, dkd $(echo $stacks | sed 's/ /, /g')"
echo "expected: each of the three reads 2.0.0 2.2.2 2.4.3"
echo "seen: $seen"
wanted="2.0.0 reads 2.0.0 2.4.3; 2.2.2 reads 2.2.2; 2.4.3 reads 2.0.0 2.4.3; "
[ "$seen" = "${wanted}with the number 1 instead of MKM 2.4.3 reads that of 2.2.2" ]
