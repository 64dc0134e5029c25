# SPDX-License-Identifier: BSL-1.0
"""What tests/dev/tool makes of accounts of tests: the page of conformance."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent / "tool"))

from accounts import POLLERS
from conformance import page

NOT_MEANT = "not run"
NO_HERE = "skipped: no | here"


def account(*lines):
    """Each line is a test, its parameter and the outcome."""
    return "".join(f"Suite.{test}\t{parameter}\t{outcome}\n" for test, parameter, outcome in lines)


def everywhere(test, outcome="same"):
    return account(*((test, poller, outcome) for poller in POLLERS))


def row(rule, test, *cells):
    return f"| {rule} | `Suite.{test}` | {' | '.join(cells)} |"


class Conformance(unittest.TestCase):
    def page(self, linux, bsd="", old="", is_check=False):
        """What these accounts make of the old page, in self.text and self.unconfirmed."""
        self.text, self.unconfirmed = page(old, [linux, bsd], is_check)
        return self.text

    def expect(self, line):
        self.assertIn(line, self.text.splitlines())

    def test_ASkippedTestIsSkippedInTheTableAndSaysWhy(self):
        self.page(account(("D1_Adds", "epoll", "same"), ("D1_Adds", "poll", NO_HERE)))
        self.expect(row("D1", "D1_Adds", "same", NOT_MEANT, NOT_MEANT, "skipped: no &#124; here",
                        NOT_MEANT))

    def test_OfATestThatRanAgainTheLastOutcomeCounts(self):
        self.page(account(("D1_Adds", "epoll", "same"), ("D1_Adds", "epoll", "skipped: not today")))
        self.expect(row("D1", "D1_Adds", "skipped: not today", *[NOT_MEANT] * 4))

    def test_OfSeveralParametersThoseThatRanCount(self):
        self.page(account(("D1_Adds", "epoll_first", "skipped: no first"),
                          ("D1_Adds", "epoll_second", "same"),
                          ("D1_Adds", "epoll_third", "differs: `so`")))
        self.expect(row("D1", "D1_Adds", "differs: `so`", *[NOT_MEANT] * 4))

    def test_ATestThatTheFirstAccountLacksIsTheNextOnes(self):
        self.page(account(("D1_Adds", "poll", "same"), ("D1_Adds", "epoll", "differs: `here`")),
                  account(("D1_Adds", "poll", "differs: `there`"), ("K1_Raw", "poll", "same"),
                          ("K1_Raw", "kqueue", "failed")))
        self.expect(row("D1", "D1_Adds", "differs: `here`", NOT_MEANT, NOT_MEANT, "same",
                        NOT_MEANT))
        self.expect(row("K1", "K1_Raw", NOT_MEANT, NOT_MEANT, "failed", "same", NOT_MEANT))

    def test_ATestThatTheFirstAccountSkipsIsTheNextOnes(self):
        self.page(account(("K4_Prints", "poll", "skipped: no kqueue here"),
                          ("K4_Prints", "epoll", "skipped: no kqueue here")),
                  account(("K4_Prints", "poll", "same"), ("K4_Prints", "kqueue", "skipped: why")))
        self.expect(row("K4", "K4_Prints", "skipped: no kqueue here", NOT_MEANT, "skipped: why",
                        "same", NOT_MEANT))

    def test_ACellOfTheOldTableStandsOnlyForAPollerThatIsNotThere(self):
        old = self.page(everywhere("D1_Adds", "differs: `so`") + everywhere("D3_Same"))
        self.page(account(("D1_Adds", "epoll", "same"), ("D2_Other", "poll", "same"),
                          ("D3_Same", "epoll", "same"), ("D3_Same", "poll", "same")), old=old)
        self.expect(row("D1", "D1_Adds", "same", "differs: `so`", "differs: `so`", NOT_MEANT,
                        "differs: `so`"))
        self.assertIn("The same on epoll, io_uring, kqueue, poll and select (1 test):\nD3\n",
                      self.text)
        self.assertIn("The same on poll (1 test):\nD2\n", self.text)

    def test_ACheckDoesNotDenyWhatItsMachineSkips(self):
        old = self.page(everywhere("D1_Adds") + everywhere("D2_Same"))
        skipping = account(("D1_Adds", "epoll", "skipped: no ptrace"), ("D1_Adds", "poll", "failed"),
                           ("D2_Same", "epoll", "skipped: no ptrace"), ("D2_Same", "poll", "same"))
        self.page(skipping, old=old, is_check=True)
        self.expect(row("D1", "D1_Adds", "same", "same", "same", "failed", "same"))
        self.assertIn("poll and select (1 test):\nD2\n", self.text)
        self.assertEqual(self.unconfirmed, 2)

    def test_TestsThatAreTheSameAreCountedByTheirRule(self):
        self.page("".join(map(everywhere, ["D10_A", "D2_A", "D2_B", "BE2_A", "T3_A"])))
        self.assertIn("The same on epoll, io_uring, kqueue, poll and select (5 tests):\n"
                      "BE2,\nD2 (2), D10,\nT3\n", self.text)
        self.assertNotIn("Suite.", self.text)

    def test_ATestThatIsNotMeantForSomePollersIsCountedByItself(self):
        self.page(everywhere("D1_A"), account(("K1_Raw", "poll", "same"), ("K1_Raw", "kqueue", "same")))
        self.assertIn("The same on kqueue and poll (1 test):\nK1\n", self.text)

    def test_ACheckSeesATestThatIsLostOrNew(self):
        both = everywhere("D1_A") + everywhere("D1_B")
        old = self.page(both)
        self.assertEqual(self.page(both, old=old, is_check=True), old)
        self.assertNotEqual(self.page(everywhere("D1_A"), old=old, is_check=True), old)
        self.assertNotEqual(self.page(both + everywhere("D1_C"), old=old, is_check=True), old)
        self.assertNotEqual(self.page(both + everywhere("D1_C", "skipped: no"), old=old,
                                      is_check=True), old)

    def test_ACheckSeesAPollerThatATestNoLongerRunsOn(self):
        old = self.page(everywhere("D1_A") + everywhere("D1_B"))
        fewer = account(*(("D1_B", poller, "same") for poller in POLLERS[:-1]))
        self.assertNotEqual(self.page(everywhere("D1_A") + fewer, old=old, is_check=True), old)


if __name__ == "__main__":
    unittest.main()
