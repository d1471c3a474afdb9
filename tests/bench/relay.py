#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A slow line in front of a server on loopback.

usage: relay.py PORT TO MBIT MS

Takes connections on PORT and passes them on to port TO: at most MBIT million bits a second in
each direction over all connections together, and MS milliseconds there and back.
"""
import asyncio
import collections
import sys

port, to, mbit, ms = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
CHUNK = 16384
WINDOW = 4 << 20  # bytes on the way per direction of a connection, as a grown TCP window


class Line:
    """One direction, which all connections share: bytes leave one after another."""

    def __init__(self):
        self.free = 0.0

    def departure(self, now, size):
        self.free = max(self.free, now) + size * 8 / (mbit * 1e6)
        return self.free + ms / 2000


async def pump(reader, writer, line):
    loop = asyncio.get_running_loop()
    queue, waiting = collections.deque(), asyncio.Event()
    room, under_way = asyncio.Event(), 0
    room.set()

    async def deliver():
        nonlocal under_way
        while True:
            while not queue:
                waiting.clear()
                await waiting.wait()
            when, data = queue.popleft()
            delay = when - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            if not data:
                break
            writer.write(data)
            await writer.drain()
            under_way -= len(data)
            room.set()
        writer.close()

    delivery = asyncio.create_task(deliver())
    try:
        while True:
            data = await reader.read(CHUNK)
            queue.append((line.departure(loop.time(), len(data)), data))
            waiting.set()
            if not data:
                break
            under_way += len(data)
            while under_way > WINDOW and not delivery.done():
                room.clear()
                await room.wait()
        await delivery
    except ConnectionError:
        delivery.cancel()
        writer.close()


async def main():
    up, down = Line(), Line()

    async def serve(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, far_writer, up), pump(far_reader, writer, down),
                             return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
