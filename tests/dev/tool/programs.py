# SPDX-License-Identifier: BSL-1.0
"""GoogleTest's programs, with their tests dealt out to processes that run side by side.

A process for each test would cost more than the tests do. What that isolates is kept: where a test
ends its process, or does not end in time, the tests after it run in a new one."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from outcome import Outcome

TESTS_OF_A_PROCESS = 160
# Most tests wait most of the time.
SIDE_BY_SIDE = 3 * (os.cpu_count() or 1)


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    limit: float  # of one test, in seconds
    environment: dict[str, str] = field(default_factory=dict)


def listed(build, wrapper, environment):
    """The programs of a build, as tests/CMakeLists.txt tells of them."""
    lines = (Path(build) / "tests/programs.tsv").read_text().splitlines()
    return [Program(name, [*wrapper, path], float(limit), environment)
            for name, path, limit in (line.split("\t") for line in lines)]


def run(programs, tests_of_a_process=TESTS_OF_A_PROCESS):
    """The outcome of all their tests."""
    outcome, work = Outcome(), []
    for program in programs:
        try:
            tests = names_of_tests(program)
        except subprocess.CalledProcessError as error:
            outcome.fail([f"{program.name}/: the list of its tests"], error.stdout)
            continue
        work += [(program, hand) for hand in deal(tests, tests_of_a_process)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for part in pool.map(lambda item: run_tests(*item), work):
            outcome.add(part)
    return outcome


def names_of_tests(program):
    """Those that are not disabled."""
    listing = subprocess.run([*program.command, "--gtest_list_tests"], text=True, check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL, env=os.environ | program.environment)
    names, suite = [], ""
    for line in listing.stdout.splitlines():
        word = line.split("#")[0].strip()
        if line.startswith("  "):
            names.append(suite + word)
        else:
            suite = word
    return [name for name in names if "DISABLED_" not in name]


def deal(tests, tests_of_a_process):
    """Neighbours go to different processes, since what takes long stands together."""
    hands = -(-len(tests) // tests_of_a_process)
    return [tests[i::hands] for i in range(hands)]


def run_tests(program, tests):
    """Runs these tests in one process, and in one more for each test that ends its process."""
    outcome = Outcome()
    while tests:
        text, end = run_process(program, tests)
        report = Report(text)
        outcome.passed += len(report.passed)
        outcome.skipped += Counter(report.skipped.values())
        for test, said in report.failed.items():
            outcome.fail([f"{program.name}/{test}"], said)
        tests = [test for test in tests if test not in report.done()]
        if report.running in tests:
            outcome.fail([f"{program.name}/{report.running}"], f"{report.said}\n{end}")
            tests.remove(report.running)
        elif tests:
            outcome.fail([f"{program.name}/{test}" for test in tests], f"{text}\n{end}")
            break
        elif end != "It ended with 0." and not report.failed:
            outcome.fail([f"{program.name}/: after its tests"], f"{report.said}\n{end}")
    return outcome


def run_process(program, tests):
    """What the process said, and how it ended, as a sentence."""
    with tempfile.NamedTemporaryFile() as output:
        # A group of its own, so that a hanging test's children can be ended with it. The names
        # would make a long command, which shows in every ps.
        process = subprocess.Popen(
            program.command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | program.environment | {"GTEST_FILTER": ":".join(tests)})
        try:
            end = wait(process, output.name, program.limit)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Path(output.name).read_text(errors="replace"), end


def wait(process, output, limit):
    """Until it ends, or one of its tests takes longer than the limit."""
    began = time.monotonic()
    with open(output, "rb") as said:
        while True:
            try:
                status = process.wait(timeout=min(limit, 1))
                return f"It ended with {status}." if status >= 0 else f"Signal {-status} ended it."
            except subprocess.TimeoutExpired:
                if b"[ RUN      ]" in said.read():
                    began = time.monotonic()
                elif time.monotonic() - began > limit:
                    return f"It was ended, since it takes longer than {limit:g} seconds."


class Report:
    """What the output of a GoogleTest program tells."""

    def __init__(self, text):
        self.passed, self.failed, self.skipped = set(), {}, {}  # name -> output, name -> reason
        self.running, self.said = None, ""
        for line in text.splitlines():
            if start := re.search(r"\[ RUN      \] (\S+)", line):
                self.running, self.said = start[1], ""
            elif self.running and (end := re.search(
                    r"\[ *(OK|FAILED|SKIPPED) *\] " + re.escape(self.running) + r"\b.*\(\d+ ms\)",
                    line)):
                self.finish(end[1], line[:end.start()])
            else:
                self.said += line + "\n"

    def finish(self, result, beginning_of_line):
        test, said = self.running, self.said + beginning_of_line
        if result == "OK":
            self.passed.add(test)
        elif result == "FAILED":
            self.failed[test] = said
        else:
            self.skipped[test] = reason_to_skip(said)
        self.running, self.said = None, ""

    def done(self):
        return self.passed | self.failed.keys() | self.skipped.keys()


def reason_to_skip(said):
    """The last, since a fixture says more exactly what a test only concludes."""
    reasons = re.findall(r"^\S+:\d+: Skipped\n(.*)", said, re.MULTILINE)
    return reasons[-1].strip() if reasons and reasons[-1].strip() else "the test does not say why"
