#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""layers.py FIRST COUNT FILES COMMAND...: layers of small files that are in no other layer.

Runs COMMAND once for each layer FIRST, FIRST + 1 ...; "{}" in an argument becomes its number, its
tar comes on standard input. Made by hand: Python's tarfile is slower than the import it feeds.
"""
import random
import subprocess
import sys


def header(name, size, kind):
    """A ustar header of root's."""
    fields = (name.encode().ljust(100, b"\0") + (b"0000755\0" if kind == b"5" else b"0000644\0")
              + b"0000000\0" * 2 + b"%011o\0" % size + b"14000000000\0")
    rest = kind + b"\0" * 100 + b"ustar\00000"
    block = (fields + b" " * 8 + rest).ljust(512, b"\0")
    return fields + b"%06o\0 " % sum(block) + block[156:]


def layer(number, files):
    """The tar of a layer: 20 files to a directory, 200 to 1,200 bytes each that halve with zstd."""
    seeded = random.Random(number)
    parts = []
    for i in range(files):
        where = f"srv/{number:04d}/{i // 20:03d}/"
        if i % 20 == 0:
            parts.append(header(where, 0, b"5"))
        content = seeded.randbytes(seeded.randrange(100, 600)).hex().encode()
        parts.append(header(f"{where}file-{i}.txt", len(content), b"0"))
        parts.append(content.ljust((len(content) + 511) // 512 * 512, b"\0"))
    parts.append(b"\0" * 1024)
    return b"".join(parts)


def main():
    first, count, files = map(int, sys.argv[1:4])
    for number in range(first, first + count):
        argv = [word.replace("{}", str(number)) for word in sys.argv[4:]]
        subprocess.run(argv, input=layer(number, files), stdout=subprocess.DEVNULL, check=True)


main()
