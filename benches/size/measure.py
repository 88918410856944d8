"""Reports the code size of programs by crate, and whether the code can panic.

    measure.py LIMIT PROGRAM...

A function belongs to the crate that its symbol names. An instruction belongs to the crate of its source
in the debug information, the innermost of the functions inlined there; code of `core` that is inlined
into another crate belongs to that crate, the functions of `core` belong to `core`. A check fails if the
crate's functions, or its instructions (except in the program `both`), exceed LIMIT bytes. Another check
fails if the crate or the program can panic, directly or through `core`. Panics in dependencies are not
checked. Programs built with a peer are counted but not checked. Ends with a line `N passed, M failed`.
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
    """Returns the owner of a function, from its mangled name."""
    crates = []
    # `C`, a disambiguator, and the name preceded by its length.
    for match in re.finditer(r"Cs[0-9A-Za-z]*_(\d+)_?", symbol):
        crates.append(symbol[match.end() :][: int(match[1])])
    if crates and crates[0] in DEPENDENCIES:
        return DEPENDENCIES[crates[0]]
    for crate in (CRATE, *PEERS):
        if crate in crates:
            return crate
    # The symbol of the panic handler names the crate `__rustc`.
    if PROGRAM in crates or "__rustc" in crates or symbol == "_start":
        return PROGRAM
    return crates[0] if crates else "compiler_builtins"


class Image:
    def __init__(self, path):
        self.functions = {}  # (size, name) by address
        for line in output("readelf", "--syms", "--wide", path).splitlines():
            match line.split():
                case [_, value, size, "FUNC", _, _, section, name] if section != "UND":
                    # The lowest bit selects the instruction set.
                    self.functions[int(value, 16) & ~1] = int(size), name
        if not self.functions:
            sys.exit(f"{path}: no functions found")
        starts = sorted(self.functions)
        self.calls = defaultdict(dict)  # callees by address of the call, by address of the caller
        for line in output("readelf", "--relocs", "--wide", path).splitlines():
            match line.split():
                case [at, _, _, value, _] if re.fullmatch("[0-9a-f]{8}", at):
                    at, callee = int(at, 16), int(value, 16) & ~1
                    # Other relocations are in data.
                    if at >= starts[0] and callee in self.functions:
                        self.calls[starts[bisect_right(starts, at) - 1]][at] = callee
        if not self.calls:
            sys.exit(f"{path}: no relocations found")
        self.writers = {}
        self.find_writers(path)

    def find_writers(self, path):
        """Finds the owner of the source of each half-word of code."""
        names = {
            start + offset: name
            for start, (size, name) in self.functions.items()
            for offset in range(0, size, 2)
        }
        # Each entry is an address followed by two lines for each function inlined there, innermost first.
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

    def functions_size(self):
        """Returns the bytes of the functions of the crate, or of a peer and its dependencies."""
        sizes = self.functions.values()
        return sum(size for size, name in sizes if owner(name) in (CRATE, *PEERS))

    def sizes(self):
        sizes = Counter()
        for writer in self.writers.values():
            sizes[writer] += 2
        return sizes

    def panics(self):
        """Yields the names on each call path from the crate or the program to a panic."""
        for function, (_, name) in self.functions.items():
            if owner(name) in (CRATE, PROGRAM):
                for at, callee in self.calls[function].items():
                    call_path = self.path_to_panic(callee, {function})
                    if call_path and self.writers[at] not in DEPENDENCIES.values():
                        yield name, *call_path

    def path_to_panic(self, function, seen):
        _, name = self.functions[function]
        if "9panicking" in name:
            return [name]
        if function in seen or owner(name) not in LANGUAGE:
            return None
        for callee in self.calls[function].values():
            if call_path := self.path_to_panic(callee, seen | {function}):
                return [name, *call_path]
        return None


def demangled(names):
    """Returns readable names, without crate hashes."""
    plain = output("c++filt", "--format=rust", *names)
    return dict(zip(names, re.sub(r"\[[0-9a-f]+\]", "", plain).splitlines()))


def main(limit, paths):
    images = {Path(path).name: Image(path) for path in paths}
    others = ("SHA-1", "base64", *LANGUAGE)
    row = "{:26}{:>10}{:>8}{:>9}{:>7}{:>8}{:>6}{:>19}".format
    print(row("bytes", "functions", "crate", "program", *others))
    failures = []
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
        for call_path in panics:
            names = demangled(call_path)
            failures.append(f"{program}: " + " -> ".join(names[name] for name in call_path))
        checks_failed += bool(panics)

    largest = max(images.values(), key=lambda image: image.sizes()[CRATE])
    functions = sorted(largest.functions.values(), reverse=True)[:25]
    names = demangled([name for _, name in functions])
    print("\nThe largest functions:")
    for size, name in functions:
        print(f"{size:9}  {names[name][:100]}")

    print("\nFailed:", *(failures or ["none"]), sep="\n")
    print(f"{checks - checks_failed} passed, {checks_failed} failed")
    sys.exit(checks_failed > 0)


main(int(sys.argv[1]), sys.argv[2:])
