# SPDX-License-Identifier: BSL-1.0
"""usage: guards.py PROGRAM COMMAND, as a test calls it; ./dev guards COMMAND builds PROGRAM first.

  check WORKLOAD    counts what an operation costs, and compares that with its thresholds
  complete          is there a line of thresholds for each workload?
  only_tightened    is no threshold above one that it has had?
  table             all figures beside their thresholds
  tighten           lowers the thresholds to the figures, and fills in those that are missing
  profile WORKLOAD  where the instructions go, by function
  calls WORKLOAD    the system calls of an operation, by name"""

import re
import sys
import tempfile
from collections import Counter

sys.dont_write_bytecode = True  # A test leaves nothing in the tree of sources.

import counting
import packages
import thresholds
from commands import Failure, WrongUsage, output_of, quietly
from counting import KINDS, LONG, SHORT

SKIPPED = 77  # for ctest


def guards(*arguments):
    packages.need(*packages.TEST)
    output_of("cmake", "--preset", "release", "--log-level=WARNING")
    quietly("cmake", "--build", "--preset", "release", "--target", "detent_guards")
    run("build/release/tests/guards/workload", *(arguments or ["table"]))


def run(program="", command="", *workload):
    """Each command takes the program, and a workload or none."""
    takes_workload = command in ("check", "profile", "calls")
    if command not in COMMANDS or len(workload) != takes_workload:
        raise WrongUsage()
    COMMANDS[command](program, *workload)


def workloads(program):
    return counting.output_of(program).split()


def figures_of(program, workload, limits):
    """By kind. A figure that cannot be counted here is None."""
    return {kind: None if counting.obstacle_to(kind, program, limits.compiler)
            else counting.figure(kind, program, workload) for kind in KINDS}


def check(program, workload):
    limits = thresholds.current()
    failed = skipped = False
    for kind, figure in figures_of(program, workload, limits).items():
        if figure is None:
            why = counting.obstacle_to(kind, program, limits.compiler)
            print(f"skipped: {kind} not counted: {why}")
            skipped = True
        else:
            failed |= not is_within(program, workload, kind, figure, limits.limit(workload, kind))
    if failed or skipped:
        raise Failure(status=1 if failed else SKIPPED)


def is_within(program, workload, kind, figure, limit):
    """Says so, and what to do next."""
    print(f"{workload}: {kind} of an operation: {figure}, limit {limit or 'none'}")
    if limit is None:
        print(f"There is no limit in {thresholds.FILE}; ./dev guards tighten writes it.")
        return False
    if thresholds.is_above(figure, limit):
        where_to_look(program, workload, kind)
        return False
    if thresholds.is_loose(kind, figure, limit):
        print("That is better than the limit: ./dev guards tighten")
    return True


def where_to_look(program, workload, kind):
    if kind == "instructions":
        print(f"That is above the limit. ./dev guards profile {workload}, here and before the "
              "change, shows which function takes more.")
    elif kind == "system_calls":
        print("That is above the limit. By name:")
        calls(program, workload)
    else:
        print("That is above the limit. A debugger that stops at operator new shows who allocates.")


def complete(program):
    limited = {*thresholds.current().limits}
    known = {*workloads(program)}
    for workload in sorted(limited ^ known):
        print(f"{workload} is in {thresholds.FILE} alone" if workload in limited
              else f"{workload} is a workload without limits")
    if limited != known:
        raise Failure(f"these workloads and {thresholds.FILE} are not of one mind")


def only_tightened(_program):
    now, earlier = thresholds.current(), thresholds.earlier()
    if not earlier:
        print("skipped: no history to compare the thresholds with")
        raise Failure(status=SKIPPED)
    complaints = [each for before in earlier for each in thresholds.raised(now, before)]
    if complaints:
        raise Failure("\n".join(complaints))


def table(program):
    limits = thresholds.current()
    print_row("workload", *(word for kind in KINDS for word in (kind, "limit")), "")
    for workload in workloads(program):
        cells, notes = [], []
        for kind, figure in figures_of(program, workload, limits).items():
            limit = limits.limit(workload, kind)
            cells += [figure or "-", limit or "-"]
            notes.append(note(kind, figure, limit))
        print_row(workload, *cells, "above" if "above" in notes else max(notes))


def print_row(*cells):
    print("{:<25} {:>12} {:>7} {:>14} {:>7} {:>13} {:>7} {}".format(*cells).rstrip(), flush=True)


def note(kind, figure, limit):
    if figure is None or limit is None:
        return ""
    if thresholds.is_above(figure, limit):
        return "above"
    return "tighten" if thresholds.is_loose(kind, figure, limit) else ""


def tighten(program):
    limits = thresholds.current()
    lines = [thresholds.tightened(line, figures_of(program, line.split()[0], limits))
             if thresholds.is_of_workload(line) else line
             for line in thresholds.FILE.read_text().splitlines()]
    thresholds.FILE.write_text("\n".join(lines) + "\n")


def profile(program, workload):
    with tempfile.NamedTemporaryFile() as account:
        counting.instructions(program, workload, LONG, account.name)
        said = counting.output_of("callgrind_annotate", "--auto=no", account.name)
    # Lines such as: 399,000 (33.2%)  file:function(arguments) [library]
    for count, function in re.findall(r"^ *([0-9,]+) \([ 0-9.]+%\)  [^:\n]*:(.*) \[", said, re.M):
        print(f"{int(count.replace(',', '')) / LONG:9.1f} {function}")


def calls(program, workload):
    more = Counter(counting.names_of_calls(program, workload, LONG))
    more.subtract(counting.names_of_calls(program, workload, SHORT))
    for name, count in more.most_common():
        if count:
            print(f"{count / (LONG - SHORT):9.3f} {name}")


COMMANDS = {each.__name__: each
            for each in (check, complete, only_tightened, table, tighten, profile, calls)}
if __name__ == "__main__":
    try:
        run(*sys.argv[1:])
    except WrongUsage:
        sys.exit(__doc__)
    except Failure as failure:
        print(failure, end="\n" if str(failure) else "")
        sys.exit(failure.status)
