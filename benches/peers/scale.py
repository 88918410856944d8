"""Python's `websockets` on the compressed cases: its protocol without a socket. See `scale`.

    python scale.py DIRECTORY
"""

import pathlib
import statistics
import sys
import time

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import State
from websockets.server import ServerProtocol

READ = 64 << 10
SECONDS = 0.5


def protocol(name):
    """Returns a connection after its handshake."""
    no_context = name.endswith(" no context")
    server = ServerProtocol(state=State.OPEN, max_size=None)
    server.extensions = [PerMessageDeflate(no_context, no_context, 15, 15)]
    return server


def sending(name, data, size):
    """Returns a function that sends all messages, and returns their number and the bytes written."""
    server = protocol(name)
    messages = [data[at : at + size] for at in range(0, len(data), size)]

    def work():
        written = 0
        for message in messages:
            server.send_binary(message)
            written += sum(map(len, server.data_to_send()))
        return len(messages), written

    return work


def receiving(name, data):
    """Returns a function that receives the wire, and returns the number of messages."""
    server = protocol(name)
    reads = [data[at : at + READ] for at in range(0, len(data), READ)]

    def work():
        messages = 0
        for read in reads:
            server.receive_data(read)
            messages += len(server.events_received())
        return messages, None

    return work


def measure(work):
    """Returns the nanoseconds of CPU time for each message."""
    times = []
    for _ in range(4):
        start, messages = time.process_time_ns(), 0
        while time.process_time_ns() - start < SECONDS * 1e9:
            messages += work()[0]
        times.append((time.process_time_ns() - start) / messages)
    # The first round warms up.
    return statistics.median(times[1:])


def header(length):
    return 2 if length < 126 else 4 if length < 65536 else 10


for group in ["deflate-send", "deflate-receive"]:
    for path in sorted((pathlib.Path(sys.argv[1]) / group).iterdir()):
        number, unit = path.name.split(" ")[:2]
        size = int(number) * {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]
        data = path.read_bytes()
        work = sending(path.name, data, size) if group == "deflate-send" else receiving(path.name, data)
        messages, written = work()
        assert messages > 0, path
        ns = measure(work)
        relative = ""
        if written is not None:
            sent = written / messages
            relative = f"{(sent - header(sent)) / size:.4f}"
        print(f"{group},{path.name},websockets,{ns:.0f},{size * 1e9 / ns:.0f},,{relative}")
