# SPDX-License-Identifier: BSL-1.0
"""usage: python3 tests/dev/run [--all | --preset NAME] [--soak]

Builds and tests; see ./dev, which calls it, and docs/testing.md. The last line has the totals."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # a run leaves nothing in the tree of sources

import presets
from outcome import Outcome, closing_lines

QUICK = "dev"
PRESETS = [QUICK, "gcc", "release", "asan", "tsan", "kqueue"]
# What is no preset of CMake's, or of two.
SCRIPTS = {"macos": [".ci/macos"], "lint": ["./dev", "lint"],
           "conformance": ["./dev", "conformance", "--check"]}
# Under its sanitizers, asan runs what the quick round does.
MATRIX = [step for step in [*PRESETS, *SCRIPTS] if step != QUICK]
SKIPPED = 77  # the exit code of what cannot be done here; the last line says why


def run_script(name):
    print(f"\n== {name}", flush=True)
    outcome = Outcome()
    with presets.Watch() as watch:
        done = subprocess.run(SCRIPTS[name], text=True, check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    last_line = (done.stdout.splitlines() or [""])[-1]
    if done.returncode == 0:
        outcome.passed = 1
        print(last_line)
    elif done.returncode == SKIPPED:
        outcome.skipped[last_line] = 1
    else:
        outcome.fail([name], done.stdout)
    print(f"{name}: {outcome.counts()}, in {watch}", flush=True)
    return outcome


def main():
    parser = argparse.ArgumentParser(prog="./dev test")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--all", action="store_true")
    choice.add_argument("--preset", choices=[*PRESETS, *SCRIPTS])
    parser.add_argument("--soak", action="store_true")
    arguments = parser.parse_args()

    os.chdir(Path(__file__).parents[3])
    # Without this, ccache compiles anew whatever uses a precompiled header.
    os.environ.setdefault("CCACHE_SLOPPINESS", "pch_defines,time_macros")
    whole = arguments.all or (arguments.soak and not arguments.preset)
    steps = MATRIX if whole else [arguments.preset or QUICK]
    outcomes = {step: run_script(step) if step in SCRIPTS else presets.test(step, arguments.soak)
                for step in steps}
    print("\n".join(closing_lines(outcomes)))
    sys.exit(any(outcome.failed for outcome in outcomes.values()))


main()
