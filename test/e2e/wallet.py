"""Keys, transactions and request signatures of Ethereum in plain Python, for tests: slow and clear.
secp256k1, Keccak-256, RLP, EIP-1559 transactions, X-BuilderNet-Signature."""
import hashlib
import hmac

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)

ROUNDS = []
state = 1
for _ in range(24):
    constant = 0
    for j in range(7):
        if state & 1:
            constant |= 1 << ((1 << j) - 1)
        state = (state << 1) ^ (0x171 if state & 0x80 else 0)
    ROUNDS.append(constant)


def keccak(data):
    """Keccak-256 with the padding of before FIPS 202."""
    mask, rate = 2**64 - 1, 136
    data = bytearray(data) + b"\x01"
    data += bytes(-len(data) % rate)
    data[-1] |= 0x80
    a = [[0] * 5 for _ in range(5)]

    def rotate(v, n):
        n %= 64
        return ((v << n) | (v >> (64 - n))) & mask

    for at in range(0, len(data), rate):
        for i in range(rate // 8):
            a[i % 5][i // 5] ^= int.from_bytes(data[at + 8 * i:at + 8 * i + 8], "little")
        for constant in ROUNDS:
            c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
            for x in range(5):
                d = c[(x - 1) % 5] ^ rotate(c[(x + 1) % 5], 1)
                for y in range(5):
                    a[x][y] ^= d
            x, y, current = 1, 0, a[1][0]
            for t in range(24):
                x, y = y, (2 * x + 3 * y) % 5
                current, a[x][y] = a[x][y], rotate(current, (t + 1) * (t + 2) // 2)
            for y in range(5):
                row = [a[x][y] for x in range(5)]
                for x in range(5):
                    a[x][y] = row[x] ^ (~row[(x + 1) % 5] & mask & row[(x + 2) % 5])
            a[0][0] ^= constant
    return b"".join(a[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if p != q:
            return None
        slope = 3 * p[0] * p[0] * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def multiply(k, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


def address(key):
    x, y = multiply(key, G)
    return keccak(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[12:]


def sign(key, digest):
    """Deterministic (RFC 6979) with s in the lower half; gives r, s, parity of y."""
    v, k = b"\x01" * 32, b"\x00" * 32
    secret = key.to_bytes(32, "big") + (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    for byte in (b"\x00", b"\x01"):
        k = hmac.new(k, v + byte + secret, hashlib.sha256).digest()
        v = hmac.new(k, v, hashlib.sha256).digest()
    nonce = int.from_bytes(hmac.new(k, v, hashlib.sha256).digest(), "big")
    x, y = multiply(nonce, G)
    s = pow(nonce, -1, N) * (int.from_bytes(digest, "big") + x * key) % N
    odd = y & 1
    return (x, N - s, odd ^ 1) if s > N // 2 else (x, s, odd)


def number(n):
    return n.to_bytes((n.bit_length() + 7) // 8, "big")


def rlp(value):
    if isinstance(value, int):
        value = number(value)
    if isinstance(value, list):
        body = b"".join(rlp(v) for v in value)
        short, long = 0xC0, 0xF7
    else:
        body = value
        if len(body) == 1 and body[0] < 0x80:
            return body
        short, long = 0x80, 0xB7
    if len(body) < 56:
        return bytes([short + len(body)]) + body
    size = number(len(body))
    return bytes([long + len(size)]) + size + body


def transaction(key, nonce, chain=1, to=b"\x11" * 20, value=1, gas=21000, data=b"", tip=1,
                fee=10**10):
    """A signed EIP-1559 transaction, raw bytes."""
    fields = [chain, nonce, tip, fee, gas, to, value, data, []]
    r, s, odd = sign(key, keccak(b"\x02" + rlp(fields)))
    return b"\x02" + rlp(fields + [odd, r, s])


def request_signature(key, body):
    """The value of X-BuilderNet-Signature for a body."""
    text = b"0x" + keccak(body).hex().encode()
    r, s, odd = sign(key, keccak(b"\x19Ethereum Signed Message:\n66" + text))
    return "0x" + address(key).hex() + ":0x" + (r.to_bytes(32, "big") + s.to_bytes(32, "big") +
                                                bytes([27 + odd])).hex()
