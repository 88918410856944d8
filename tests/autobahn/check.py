#!/usr/bin/env python3
"""Checks a report of the Autobahn suite, more strictly than the suite does.

    check.py [--full] REPORT_DIR    prints every case that is not clean, then `N clean, N not`
    check.py [--full] --cases       prints the cases that must run
    check.py [--full] --self-test   checks that manipulated reports are rejected

The suite exits with 0 even after NON-STRICT results, unclean closes and cases that did not run.
This script requires that exactly the expected cases ran, and that both `behavior` and
`behaviorClose` of each are OK. With --full, these are all 517 cases. Without, they are all cases of
groups 1 to 7, 9 and 10, and four of each subgroup of 12 and 13, which test compression.
"""

import json
import pathlib
import sys
import tempfile

# Number of cases in each subgroup; they are numbered from 1.
SUBGROUPS = {
    "1.1": 8, "1.2": 8,
    "2": 11,
    "3": 7,
    "4.1": 5, "4.2": 5,
    "5": 20,
    "6.1": 3, "6.2": 4, "6.3": 2, "6.4": 4, "6.5": 5, "6.6": 11, "6.7": 4, "6.8": 2,
    "6.9": 4, "6.10": 3, "6.11": 5, "6.12": 8, "6.13": 5, "6.14": 10, "6.15": 1,
    "6.16": 3, "6.17": 5, "6.18": 5, "6.19": 5, "6.20": 7, "6.21": 8, "6.22": 34,
    "6.23": 7,
    "7.1": 6, "7.3": 6, "7.5": 1, "7.7": 13, "7.9": 9, "7.13": 2,
    "9.1": 6, "9.2": 6, "9.3": 9, "9.4": 9, "9.5": 6, "9.6": 6, "9.7": 6, "9.8": 6,
    "10.1": 1,
    "12.1": 18, "12.2": 18, "12.3": 18, "12.4": 18, "12.5": 18,
    "13.1": 18, "13.2": 18, "13.3": 18, "13.4": 18, "13.5": 18, "13.6": 18, "13.7": 18,
}  # fmt: skip

ALL = [f"{group}.{n}" for group, count in SUBGROUPS.items() for n in range(1, count + 1)]

# Each case of groups 12 and 13 echoes 1000 messages. Those of the quick cases have 16, 256 and 4096
# bytes, and 8192 bytes in fragments of 256.
QUICK = {"1", "3", "5", "11"}


def is_quick(case):
    group, *_, number = case.split(".")
    return group not in {"12", "13"} or number in QUICK


EXPECTED = [case for case in ALL if "--full" in sys.argv or is_quick(case)]

# The suite has no expectation in these cases and reports only what it observed.
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}


def judge(report):
    """Returns the failures in a parsed report, as a dictionary from case to description."""
    if len(report) != 1:
        return dict.fromkeys(EXPECTED, "not run")
    (cases,) = report.values()
    failures = {}
    for case in EXPECTED:
        allowed = {"OK", "INFORMATIONAL"} if case in INFORMATIONAL else {"OK"}
        entry = cases.get(case)
        if entry is None:
            failures[case] = "not run"
            continue
        wrong = [
            f"{key} {entry.get(key)}"
            for key in ("behavior", "behaviorClose")
            if entry.get(key) not in allowed
        ]
        if wrong:
            failures[case] = ", ".join(wrong)
    for case in cases:
        if case not in EXPECTED:
            failures[case] = "ran, but was not to"
    return failures


def detail(directory, report, case):
    """Returns the details of a failure from the report of the case, if there is one."""
    (cases,) = report.values()
    try:
        name = cases[case]["reportfile"]
        entry = json.loads((directory / name).read_text())
    except (KeyError, OSError, ValueError):
        return []
    lines = [f"{key}: {entry[key]}" for key in ("result", "resultClose") if entry.get(key)]
    lines.append(
        f"closed with {entry.get('remoteCloseCode')} {entry.get('remoteCloseReason')!r},"
        f" clean: {entry.get('wasClean')} {entry.get('wasNotCleanReason') or ''}".rstrip()
    )
    return lines


