# SPDX-License-Identifier: BSL-1.0
"""The commands of a developer's day, as ./dev calls them. Each installs what it needs and misses."""

import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # A run leaves nothing in the tree of sources.

if sys.version_info < (3, 9):
    sys.exit("dev: this needs Python 3.9, and " + sys.executable + " is older")

import bench
import conformance
import demo
import examples
import findings
import fuzz
import guards
import lint
import matrix
from commands import Failure, WrongUsage

COMMANDS = {
    "bench": bench.bench,
    "conformance": conformance.conformance,
    "demo": demo.demo,
    "findings": findings.findings,
    "format": lint.format_sources,
    "fuzz": fuzz.fuzz,
    "guards": guards.guards,
    "lint": lint.lint,
    "run": examples.run,
    "test": matrix.test,
}


def main(command="", *arguments):
    os.chdir(Path(__file__).parents[3])
    sys.stdout.reconfigure(line_buffering=True)  # Programs that it runs print to the same place.
    try:
        if command not in COMMANDS:
            raise WrongUsage()
        COMMANDS[command](*arguments)
    except WrongUsage:
        sys.stderr.write((Path(__file__).parent / "usage").read_text())
        return 2
    except Failure as failure:
        if str(failure):  # Otherwise a program has said why.
            print(f"dev: {failure}", file=sys.stderr)
        return failure.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # Its reader has gone, as in ./dev guards | head.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
