# SPDX-License-Identifier: BSL-1.0
"""./dev test: builds and tests, one step after another. The last line has the totals.

docs/testing.md says what each step proves."""

import argparse
import os

import packages
import presets
from commands import Failure, attempt
from outcome import Outcome, closing_lines

QUICK = "dev"
PRESETS = [QUICK, "gcc", "release", "asan", "tsan", "kqueue"]
# Steps that are no preset of CMake's, or two of them.
SCRIPTS = {"macos": [".ci/macos"], "lint": ["./dev", "lint"],
           "conformance": ["./dev", "conformance", "--check"]}
# Under its sanitizers, asan runs what the quick round does.
MATRIX = [step for step in [*PRESETS, *SCRIPTS] if step != QUICK]
SKIPPED = 77  # The exit code of a script that cannot run here. Its last line says why.


def test(*arguments):
    options = parsed(arguments)
    packages.need(*(packages.TEST if arguments else packages.QUICK_TEST))
    # Without this, ccache compiles anew what uses a precompiled header.
    os.environ.setdefault("CCACHE_SLOPPINESS", "pch_defines,time_macros")
    outcomes = {step: run_script(step) if step in SCRIPTS else presets.test(step, options.soak)
                for step in steps(options)}
    print("\n".join(closing_lines(outcomes)))
    if any(outcome.failed for outcome in outcomes.values()):
        raise Failure()


def parsed(arguments):
    parser = argparse.ArgumentParser(prog="./dev test")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--all", action="store_true")
    choice.add_argument("--preset", choices=[*PRESETS, *SCRIPTS])
    parser.add_argument("--soak", action="store_true")
    return parser.parse_args(arguments)


def steps(options):
    if options.all or (options.soak and not options.preset):
        return MATRIX
    return [options.preset or QUICK]


def run_script(name):
    print(f"\n== {name}", flush=True)
    outcome = Outcome()
    with presets.Watch() as watch:
        status, said = attempt(*SCRIPTS[name])
    last_line = (said.splitlines() or [""])[-1]
    if status == 0:
        outcome.passed = 1
        print(last_line)
    elif status == SKIPPED:
        outcome.skipped[last_line] = 1
    else:
        outcome.fail([name], said)
    print(f"{name}: {outcome.counts()}, in {watch}", flush=True)
    return outcome
