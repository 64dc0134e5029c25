# SPDX-License-Identifier: BSL-1.0
"""The page docs/conformance.md: read as it is, and written from what the tests found.

A test that differs on some poller has a row of the table. Other tests are counted by rule, in a
list for each set of pollers on which they ran. So a test that is lost, on all pollers or on one,
changes the page."""

import re
from collections import Counter

from accounts import POLLERS, SAME, is_skip, rule_of

NOT_RUN = "not run"

BEGINNING = """\
# Conformance

This page says what each rule comes to on each poller. The tests write it (`./dev conformance`), and
`./dev test --all` fails when they find something else. [semantics.md](semantics.md) and
[reference.md](reference.md) say what the rules are. The name of a test begins with its rule.

epoll, io_uring, poll and select ran on Linux. kqueue ran on Linux too, on the tests' own double of
kevent(), and on no BSD or macOS.

## What differs

Each row is a test that did not pass in the same way on all pollers. A cell is its outcome on one
poller:

- **same**: it passed, with the same expectations as on the other pollers.
- **differs**: it passed, and the assertion in the cell pins what this poller does otherwise.
- **unsupported**: the poller cannot do this, and the error in the cell is what the test got.
- **skipped**: the test did not run, and says why.
- **not run**: the test is not meant for this poller.
"""
MIDDLE = """
## What is the same

These tests passed, with the same expectations on each poller that they are meant for. They are
counted by rule: `D1 (5)` are five tests of the rule D1. A list of few pollers has tests that are
not meant for the others: a kqueue made by hand is no matter for the pollers of Linux.
"""


class OldPage:
    """What the page says now. It stands in for what this machine cannot run."""

    def __init__(self, text):
        self.rows = {}
        for row in re.findall(r"^\| \S+ \| `(\S+)` \| (.*) \|$", text, re.MULTILINE):
            self.rows[row[0]] = dict(zip(POLLERS, row[1].split(" | ")))
        self.same = {}  # The rules, by the pollers.
        for pollers, rules in re.findall(r"^The same on (.*) \(\d+ tests?\):\n((?:.+\n)*)", text,
                                         re.MULTILINE):
            key = tuple(each for each in POLLERS if each in re.findall(r"\w+", pollers))
            self.same[key] = {*re.findall(r"[A-Z]+\d+", rules)}

    def cells(self, test, ran, absent):
        """Of a test that ran or was skipped on some pollers, while this machine lacks others."""
        if test in self.rows:
            return self.rows[test]
        everywhere = tuple(each for each in POLLERS if each in ran or each in absent)
        if rule_of(test) not in self.same.get(everywhere, ()):
            everywhere = ran
        return {poller: SAME for poller in everywhere}


def completed(tests, old, check):
    """The cells of all pollers by test, and how many of them only the old page knows.

    The old page stands for a poller that no account has. In a check it also stands for the tests
    that this machine skips, since the machine can say nothing against it."""
    present = {poller for found in tests.values() for poller in found}
    absent = {*POLLERS} - present
    whole, unconfirmed = {}, 0
    for test, found in tests.items():
        before = old.cells(test, found, absent)
        cells = whole[test] = {}
        for poller in POLLERS:
            cell, was = found.get(poller, NOT_RUN), before.get(poller, NOT_RUN)
            is_denied = check and is_skip(cell) and cell != was
            unconfirmed += is_denied
            cells[poller] = was if is_denied or poller in absent else cell
    return whole, unconfirmed


def written(tests):
    """The page, of the cells of all pollers by test."""
    rows, same = [], {}
    for test in sorted(tests, key=by_rule):
        pollers = tuple(poller for poller in POLLERS if tests[test][poller] == SAME)
        if {*tests[test].values()} <= {SAME, NOT_RUN}:
            same.setdefault(pollers, Counter())[rule_of(test)] += 1
        else:
            rows.append(row(rule_of(test), f"`{test}`", *tests[test].values()))
    table = [row("rule", "test", *POLLERS), row(*["---"] * (2 + len(POLLERS))), *rows]
    lists = [same_list(pollers, same[pollers]) for pollers in sorted(same, key=len, reverse=True)]
    return "\n".join([BEGINNING, *table, MIDDLE, *lists])


def by_rule(test):
    """D2 comes before D10."""
    parts = re.split(r"(\d+)", rule_of(test))
    return [int(part) if part.isdigit() else part for part in parts], test


def row(*cells):
    return f"| {' | '.join(cells)} |"


def same_list(pollers, rules):
    """A line for each family of rules, so that a difference is seen where it is."""
    families = {}
    for rule, count in rules.items():
        counted = f"{rule} ({count})" if count > 1 else rule
        families.setdefault(re.match("[A-Z]+", rule)[0], []).append(counted)
    names = f"{', '.join(pollers[:-1])} and {pollers[-1]}" if pollers[1:] else pollers[0]
    count = sum(rules.values())
    heading = f"The same on {names} ({count} test{'s' if count > 1 else ''}):"
    return "\n".join([heading, ",\n".join(", ".join(each) for each in families.values()), ""])