def check(directory, out):
    """Prints the result for a report directory. Returns whether every case is clean."""
    try:
        report = json.loads((directory / "index.json").read_text())
    except (OSError, ValueError) as error:
        print(f"no report: {error}", file=out)
        report = {}
    failures = judge(report)
    if len(report) == 1:
        for case, wrong in failures.items():
            print(f"  case {case}: {wrong}", file=out)
            for line in detail(directory, report, case):
                print(f"    {line}", file=out)
    else:
        print(f"the report is to name one agent, not {sorted(report)}", file=out)
    passed = len(set(EXPECTED) - set(failures))
    print(f"{passed} clean, {len(failures)} not", file=out)
    return not failures


def clean_report():
    """Returns a report without failures."""
    cases = {case: {"behavior": "OK", "behaviorClose": "OK"} for case in EXPECTED}
    for case in INFORMATIONAL:
        cases[case] = {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL"}
    return {"agent": cases}


def self_test():
    """Returns whether `judge` rejects every manipulated report and accepts a clean one."""

    def without(case):
        report = clean_report()
        del report["agent"][case]
        return report

    def having(case, key, value):
        report = clean_report()
        report["agent"].setdefault(case, {"behavior": "OK", "behaviorClose": "OK"})[key] = value
        return report

    def lacking(case, key):
        report = clean_report()
        del report["agent"][case][key]
        return report

    two_agents = {**clean_report(), "another": clean_report()["agent"]}
    tests = [
        ("a clean report", clean_report(), set()),
        ("a missing case", without("6.4.3"), {"6.4.3"}),
        ("a missing last case", without("10.1.1"), {"10.1.1"}),
        ("a missing compressed case", without("13.7.11"), {"13.7.11"}),
        ("a case too many", having("12.1.19", "behavior", "OK"), {"12.1.19"}),
        ("no compression", having("12.1.1", "behavior", "UNIMPLEMENTED"), {"12.1.1"}),
        ("NON-STRICT", having("6.4.3", "behavior", "NON-STRICT"), {"6.4.3"}),
        ("FAILED", having("9.1.6", "behavior", "FAILED"), {"9.1.6"}),
        ("UNIMPLEMENTED", having("10.1.1", "behavior", "UNIMPLEMENTED"), {"10.1.1"}),
        ("INFORMATIONAL elsewhere", having("7.1.5", "behavior", "INFORMATIONAL"), {"7.1.5"}),
        ("an unclean close", having("7.3.6", "behaviorClose", "UNCLEAN"), {"7.3.6"}),
        ("a wrong close code", having("7.9.1", "behaviorClose", "WRONG CODE"), {"7.9.1"}),
        ("FAILED where INFORMATIONAL may be", having("7.13.1", "behavior", "FAILED"), {"7.13.1"}),
        ("an unclean close there", having("7.1.6", "behaviorClose", "UNCLEAN"), {"7.1.6"}),
        ("a case without a verdict", lacking("1.1.1", "behavior"), {"1.1.1"}),
        ("a close without a verdict", lacking("1.1.1", "behaviorClose"), {"1.1.1"}),
        ("no case at all", {"agent": {}}, set(EXPECTED)),
        ("no agent at all", {}, set(EXPECTED)),
        ("two agents", two_agents, set(EXPECTED)),
    ]
    quick = {case for case in ALL if is_quick(case)}
    are_listed = (len(ALL), len(set(ALL)), len(quick)) == (517, 517, 301 + 12 * len(QUICK))
    wrong = [] if are_listed else ["the list of cases"]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        with open("/dev/null", "w") as null:
            if check(directory, null):
                wrong.append("no report")
            for what, report, failures in tests:
                (directory / "index.json").write_text(json.dumps(report))
                if set(judge(report)) != failures or check(directory, null) != (not failures):
                    wrong.append(what)
    for what in wrong:
        print(f"the checker misjudges {what}")
    if not wrong:
        print(f"the checker rejects {len(tests)} manipulated reports and accepts the clean one")
    return not wrong


def main(arguments):
    arguments = [argument for argument in arguments if argument != "--full"]
    if arguments == ["--self-test"]:
        return 0 if self_test() else 1
    if arguments == ["--cases"]:
        print(*EXPECTED)
        return 0
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    return 0 if check(pathlib.Path(arguments[0]), sys.stdout) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
