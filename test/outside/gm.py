"""SM3, SM4 and SM2 in plain Python: slow, and sharing nothing with the product.

GB/T 32905-2016 (SM3), GB/T 32907-2016 (SM4), GB/T 32918-2016 with the curve of GB/T 32918.5-2017 (SM2).
"""

MASK = 0xFFFFFFFF


def rotate(x, n):
    n %= 32
    return ((x << n) | (x >> (32 - n))) & MASK if n else x


SM3_IV = (0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E)


def sm3(message):
    message = bytes(message)
    padded = message + b"\x80" + b"\0" * ((55 - len(message)) % 64) + (8 * len(message)).to_bytes(8, "big")
    state = SM3_IV
    for at in range(0, len(padded), 64):
        state = tuple(x ^ y for x, y in zip(state, sm3_block(state, padded[at : at + 64])))
    return b"".join(word.to_bytes(4, "big") for word in state)


def sm3_block(state, block):
    w = [int.from_bytes(block[4 * i : 4 * i + 4], "big") for i in range(16)]
    for j in range(16, 68):
        x = w[j - 16] ^ w[j - 9] ^ rotate(w[j - 3], 15)
        w.append(x ^ rotate(x, 15) ^ rotate(x, 23) ^ rotate(w[j - 13], 7) ^ w[j - 6])
    a, b, c, d, e, f, g, h = state
    for j in range(64):
        t = 0x79CC4519 if j < 16 else 0x7A879D8A
        ss1 = rotate((rotate(a, 12) + e + rotate(t, j)) & MASK, 7)
        ss2 = ss1 ^ rotate(a, 12)
        ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
        gg = e ^ f ^ g if j < 16 else (e & f) | (~e & MASK & g)
        tt1 = (ff + d + ss2 + (w[j] ^ w[j + 4])) & MASK
        tt2 = (gg + h + ss1 + w[j]) & MASK
        a, b, c, d = tt1, a, rotate(b, 9), c
        e, f, g, h = tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17), e, rotate(f, 19), g
    return a, b, c, d, e, f, g, h


assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def hmac_sm3(key, message):
    key = (sm3(key) if len(key) > 64 else key).ljust(64, b"\0")
    return sm3(bytes(k ^ 0x5C for k in key) + sm3(bytes(k ^ 0x36 for k in key) + message))


def hkdf_sm3(ikm, salt, info, size):
    prk, block, out = hmac_sm3(salt, ikm), b"", b""
    while len(out) < size:
        block = hmac_sm3(prk, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:size]


SBOX = bytes.fromhex(
    "d690e9fecce13db716b614c228fb2c052b679a762abe04c3aa441326498606999c4250f491ef987a33540b43edcfac62"
    "e4b31ca9c908e89580df94fa758f3fa64707a7fcf37317ba83593c19e6854fa8686b81b27164da8bf8eb0f4b70569d35"
    "1e240e5e6358d1a225227c3b01217887d40046579fd327524c3602e7a0c4c89eeabf8ad240c738b5a3f7f2cef96115a1"
    "e0ae5da49b341a55ad933230f58cb1e31df6e22e8266ca60c02923ab0d534e6fd5db3745defd8e2f03ff6a726d6c5b51"
    "8d1baf92bbddbc7f11d95c411f105ad80ac13188a5cd7bbd2d74d012b8e5b4b08969974a0c96777e65b9f109c56ec684"
    "18f07dec3adc4d2079ee5f3ed7cb3948"
)
SM4_FK = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)
SM4_CK = [sum(((4 * i + j) * 7 & 255) << (24 - 8 * j) for j in range(4)) for i in range(32)]


def substitute(x):
    return SBOX[x >> 24] << 24 | SBOX[x >> 16 & 255] << 16 | SBOX[x >> 8 & 255] << 8 | SBOX[x & 255]


def sm4_schedule(key):
    k = [int.from_bytes(key[4 * i : 4 * i + 4], "big") ^ SM4_FK[i] for i in range(4)]
    for i in range(32):
        b = substitute(k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ SM4_CK[i])
        k.append(k[i] ^ b ^ rotate(b, 13) ^ rotate(b, 23))
    return k[4:]


