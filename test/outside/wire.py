"""A reader of the wire contract, written from proto/wire/wattproof.cddl alone; the sections named are that file's."""

import base64
import hashlib
import zlib

from gm import hkdf_sm3, hmac_sm3, multiply, G, octets_of, sm2_decrypt, sm2_verify, sm3, sm4_ctr, sm4_gcm_open


class Broken(Exception):
    """What was received is not what the contract says."""


def need(holds, what):
    if not holds:
        raise Broken(what)


def u64be(n):
    return n.to_bytes(8, "big")


# ---------------------------------------------------------------- section 1: encoding

HEAD_SIZES = {24: 1, 25: 2, 26: 4, 27: 8}


def encode(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(4, len(value)) + b"".join(encode(one) for one in value)


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for short, size in HEAD_SIZES.items():
        if n < 1 << 8 * size:
            return bytes([major << 5 | short]) + n.to_bytes(size, "big")
    raise Broken("too large")


def decode(octets):
    value, end = decode_at(octets, 0, 0)
    need(end == len(octets), "octets after the value")
    need(encode(value) == octets, "not deterministic")
    return value


def decode_at(octets, at, depth):
    need(at < len(octets), "truncated")
    major, n = octets[at] >> 5, octets[at] & 31
    at += 1
    if major == 7:
        need(n == 22, "a simple value other than null")
        return None, at
    if n >= 24:
        need(n in HEAD_SIZES, "an indefinite length")
        size = HEAD_SIZES[n]
        n, at = int.from_bytes(octets[at : at + size], "big"), at + size
    if major == 0 or major == 1:
        need(n < 1 << 53, "beyond the safe integers")
        return (n if major == 0 else -1 - n), at
    if major == 2 or major == 3:
        need(at + n <= len(octets), "truncated")
        part = octets[at : at + n]
        return (part if major == 2 else part.decode("utf-8")), at + n
    need(major == 4 and depth < 4, "a map, a tag or too deep")
    out = []
    for _ in range(n):
        one, at = decode_at(octets, at, depth + 1)
        out.append(one)
    return out, at


# ---------------------------------------------------------------- sections 2 and 3: suites, tree


def hash_of(suite):
    need(suite in (1, 2, 3), "unknown suite")
    return (lambda octets: hashlib.sha256(octets).digest()) if suite == 1 else sm3


def tree_root(h, leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else h(b"")
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return h(b"\x01" + tree_root(h, leaves[:split]) + tree_root(h, leaves[split:]))


def root_by_path(h, leaf, index, size, path):
    """RFC 9162 2.1.3.2"""
    fn, sn, r = index, size - 1, leaf
    for node in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            r = h(b"\x01" + node + r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = h(b"\x01" + r + node)
        fn, sn = fn >> 1, sn >> 1
    return r if sn == 0 else None


# ---------------------------------------------------------------- section 7: payload


class Payload:
    def __init__(self, octets):
        self.octets, self.at = octets, 0

    def take(self, n):
        need(self.at + n <= len(self.octets), "the payload ends early")
        self.at += n
        return self.octets[self.at - n : self.at]

    def uint(self):
        value = 0
        for i in range(8):
            octet = self.take(1)[0]
            value |= (octet & 127) << 7 * i
            if octet < 128:
                need(octet != 0 or i == 0, "a padded number")
                return value
        raise Broken("a number of more than 8 octets")

    def int(self):
        v = self.uint()
        return -(v + 1) // 2 if v & 1 else v // 2

    def uints(self, n):
        return [self.uint() for _ in range(n)]

    def column(self, rows, earlier=None):
        if rows == 0:
            return []
        mode = self.uint()
        if mode == 0:
            factor, base = self.uint(), self.int()
            need(factor >= 1, "factor 0")
            return [base + factor * u for u in self.uints(rows)]
        if mode == 1:
            factor, value, out = self.uint(), self.int(), []
            need(factor >= 1, "factor 0")
            for _ in range(rows):
                value += factor * self.int()
                out.append(value)
            return out
        if mode == 2:
            need(earlier is not None, "a sum outside the values")
            items = self.uints(self.uint())
            need(len(items) <= 16 and all(item in earlier for item in items), "a sum of unread items")
            return [sum(earlier[item][row] for item in items) + self.int() for row in range(rows)]
        need(mode == 3, "unknown mode")
        return [self.int() for _ in range(rows)]


def read_payload(octets):
    """The roster and the readings, each as the array of section 3."""
    p = Payload(octets)
    n = p.uint()
    shared, further = p.uints(n), p.uints(n)
    names, before = [], b""
    for keep, more in zip(shared, further):
        need(keep <= len(before), "shares more than there is")
        before = before[:keep] + p.take(more)
        names.append(before.decode("utf-8"))
    ratios = [p.uints(5) for _ in range(p.uint())]
    classes = []
    for _ in range(p.uint()):
        flags, count, items = p.uint(), p.uint(), []
        for step in p.uints(count):
            items.append(step if not items else items[-1] + step)
        bits = p.take((count + 7) // 8)
        present = {item for i, item in enumerate(items) if bits[i // 8] >> i % 8 & 1}
        classes.append((flags, items, present))
    count = p.uint()
    kinds, meters, slots, versions, qualities, sources = (p.column(count) for _ in range(6))
    optional = []
    for flag in (1, 2, 4):
        rows = [row for row in range(count) if classes[kinds[row]][0] & flag]
        optional.append(dict(zip(rows, p.column(len(rows)))))
    values = [None] * count
    for kind, (_, items, present) in enumerate(classes):
        rows = [row for row in range(count) if kinds[row] == kind]
        columns = {}
        for item in sorted(present, reverse=True):
            columns[item] = p.column(len(rows), columns)
        for i, row in enumerate(rows):
            values[row] = [[item, columns[item][i] if item in present else None] for item in items]
    need(p.at == len(octets), "octets after the payload")
    read_at, meter_time, ratio = optional
    readings = [
        [names[meters[row]], slots[row], versions[row], qualities[row], sources[row], read_at.get(row), meter_time.get(row)]
        + [ratios[ratio[row]] if row in ratio else None, values[row]]
        for row in range(count)
    ]
    return names, readings


# ---------------------------------------------------------------- sections 4 to 6: batch

SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")


def kid_of(public):
    return sm3(SPKI_HEAD + public)[:8]


def pem_bodies(text):
    bodies = []
    for line in text.splitlines():
        if line.startswith("-----BEGIN"):
            bodies.append("")
        elif bodies and not line.startswith("-----"):
            bodies[-1] += line
    return [base64.b64decode(body) for body in bodies]


def public_of_pem(text):
    der = pem_bodies(text)[0]
    need(der[: len(SPKI_HEAD)] == SPKI_HEAD, "not an SM2 public key")
    return der[len(SPKI_HEAD) :]


def privates_of_pem(text):
    """kid -> private scalar of every PKCS#8 key in the text."""
    marker, keys = bytes.fromhex("0201010420"), {}
    for der in pem_bodies(text):
        at = der.index(marker) + len(marker)
        scalar = int.from_bytes(der[at : at + 32], "big")
        keys[kid_of(octets_of(multiply(scalar, G)))] = scalar
    return keys


HEADER = "version suite gateway epoch seq slotFrom slotTo schema roster count root layout compression plainLen recipients created"


def named(names, values):
    names = names.split()
    need(len(names) == len(values), "fields are missing or too many")
    return dict(zip(names, values))


def open_batch(octets, privates):
    """Decrypts a batch and rebuilds its leaves; whatever does not agree raises Broken."""
    header_octets, ciphertext, tag, envelopes = decode(octets)
    header = named(HEADER, decode(header_octets))
    need(header["version"] == 1 and header["layout"] == 1, "unknown version or layout")
    kids = [kid for kid, _ in envelopes]
    need(kids == sorted(set(kids)) and sm3(b"".join(kids)) == header["recipients"], "recipients")
    key = next((sm2_decrypt(privates[kid], wrapped) for kid, wrapped in envelopes if kid in privates), None)
    need(key is not None and len(key) == 32, "no envelope for the key, or a broken one")
    suite, gateway = header["suite"], header["gateway"]
    salt = sm3(encode([1, suite, gateway, header["epoch"], header["seq"]]))
    okm = hkdf_sm3(key, salt, b"wattproof/v1/batch-keys", 64)
    plain = decrypt(suite, okm[:16], okm[16:48], header_octets, ciphertext, tag)
    payload = unpad(plain)
    if header["compression"] == 1:
        inflate = zlib.decompressobj(-15)
        payload = inflate.decompress(payload)
        need(inflate.eof and not inflate.unused_data, "DEFLATE does not end where the body does")
    need(len(payload) == header["plainLen"], "plainLen")
    names, readings = read_payload(payload)
    h = hash_of(suite)
    need(h(b"\x12" + encode(names)) == header["roster"], "roster")
    need(len(readings) == header["count"], "count")
    order = [(names.index(meter), slot, version) for meter, slot, version, *_ in readings]
    need(order == sorted(set(order)), "leaf order")
    leaves = [h(b"\x00" + leaf_salt(okm[48:], reading) + encode(reading)) for reading in readings]
    need(tree_root(h, leaves) == header["root"], "root")
    return {
        **header,
        "names": names,
        "readings": readings,
        "leaves": leaves,
        "headerHash": h(b"\x10" + header_octets),
        "sealedHash": h(b"\x11" + encode([ciphertext, tag, envelopes])),
    }


def decrypt(suite, cipher_key, mac_key, header, ciphertext, tag):
    if suite == 3:
        need(hmac_sm3(mac_key, b"wattproof/v1/commit\0" + header) == tag[16:], "commitment")
        plain = sm4_gcm_open(cipher_key, bytes(12), header, ciphertext, tag[:16])
        need(plain is not None, "tag")
        return plain
    iv = bytes(16)
    lengths = u64be(8 * len(header)) + u64be(8 * len(ciphertext))
    need(hmac_sm3(mac_key, header + iv + ciphertext + lengths) == tag, "tag")
    return sm4_ctr(cipher_key, iv, ciphertext)


def unpad(plain):
    need(len(plain) % 256 == 0, "padding")
    body = plain.rstrip(b"\0")
    need(body[-1:] == b"\x80" and 1 <= len(plain) - len(body) + 1 <= 256, "padding")
    return body[:-1]


def leaf_salt(salt_key, reading):
    return hmac_sm3(salt_key, b"wattproof/v1/leaf\0" + u64be(reading[1]) + reading[0].encode())[:16]


# ---------------------------------------------------------------- sections 8 to 10: anchor, signatures, proof

ANCHOR = "version suite gateway epoch seq prev slotFrom slotTo count root headerHash sealedHash reason created"
SIGNER_FIELD = {"anchor": 2, "receipt": 1, "alarm": 1, "request": 1}


def open_signed(octets, kind, public):
    """The body's fields, and its octets."""
    body, kid, signature = decode(octets)
    fields = decode(body)
    need(kid == kid_of(public), "kid")
    user_id = fields[SIGNER_FIELD[kind]].encode()
    need(sm2_verify(public, user_id, b"wattproof/v1/" + kind.encode() + b"\0" + body, signature), f"signature of the {kind}")
    return fields, body


def open_anchor(octets, public):
    fields, body = open_signed(octets, "anchor", public)
    anchor = named(ANCHOR, fields)
    return {**anchor, "anchorHash": hash_of(anchor["suite"])(b"wattproof/v1/anchor\0" + body)}


COMMON = "suite gateway epoch seq slotFrom slotTo count root headerHash sealedHash created"


def check_pair(anchor, batch):
    for name in COMMON.split():
        need(anchor[name] == batch[name], f"{name} of anchor and batch differ")


def check_proof(octets, gateway_public, ledger_public=None):
    """Holds or raises Broken; gives what an EVM contract needs to check it too."""
    fields = decode(octets)
    version, signed, index, salt, reading, path = fields[:6]
    need(version == 1, "version")
    anchor = open_anchor(signed, gateway_public)
    h = hash_of(anchor["suite"])
    meter, slot, *_ = decode(reading)
    need(index < anchor["count"] and anchor["slotFrom"] <= slot <= anchor["slotTo"], "place of the leaf")
    need(root_by_path(h, h(b"\x00" + salt + reading), index, anchor["count"], path) == anchor["root"], "inclusion")
    if ledger_public is not None:
        need(len(fields) == 7, "no receipt")
        receipt, _ = open_signed(fields[6], "receipt", ledger_public)
        need(receipt[5] == anchor["anchorHash"] and receipt[6] == 0, "receipt")
    return {"anchor": anchor, "entry": salt + reading, "index": index, "path": path, "meter": meter, "slot": slot}
