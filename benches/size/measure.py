"""Tells from programs what code is in them: how much, whose, and whether it can panic.

    measure.py LIMIT PROGRAM...

A function belongs to whom its symbol names. Each instruction belongs to whom the debug information says
that its source does, the innermost of what is inlined there; what `core` has is of those into whom it is
inlined, and its own functions are its own. A check fails if the crate's functions are more than LIMIT
bytes, or, but for the program `both`, the crate's instructions; another if the crate or the program
calls a panic, itself or through `core`. What a dependency does is its own business; so is what the
parsers of `core::net` do, but it is listed. Programs that do the same by a peer are counted, not checked.
Ends with a line `N passed, M failed`.
"""

import re
import subprocess
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from pathlib import Path

CRATE = "websocket_proto"
PROGRAM = "size"  # this package
BOTH = "both"  # the program with the handshakes of both roles
PEERS = ("embedded_websocket", "httparse", "heapless", "byteorder")
DEPENDENCIES = {"sha1_smol": "SHA-1", "sha1": "SHA-1", "base64": "base64"}
LANGUAGE = ("core", "compiler_builtins")


def output(*command, stdin=None):
    return subprocess.run(command, input=stdin, check=True, capture_output=True, text=True).stdout


def owner(symbol):
    """Whose a function is, from its mangled name."""
    crates = []
    # `C`, a disambiguator, and the name behind its length.
    for match in re.finditer(r"Cs[0-9A-Za-z]*_(\d+)_?", symbol):
        crates.append(symbol[match.end() :][: int(match[1])])
    if crates and crates[0] in DEPENDENCIES:
        return DEPENDENCIES[crates[0]]
    for crate in (CRATE, *PEERS):
        if crate in crates:
            return crate
    # The panic handler has a crate of its own in its name.
    if PROGRAM in crates or "__rustc" in crates or symbol == "_start":
        return PROGRAM
    return crates[0] if crates else "compiler_builtins"


class Image:
    def __init__(self, path):
        self.functions = {}  # (size, name) by address
        for line in output("readelf", "--syms", "--wide", path).splitlines():
            match line.split():
                case [_, value, size, "FUNC", _, _, section, name] if section != "UND":
                    # The lowest bit is that of the instruction set.
                    self.functions[int(value, 16) & ~1] = int(size), name
        if not self.functions:
            sys.exit(f"{path}: no functions found")
        starts = sorted(self.functions)
        self.calls = defaultdict(dict)  # of a function, by its address: the callee, by that of the call
        for line in output("readelf", "--relocs", "--wide", path).splitlines():
            match line.split():
                case [at, _, _, value, _] if re.fullmatch("[0-9a-f]{8}", at):
                    at, callee = int(at, 16), int(value, 16) & ~1
                    # Anything else is data.
                    if at >= starts[0] and callee in self.functions:
                        self.calls[starts[bisect_right(starts, at) - 1]][at] = callee
        if not self.calls:
            sys.exit(f"{path}: no relocations found")
        self.writers, self.parsing = {}, set()
        self.find_writers(path)

    def find_writers(self, path):
        """In whose source each instruction stands, by the halves of words of which they are made, and
        which of them stand in a parser of `core`."""
        names = {
            start + offset: name
            for start, (size, name) in self.functions.items()
            for offset in range(0, size, 2)
        }
        # For each an address, and then two lines for each function that is inlined there, the innermost
        # first.
        command = ("addr2line", "--exe", path, "--inlines", "--functions", "--addresses")
        found = output(*command, stdin="\n".join(map(hex, names)))
        for place in re.split("^0x", found, flags=re.MULTILINE)[1:]:
            at, *lines = place.splitlines()
            at = int(at, 16)
            functions = (*lines[::2], names[at])
            owners = [owner(function) for function in functions]
            of_language = [found in LANGUAGE for found in owners]
            inner = of_language.index(False) if False in of_language else len(owners) - 1
            self.writers[at] = owners[inner]
            if any("4core3net" in function for function in functions[:inner]):
                self.parsing.add(at)

    def functions_size(self):
        """Bytes of the crate's functions, or of a peer's and those of what it is used with."""
        sizes = self.functions.values()
        return sum(size for size, name in sizes if owner(name) in (CRATE, *PEERS))

    def sizes(self):
        sizes = Counter()
        for writer in self.writers.values():
            sizes[writer] += 2
        return sizes

    def panics(self):
        """The ways from the crate and the program to a panic: whether a parser of `core` goes it, and the
        names on it."""
        for function, (_, name) in self.functions.items():
            if owner(name) in (CRATE, PROGRAM):
                for at, callee in self.calls[function].items():
                    way = self.way_to_panic(callee, {function})
                    if way and self.writers[at] not in DEPENDENCIES.values():
                        yield at in self.parsing, (name, *way)

    def way_to_panic(self, function, seen):
        _, name = self.functions[function]
        if "9panicking" in name:
            return [name]
        if function in seen or owner(name) not in LANGUAGE:
            return None
        for callee in self.calls[function].values():
            if way := self.way_to_panic(callee, seen | {function}):
                return [name, *way]
        return None


def demangled(names):
    """What to call them: without the hashes of crates."""
    plain = output("c++filt", "--format=rust", *names)
    return dict(zip(names, re.sub(r"\[[0-9a-f]+\]", "", plain).splitlines()))


def main(limit, paths):
    images = {Path(path).name: Image(path) for path in paths}
    others = ("SHA-1", "base64", *LANGUAGE)
    row = "{:26}{:>10}{:>8}{:>9}{:>7}{:>8}{:>6}{:>19}".format
    print(row("bytes", "functions", "crate", "program", *others))
    parsers, failures = [], []
    checks = checks_failed = 0
    for program, image in images.items():
        sizes = image.sizes()
        crate = sum(sizes[name] for name in (CRATE, *PEERS))
        if unknown := set(sizes) - {CRATE, *PEERS, PROGRAM, *others}:
            sys.exit(f"{program}: code of {', '.join(unknown)}")
        functions = image.functions_size()
        print(row(program, functions, crate, sizes[PROGRAM], *(sizes[name] for name in others)))
        if not sizes[CRATE]:
            continue
        checks += 2
        if functions > limit or (crate > limit and program != BOTH):
            checks_failed += 1
            failures.append(f"{program}: {functions} and {crate} bytes, more than {limit}")
        panics = sorted(set(image.panics()))
        for of_parser, way in panics:
            names = demangled(way)
            told = f"{program}: " + " -> ".join(names[name] for name in way)
            (parsers if of_parser else failures).append(told)
        checks_failed += any(not of_parser for of_parser, _ in panics)

    largest = max(images.values(), key=lambda image: image.sizes()[CRATE])
    functions = sorted(largest.functions.values(), reverse=True)[:25]
    names = demangled([name for _, name in functions])
    print("\nThe largest functions:")
    for size, name in functions:
        print(f"{size:9}  {names[name][:100]}")

    print("\nPanics of parsers of core::net:", *(parsers or ["none"]), sep="\n")
    print("\nFailed:", *(failures or ["none"]), sep="\n")
    print(f"{checks - checks_failed} passed, {checks_failed} failed")
    sys.exit(checks_failed > 0)


main(int(sys.argv[1]), sys.argv[2:])
