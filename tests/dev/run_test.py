# SPDX-License-Identifier: BSL-1.0
"""./dev test on programs that only talk like GoogleTest's, and fail in each way there is."""

import contextlib
import io
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent / "tool"))

import presets
import programs
from outcome import Outcome, closing_lines

# A test does what its name says. Real programs are as terse about what follows a crash.
PROGRAM = """
import os, sys, time
tests = {tests!r}
if sys.argv[1:] == ["--gtest_list_tests"]:
    print("Suite.")
    for test in tests: print("  " + test + "  # GetParam() = 1")
    sys.exit()
to_run = os.environ["GTEST_FILTER"].split(":")
for test in to_run:
    name = test.removeprefix("Suite.").rstrip("0123456789")
    print(f"[ RUN      ] {{test}}", flush=True)
    if name == "Dies": os.abort()
    if name == "Exits": os._exit(0)
    if name == "Hangs": time.sleep(1000)
    if name == "Skips": print("a.cc:1: Skipped\\nnothing to see\\n")
    if name == "Fails": print("a.cc:1: Failure\\n1 is not 2")
    if name == "Prints": print("no end of line ", end="")
    result = {{"Skips": "  SKIPPED", "Fails": "  FAILED "}}.get(name, "       OK")
    print(f"[{{result}} ] {{test}} (3 ms)", flush=True)
sys.exit({status} or any(test.startswith("Suite.Fails") for test in to_run))
"""


class Run(unittest.TestCase):
    def run_program(self, *tests, status=0, limit=60, source=PROGRAM, tests_of_a_process=100):
        """Of a program with these tests: the outcome. What the run prints is in self.said."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "program"
            file.write_text(source.format(tests=tests, status=status))
            program = programs.Program("fake", [sys.executable, str(file)], limit)
            with contextlib.redirect_stdout(io.StringIO()) as said:
                outcome = programs.run([program], tests_of_a_process)
        self.said = said.getvalue()
        return outcome

    def expect(self, outcome, passed, failed=(), skipped=()):
        self.assertEqual(
            (outcome.passed, outcome.failed, outcome.skipped),
            (passed, [f"fake/{name}" for name in failed], Counter(dict(skipped))), self.said)

    def test_EveryTestCountsOnce(self):
        tests = [f"Passes{i}" for i in range(7)]
        self.expect(self.run_program(*tests, tests_of_a_process=3), passed=7)

    def test_DisabledTestsAreNotRun(self):
        self.expect(self.run_program("Passes", "DISABLED_Hangs"), passed=1)

    def test_TestsThatSkipAreCountedByTheirReason(self):
        self.expect(self.run_program("Skips1", "Passes", "Skips2"), passed=1,
                    skipped={"nothing to see": 2})

    def test_AFailureIsToldWithItsOwnOutput(self):
        self.expect(self.run_program("Passes1", "Fails", "Passes2"), passed=2,
                    failed=["Suite.Fails"])
        self.assertIn("1 is not 2", self.said)
        self.assertNotIn("Passes", self.said, "the output of others")

    def test_WhatATestPrintsBeforeItsResultDoesNotHideIt(self):
        self.expect(self.run_program("Prints", "Passes"), passed=2)

    def test_ATestThatDiesFailsAndTheTestsAfterItRun(self):
        self.expect(self.run_program("Passes1", "Dies", "Passes2"), passed=2,
                    failed=["Suite.Dies"])
        self.assertIn("Signal 6", self.said)

    def test_ATestThatEndsItsProcessWithSuccessFails(self):
        self.expect(self.run_program("Exits", "Passes"), passed=1, failed=["Suite.Exits"])

    def test_ATestThatTakesTooLongIsEndedAndNamed(self):
        self.expect(self.run_program("Passes1", "Hangs", "Passes2", limit=0.5), passed=2,
                    failed=["Suite.Hangs"])
        self.assertIn("longer than 0.5 seconds", self.said)

    def test_AProgramThatFailsAfterItsTestsIsAFailure(self):
        self.expect(self.run_program("Passes", status=23), passed=1, failed=[": after its tests"])
        self.assertIn("ended with 23", self.said)

    def test_TestsThatAProgramDoesNotRunFail(self):
        runs_none = PROGRAM.replace("in to_run:", "in to_run[:0]:")
        self.expect(self.run_program("A", "B", source=runs_none), passed=0,
                    failed=["Suite.A", "Suite.B"])

    def test_AProgramThatCannotListItsTestsIsAFailure(self):
        self.expect(self.run_program(source="print('no memory')\nraise SystemExit(1)"), passed=0,
                    failed=[": the list of its tests"])
        self.assertIn("no memory", self.said)

    def test_AnAccountOfCTestIsCounted(self):
        account = """<testsuite>
            <testcase name="a" status="run"/>
            <testcase name="b" status="disabled"/>
            <testcase name="c" status="notrun"><system-out>skipped: no python</system-out></testcase>
            <testcase name="e" status="notrun">
                <system-out>test_x ... skipped 'no python'</system-out></testcase>
            <testcase name="d" status="fail"><system-out>two and two</system-out></testcase>
            </testsuite>"""
        with contextlib.redirect_stdout(io.StringIO()) as said:
            outcome = presets.outcome_of_account(account)
        self.assertEqual(outcome, Outcome(1, ["d"], Counter({"no python": 2})))
        self.assertIn("two and two", said.getvalue())

    def test_TheClosingLineHasTheTotals(self):
        lines = closing_lines({"dev": Outcome(3, [], Counter({"no kqueue": 2})),
                               "asan": Outcome(4, ["loop/A.B"], Counter({"no kqueue": 2}))})
        self.assertIn("     4 no kqueue (dev, asan)", lines)
        self.assertIn("FAILED in asan: loop/A.B", lines)
        self.assertEqual(lines[-1], "7 passed, 1 failed, 4 skipped")


unittest.main()
