"""The peer `websockets` of Python: a client that expects echoes from a server, or a server that
expects them from a client.

    python3 python_websockets.py SPECIFICATION

The specification is JSON; see `main.cjs`.
"""

import base64
import hashlib
import json
import ssl
import sys
import threading

from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.sync.client import connect
from websockets.sync.server import serve

SPECIFICATION = json.loads(sys.argv[1])
PARAMETERS = SPECIFICATION["parameters"]
TLS = SPECIFICATION.get("tls")


def contents(message):
    """Returns the same contents as in `node_ws.cjs`."""
    size = message["size"]
    is_text = message["type"] == "text"
    if message["is"] == "random":
        data = hashlib.shake_256(str(message.get("seed", size)).encode()).digest(size)
        return base64.b64encode(data).decode()[:size] if is_text else data
    piece = '{"id":7,"name":"grüße"},'
    data = piece.encode() * (size // len(piece.encode()))
    data += b"x" * (size - len(data))
    return data.decode() if is_text else data


def exchange(connection):
    for message in SPECIFICATION["messages"]:
        sent = contents(message)
        connection.send(sent)
        if connection.recv(timeout=30) != sent:
            raise ValueError(f"{message} came back different")
    connection.close(1000)
    if connection.close_code != 1000:
        raise ValueError(f"closed with {connection.close_code}")


def client(port):
    deflate = ClientPerMessageDeflateFactory(**{"client_max_window_bits": True, **PARAMETERS})
    settings = {"extensions": [deflate], "compression": None, "max_size": None}
    uri = f"ws://127.0.0.1:{port}/"
    if TLS:
        uri = f"wss://localhost:{port}/"
        settings["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        settings["ssl"].load_verify_locations(TLS["certFile"])
    with connect(uri, **settings) as connection:
        exchange(connection)


def server():
    """Serves the protocol of an Autobahn fuzzing server with one case."""
    deflate = ServerPerMessageDeflateFactory(**PARAMETERS)
    results = []
    done = threading.Event()

    def handle(connection):
        match connection.request.path.split("?")[0]:
            case "/getCaseCount":
                connection.send("1")
            case "/runCase":
                exchange(connection)
                results.append("ok")
            case _:
                done.set()

    settings = {"extensions": [deflate], "compression": None, "max_size": None}
    if TLS:
        settings["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        settings["ssl"].load_cert_chain(TLS["certFile"], TLS["keyFile"])
    with serve(handle, "127.0.0.1", 0, **settings) as listener:
        print(f"listening {listener.socket.getsockname()[1]}", flush=True)
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        done.wait()
        listener.shutdown()
        thread.join()
    if results != ["ok"]:
        raise ValueError("the case did not end well")


if "port" in SPECIFICATION:
    client(SPECIFICATION["port"])
else:
    server()
print("ok")
