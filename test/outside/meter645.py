"""
A DL/T 645 meter of either edition on a pseudo-terminal, written from the standard and sharing nothing with the product.
Argument: JSON {address, edition, baud, fe, delayMs, mode}. Whatever it hears but a sound question to itself is ignored.
"""

import json
import sys
import time

from pty_server import Line

setting = {"address": "000012345678", "edition": "2007", "baud": 2400, "fe": 4, "delayMs": 25, "mode": "plain"}
setting.update(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
MODE, EDITION = setting["mode"], setting["edition"]
OWN = bytes.fromhex(setting["address"])[::-1]
NOISE = bytes.fromhex("3753c9bdfa0ff0169dc957567406667641a2")


def frame(address, control, data):
    body = b"\x68" + address + bytes([0x68, control, len(data)]) + bytes((octet + 0x33) & 255 for octet in data)
    return body + bytes([sum(body) & 255, 0x16])


def bcd(number, octets, signed=False):
    out = bytearray(bytes.fromhex(str(abs(number)).zfill(2 * octets))[::-1])
    if number < 0:
        assert signed
        out[-1] |= 0x80
    return bytes(out)


ENERGY = [1234567, 100000, 334567, 500000, 300000]
CURRENT = [5123, -4987, 5001]
POWER = [12345, 11000, -9876, 11221]
FACTOR = [985, 990, -980, 987]
VOLTAGE = [bcd(n, 2) for n in (2301, 2295, 2312)]
if MODE == "one-phase":
    VOLTAGE[1:] = [b"\xff\xff"] * 2


def blocks(prefix, suffix, parts, first=0):
    """Single items by the second octet from the low end, and all of them under FF."""
    table = {f"{prefix}{first + n:02X}{suffix}": part for n, part in enumerate(parts)}
    table[f"{prefix}FF{suffix}"] = b"".join(parts)
    return table


ITEMS_2007 = {
    **blocks("0001", "00", [bcd(n, 4) for n in ENERGY]),
    **blocks("0002", "00", [bcd(n, 4) for n in (4321, 1, 2, 3, 4315)]),
    **blocks("0003", "00", [bcd(n, 4, True) for n in (-55512, 1, -2, 3, 0)]),
    **blocks("0201", "00", VOLTAGE, 1),
    **blocks("0202", "00", [bcd(n, 3, True) for n in CURRENT], 1),
    **blocks("0203", "00", [bcd(n, 3, True) for n in POWER]),
    **blocks("0204", "00", [bcd(n, 3, True) for n in (2345, 1000, -876, 2221)]),
    **blocks("0206", "00", [bcd(n, 2, True) for n in FACTOR]),
    "02800002": bcd(4998, 2),
    "04000306": bcd(30, 3),
    "04000401": OWN,
    "04000404": b"220V  "[::-1],
    "01010000": bcd(45678, 3) + bytes.fromhex("3015010126"),
}
ITEMS_1997 = {
    "9010": bcd(ENERGY[0], 4),
    "901F": b"".join(bcd(n, 4) for n in ENERGY),
    "9020": bcd(4321, 4),
    **{f"B61{n + 1}": bcd(volts, 2) for n, volts in enumerate((230, 229, 231))},
    "C032": OWN,
}
LONG = bytes(range(1, 100)) * 3
waiting_parts = {}


def answer(address, control, data):
    """None: a meter that is not meant, or does not know the function, keeps silent."""
    if not all(asked in (own, 0xAA) for asked, own in zip(address, OWN)):
        return None
    if EDITION == "1997":
        if control != 0x01 or len(data) != 2:
            return None
        value = ITEMS_1997.get(data[::-1].hex().upper())
        return frame(OWN, 0xC1, b"\x02") if value is None else frame(OWN, 0x81, data + value)
    if control == 0x13:
        return frame(OWN, 0x93, OWN)
    if control == 0x12:
        parts, number = waiting_parts.get(data[:4], []), data[4]
        if number >= len(parts):
            return frame(OWN, 0xD2, b"\x02")
        more = number < len(parts) - 1
        return frame(OWN, 0xB2 if more else 0x92, data[:4] + parts[number] + bytes([number]))
    if control != 0x11:
        return None
    return read_2007(data[:4])


def read_2007(identifier):
    di = identifier[::-1].hex().upper()
    value = None if MODE == "no-blocks" and di[4:6] == "FF" else ITEMS_2007.get(di)
    if value is None:
        return frame(OWN, 0xD1, b"\x02")
    if MODE == "wrong-item":
        identifier = bytes([identifier[0], identifier[1], identifier[2] ^ 3, identifier[3]])
    if MODE == "wrong-meter":
        return frame(bytes([OWN[0] ^ 1]) + OWN[1:], 0x91, identifier + value)
    if MODE == "in-parts" and len(value) > 6:
        waiting_parts[identifier] = [value[:6], value[6:10], value[10:]]
        return frame(OWN, 0xB1, identifier + value[:6])
    return frame(OWN, 0x91, identifier + value)


def spoil(octets, count):
    before = b"\xfe" * setting["fe"]
    damaged = octets[:-2] + bytes([octets[-2] ^ 1]) + octets[-1:]
    return {
        "noise-before": NOISE[:7] + before + octets,
        "only-noise": NOISE,
        "zeros-around": b"\x00" + before + octets + b"\x00",
        "junk-behind": before + octets + b"\x01\x02\x03\x04\x05",
        "doubled-start": before + b"\x68" + octets,
        "bad-checksum": before + damaged,
        "bad-checksum-once": before + (damaged if count == 1 else octets),
        "cut-short": before + octets[:-4],
    }.get(MODE, before + octets)


def questions(line):
    """Address, control code and data of each sound frame."""
    pending = b""
    while True:
        octets = line.read()
        if MODE == "echo":
            line.write(octets, 64)
        pending += octets
        while len(pending) >= 12:
            end = 12 + pending[9]
            if pending[0] != 0x68 or pending[7] != 0x68:
                pending = pending[1:]
            elif len(pending) < end:
                break
            elif pending[end - 1] != 0x16 or sum(pending[: end - 2]) & 255 != pending[end - 2]:
                pending = pending[1:]
            else:
                whole, pending = pending[:end], pending[end:]
                yield whole[1:7], whole[8], bytes((octet - 0x33) & 255 for octet in whole[10:-2])


line, count = Line(setting["baud"]), 0
for question in questions(line):
    reply = None if MODE == "mute" else answer(*question)
    if reply is None:
        continue
    count += 1
    time.sleep(setting["delayMs"] / 1000 + (3.5 if MODE == "late-once" and count == 1 else 0))
    if MODE == "trickle":
        line.write(spoil(reply, count), 1, 0.04)
    else:
        line.write(spoil(reply, count))