def sm4_block(schedule, block):
    x = [int.from_bytes(block[4 * i : 4 * i + 4], "big") for i in range(4)]
    for i in range(32):
        b = substitute(x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ schedule[i])
        x.append(x[i] ^ b ^ rotate(b, 2) ^ rotate(b, 10) ^ rotate(b, 18) ^ rotate(b, 24))
    return b"".join(x[35 - i].to_bytes(4, "big") for i in range(4))


SAMPLE = bytes.fromhex("0123456789abcdeffedcba9876543210")
assert sm4_block(sm4_schedule(SAMPLE), SAMPLE).hex() == "681edf34d206965e86b3e94f536e4246"


def sm4_ctr(key, iv, data):
    schedule, counter, out = sm4_schedule(key), int.from_bytes(iv, "big"), bytearray()
    for at in range(0, len(data), 16):
        stream = sm4_block(schedule, (counter % (1 << 128)).to_bytes(16, "big"))
        out += bytes(x ^ y for x, y in zip(data[at : at + 16], stream))
        counter += 1
    return bytes(out)


def ghash_multiply(x, y):
    z = 0
    for i in range(127, -1, -1):
        if y >> i & 1:
            z ^= x
        x = (x >> 1) ^ (0xE1 << 120) if x & 1 else x >> 1
    return z


def sm4_gcm_open(key, iv, associated, ciphertext, tag):
    """RFC 8998 with a 96-bit IV; None when the tag is wrong."""
    schedule, y = sm4_schedule(key), 0
    h = int.from_bytes(sm4_block(schedule, bytes(16)), "big")
    padded = b"".join(part + bytes(-len(part) % 16) for part in (associated, ciphertext))
    padded += (8 * len(associated)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    for at in range(0, len(padded), 16):
        y = ghash_multiply(y ^ int.from_bytes(padded[at : at + 16], "big"), h)
    mask = sm4_block(schedule, iv + b"\0\0\0\1")
    if bytes(a ^ b for a, b in zip(y.to_bytes(16, "big"), mask)) != tag:
        return None
    return sm4_ctr(key, iv + b"\0\0\0\2", ciphertext)


P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)


def add(p, q):
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def multiply(k, p):
    out = None
    while k:
        if k & 1:
            out = add(out, p)
        p, k = add(p, p), k >> 1
    return out


def on_curve(p):
    return (p[1] * p[1] - (p[0] ** 3 + A * p[0] + B)) % P == 0


assert on_curve(G) and multiply(N, G) is None


def octets32(n):
    return n.to_bytes(32, "big")


def point_of(octets):
    """04 || x || y"""
    assert octets[0] == 4 and len(octets) == 65
    point = (int.from_bytes(octets[1:33], "big"), int.from_bytes(octets[33:], "big"))
    assert on_curve(point)
    return point


def octets_of(point):
    return b"\x04" + octets32(point[0]) + octets32(point[1])


def sm2_verify(public, user_id, message, signature):
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not (1 <= r < N and 1 <= s < N) or (r + s) % N == 0:
        return False
    x, y = point_of(public)
    fixed = (A, B, *G, x, y)
    za = sm3((8 * len(user_id)).to_bytes(2, "big") + user_id + b"".join(octets32(n) for n in fixed))
    e = int.from_bytes(sm3(za + message), "big")
    point = add(multiply(s, G), multiply((r + s) % N, (x, y)))
    return point is not None and (e + point[0]) % N == r


def sm2_decrypt(private, wrapped):
    """C1 || C3 || C2; None when C3 is wrong."""
    shared = multiply(private, point_of(wrapped[:65]))
    x, y = octets32(shared[0]), octets32(shared[1])
    check, masked = wrapped[65:97], wrapped[97:]
    stream = b"".join(sm3(x + y + i.to_bytes(4, "big")) for i in range(1, len(masked) // 32 + 2))
    plain = bytes(a ^ b for a, b in zip(masked, stream))
    return plain if sm3(x + plain + y) == check else None
