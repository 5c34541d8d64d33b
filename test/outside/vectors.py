"""The vectors of test/vectors/wire, read by the program written from the CDDL alone. Argument: that folder."""

import json
import sys
from pathlib import Path

from wire import check_pair, check_proof, decode, encode, open_anchor, open_batch, open_signed, privates_of_pem, read_payload

folder = Path(sys.argv[1])


def load(name):
    return json.loads((folder / f"{name}.json").read_text())


keys = {who: key for who, key in load("keys").items() if isinstance(key, dict) and "kid" in key}
publics = {bytes.fromhex(key["kid"]): bytes.fromhex(key["publicKey"]) for key in keys.values()}
privates = {bytes.fromhex(key["kid"]): int(key["privateKey"], 16) for key in keys.values()}
gateway = bytes.fromhex(keys["gateway"]["publicKey"])
done = 0

for vector in load("batch")["vectors"]:
    octets = bytes.fromhex(vector["batch"])
    for kid, _ in decode(octets)[3]:
        batch = open_batch(octets, {kid: privates[kid]})
        check_pair(open_anchor(bytes.fromhex(vector["anchor"]), gateway), batch)
        done += 1
for vector in load("payload")["vectors"]:
    names, readings = read_payload(bytes.fromhex(vector["octets"]))
    assert names == vector["value"]["roster"] and len(readings) == len(vector["value"]["readings"])
    done += 1
for vector in load("reading")["vectors"]:
    octets = bytes.fromhex(vector["octets"])
    assert encode(decode(octets)) == octets
    done += 1
for kind in ("anchor", "receipt", "alarm", "request"):
    for vector in load(kind)["vectors"]:
        open_signed(bytes.fromhex(vector["signed"]), kind, publics[bytes.fromhex(vector["kid"])])
        done += 1
for vector in load("proof")["vectors"]:
    check_proof(bytes.fromhex(vector["octets"]), gateway)
    done += 1
print(json.dumps({"done": done}))
