#!/usr/bin/env python3
"""Starts the suite `kosoku` with one correction.

The cases of groups 12 and 13 compute a hash of each received message, which must be bytes.
`kosoku` passes bytes if the message was compressed, but `str` otherwise, and then reports an error.
An endpoint may send any message uncompressed (RFC 7692, section 6), and the examples do so if
compression does not make the message smaller.
"""

from kosoku.cases import CASES
from kosoku._cli import main


def to_bytes(message, is_binary):
    """Reverses the conversion of `kosoku`."""
    if isinstance(message, bytes):
        return message
    return message.encode("latin-1" if is_binary else "utf-8")


def correct(case):
    on_message = case.onMessage
    case.onMessage = lambda self, message, is_binary: on_message(
        self, to_bytes(message, is_binary), is_binary
    )


if __name__ == "__main__":
    for name, case in CASES.items():
        if name.split(".")[0] in {"12", "13"}:
            correct(case)
    main()
