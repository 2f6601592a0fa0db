"""Checksums of frames, as FLAC and AC-3 have them: bits from the highest on, beginning with zeros."""


def _table(bits: int, polynomial: int) -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value >> (bits - 1) else 0)
        entries.append(value & ((1 << bits) - 1))
    return tuple(entries)


_CRC_8 = _table(8, 0x107)
CRC_16 = _table(16, 0x18005)
"""By the byte that comes in: what the sum changes by."""


def crc_8(data: bytes) -> int:
    """Of a FLAC frame's header."""
    value = 0
    for byte in data:
        value = _CRC_8[value ^ byte]
    return value


def crc_16(data: bytes) -> int:
    """0 of bytes with their own checksum behind them."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ CRC_16[value >> 8 ^ byte]
    return value
