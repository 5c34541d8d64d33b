"""
Judges a site from outside: what went over the broker, what the chain has, and one proof.
Reads a JSON description on standard input, prints one JSON line a check: {"what", "holds", "detail"}.
"""

import json
import sqlite3
import sys
from hashlib import sha256
from pathlib import Path

from evm import Contract
from wire import Broken, check_pair, check_proof, hash_of, open_anchor, open_batch, open_signed, privates_of_pem, public_of_pem

site = json.load(sys.stdin)


def check(what, holds, detail=""):
    print(json.dumps({"what": what, "holds": bool(holds), "detail": str(detail)}), flush=True)


def messages(topic):
    """Payloads under the topic, in the order of the capture (mosquitto_sub -F '%t %x')."""
    for line in Path(site["capture"]).read_text().splitlines():
        name, _, octets = line.partition(" ")
        if name == f"wattproof/v1/{site['gateway']}/{topic}":
            yield bytes.fromhex(octets)


registration = json.loads(Path(site["bundle"]).read_text())
gateway = public_of_pem(registration["signKeyPem"])
ledger = public_of_pem(Path(site["ledgerSignKey"]).read_text())
privates = privates_of_pem(Path(site["ledgerKey"]).read_text())

# 1. the broker: anchors by sequence, each with its batch. Of what came after the first `slots` some may be on its way still.
settled = range(site["slots"])
anchors, octets_of_anchor = {}, {}
for octets in messages("anchor"):
    anchor = open_anchor(octets, gateway)
    seq = anchor["seq"]
    if octets_of_anchor.setdefault(seq, octets) != octets:
        raise Broken(f"sequence {seq} was sent with different octets")
    anchors[seq] = anchor
check("anchors are signed by the registered key", set(settled) <= set(anchors), f"{len(anchors)} anchors")
chained = all(anchors[seq]["prev"] == (anchors[seq - 1]["anchorHash"] if seq else bytes(32)) for seq in anchors)
check("each anchor names the one before", chained and sorted(anchors) == list(range(len(anchors))))

opened = {}
for octets in messages("batch"):
    batch = open_batch(octets, privates)
    check_pair(anchors[batch["seq"]], batch)
    opened[batch["seq"]] = batch
check("every batch opens, and its leaves give the anchor's root", set(settled) <= set(opened), f"{len(opened)} batches")
rosters = {tuple(batch["names"]) for batch in opened.values()}
check("every meter is in every slot", rosters == {tuple(site["meters"])} and all(
    [reading[0] for reading in batch["readings"]] == site["meters"] for batch in opened.values()))

accepted = set()
for octets in messages("receipt"):
    receipt, _ = open_signed(octets, "receipt", ledger)
    if receipt[6] == 0:
        accepted.add(receipt[5])
check("every anchor has the ledger's signed receipt", {anchors[seq]["anchorHash"] for seq in settled} <= accepted)

# 2. the chain, against the gateway's own store
contract = Contract(site["rpc"], site["contract"], json.loads(Path(site["artefact"]).read_text())["abi"])
logs = contract.logs()
chain = [log for log in logs if log["event"] == "Anchored"]
name = sha256(site["gateway"].encode()).digest()
store = sqlite3.connect(f"file:{site['store']}?mode=ro", uri=True)
stored = [bytes(row[0]) for row in store.execute("select anchor_hash from batch order by id")]
hashes = [log["anchorHash"] for log in chain]
check("every anchor of the store is on chain once, in its order", stored[: len(hashes)] == hashes and len(hashes) >= len(settled), f"{len(hashes)} events")
fields = ("seq", "slotFrom", "slotTo", "count", "root", "prev", "anchorHash", "epoch")
check("with what the gateway signed", all(
    log["gateway"] == name and all(log[field] == anchors[log["seq"]][field] for field in fields) for log in chain))
check("without a conflict", not any(log["event"] in ("AnchorConflict", "AnchorRefused", "AnchorStale") for log in logs))
opening = [log for log in logs if log["event"] == "EpochOpened"]
check("in one epoch, opened with its reason", [log["epoch"] for log in opening] == [anchors[0]["epoch"]] and opening[0]["reason"] == anchors[0]["reason"])
registered = next(log for log in logs if log["event"] == "GatewaySet")
check("by the registered account", registered["signer"] == registration["chainAccount"].lower() and all(
    log["by"] == registered["signer"] for log in chain))
signer, status, epoch, following, head, _ = contract.call("gateways", name)
check("the contract's head is the last anchor", head == hashes[-1] and following == len(hashes) and epoch == anchors[0]["epoch"])

# 3. one proof
proof = check_proof(Path(site["proof"]).read_bytes(), gateway, ledger)
check("the proof holds off line", proof["meter"] == site["provedMeter"], f"{proof['meter']} slot {proof['slot']}")
anchor, entry = proof["anchor"], proof["entry"]


def verify_leaf(entry, index):
    return contract.call("verifyLeaf", anchor["root"], entry, index, anchor["count"], proof["path"])[0]


forged = entry[:-1] + bytes([entry[-1] ^ 1])
check("the contract verifies the leaf", verify_leaf(entry, proof["index"]) is True)
check("and no forged one", verify_leaf(forged, proof["index"]) is False)
check("nor one in another's place", verify_leaf(entry, (proof["index"] + 1) % anchor["count"]) is False)
h = hash_of(anchor["suite"])
check("the leaf is the batch's", h(b"\x00" + entry) == opened[anchor["seq"]]["leaves"][proof["index"]])
