"""
A Modbus RTU slave with the input registers of an Eastron SDM630 on a pseudo-terminal, sharing nothing with the product.
Argument: JSON {unit, baud, delayMs, mode}.
"""

import json
import struct
import sys
import time

from pty_server import Line

setting = {"unit": 1, "baud": 9600, "delayMs": 20, "mode": "plain"}
setting.update(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
MODE, UNIT = setting["mode"], setting["unit"]
NOISE = bytes.fromhex("3753c9bdfa0ff0169dc957567406667641a2")


def crc(octets):
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return struct.pack("<H", register)


assert crc(bytes.fromhex("010300000001")) == bytes.fromhex("840a")
VALUES = {0x00: 230.5, 0x02: 229.75, 0x04: 231.25, 0x06: 5.125, 0x08: 4.5, 0x0A: 5.0, 0x0C: 1180.0, 0x0E: 1030.5, 0x10: -1150.25}
VALUES.update({0x34: 1060.25, 0x3C: 90.5, 0x3E: 0.985, 0x46: 49.98, 0x48: 12345.67, 0x4A: 3.25})
registers = dict.fromkeys([*range(0x60), *range(0x150, 0x180)], 0)
for at, value in VALUES.items():
    registers[at], registers[at + 1] = struct.unpack(">HH", struct.pack(">f", value))


def answer(function, at, count):
    if function != 4:
        return bytes([function | 0x80, 1])
    wanted = range(at, at + count)
    if not 1 <= count <= 80:
        return bytes([function | 0x80, 3])
    if any(one not in registers for one in wanted) or (MODE == "no-blocks" and count > 2):
        return bytes([function | 0x80, 2])
    data = b"".join(struct.pack(">H", registers[one]) for one in wanted)
    if MODE == "short":
        data = data[:-2]
    return bytes([function, len(data)]) + data


def spoil(octets):
    return {
        "noise-before": NOISE[:5] + octets,
        "only-noise": NOISE,
        "zeros-around": b"\x00" + octets + b"\x00",
        "bad-crc": octets[:-1] + bytes([octets[-1] ^ 1]),
    }.get(MODE, octets)


line, pending, count, heard = Line(setting["baud"], 10), b"", 0, 0.0
while True:
    octets = line.read()
    pending = octets if time.monotonic() - heard > 0.2 else pending + octets
    heard = time.monotonic()
    if MODE == "echo":
        line.write(octets, 64)
    while len(pending) >= 8:
        question = pending[:8]
        if crc(question[:-2]) != question[-2:]:
            pending = pending[1:]
            continue
        pending = pending[8:]
        if question[0] != UNIT or MODE == "mute":
            continue
        count += 1
        body = bytes([UNIT]) + answer(*struct.unpack(">BHH", question[1:6]))
        if MODE == "wrong-unit":
            body = bytes([UNIT + 1]) + body[1:]
        if MODE == "busy-once" and count == 1:
            body = bytes([UNIT, question[1] | 0x80, 6])
        time.sleep(setting["delayMs"] / 1000 + (2.5 if MODE == "late-once" and count == 1 else 0))
        line.write(spoil(body + crc(body)), 5 if MODE == "in-pieces" else 64, 0.02 if MODE == "in-pieces" else 0)
