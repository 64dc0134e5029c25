# SPDX-License-Identifier: BSL-1.0
"""What the tests found on each poller, from the accounts that tests/support/main.cc writes.

A line of an account is a test, its parameter and the outcome, apart by tabs. The parameter begins
with the name of a poller."""

import re

POLLERS = ["epoll", "io_uring", "kqueue", "poll", "select"]
SAME = "same"


def is_skip(outcome):
    return outcome.startswith("skipped")


def merged(*accounts):
    """By test, the cell of each poller. The first account in which a test ran on a poller is the
    one that counts for it."""
    cells, chosen = {}, {}
    for number, account in enumerate(accounts):
        for (test, parameter), outcome in sorted(last_outcomes(account).items()):
            key = test, poller_of(parameter)
            if not key[1] or not rule_of(test):
                continue
            is_better = key in cells and is_skip(cells[key]) and not is_skip(outcome)
            if chosen.setdefault(key, number) == number or is_better:
                chosen[key] = number
                cells[key] = joined(cells.get(key), outcome.replace("|", "&#124;"))
    tests = {}
    for (test, poller), cell in cells.items():
        tests.setdefault(test, {})[poller] = cell
    return tests


def last_outcomes(account):
    """A test that ran again counts once."""
    lines = (line.split("\t") for line in account.splitlines())
    return {(test, parameter): outcome for test, parameter, outcome in lines}


def poller_of(parameter):
    """Its poller, or nothing where the parameter names none of them."""
    return next((each for each in POLLERS if f"{parameter}_".startswith(f"{each}_")), "")


def rule_of(test):
    """The rule that a test proves: it is in the test's name. Other tests are not for the page."""
    found = re.match(r"[^.]*\.([A-Z]+[0-9]+)_", test)
    return found[1] if found else ""


def joined(cell, outcome):
    """A test may run with several parameters for one poller. Those that ran count."""
    if cell is None or (is_skip(cell) and not is_skip(outcome)):
        return outcome
    if is_skip(outcome) or outcome == SAME or outcome in cell:
        return cell
    return outcome if cell == SAME else f"{cell}; {outcome}"
