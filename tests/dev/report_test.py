# SPDX-License-Identifier: BSL-1.0
"""bench/report on results that are made here, so that their medians are known."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/performance.md"
MACHINE = {"kind": "machine", "cpu": "abacus", "cores": 2, "kernel": "Linux 0", "compiler": "GNU 1",
           "commit": "c0ffee", "load": [0.5, 0.25, 0], "date": "2026-01-02T03:04:05Z"}
EVENTS = ("W1", "N=100 M=1 timers=0", "ns_per_event")
THROUGHPUT = ("W4", "connections=1 bytes=16384 in_flight=16", "gb_per_s")


def samples(of, **rounds):
    """Of a workload, a case and a metric: each peer's values, by round."""
    names = {"raw": "raw_epoll", "detent": "detent/epoll"}
    return [{"kind": "sample", "workload": of[0], "case": of[1], "metric": of[2],
             "peer": names.get(peer, peer), "round": i, "value": value}
            for peer, values in rounds.items() for i, value in enumerate(values)]


class WithResults(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.document = self.folder / "performance.md"
        self.document.write_text(DOCUMENT.read_text())
        self.page = self.folder / "report.html"

    def write(self, program, *lines):
        command = {"kind": "command", "command": f"build/bench/bench/{program} --quick"}
        (self.folder / f"{program}.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in (MACHINE, command, *lines)))

    def run_report(self, *options):
        return subprocess.run([sys.executable, ROOT / "bench/report", *options, self.folder,
                               self.document], capture_output=True, text=True, check=False)

    def report(self, *options):
        done = self.run_report(*options)
        self.assertEqual(done.returncode, 0, done.stderr)

    def block(self, name):
        """What stands between the marks of that table."""
        blocks = re.findall(rf"<!-- table: {name} -->\n(.*?)<!-- end -->",
                            self.document.read_text(), re.DOTALL)
        self.assertEqual(len(blocks), 1, name)
        return blocks[0]

    def row(self, table, peer):
        rows = [line.strip("| ").split(" | ") for line in self.block(table).splitlines()]
        return next(row[1:] for row in rows if row[0].strip("*") == peer)


class Tables(WithResults):
    def test_a_ratio_is_the_median_of_those_in_the_same_round(self):
        # The ratio of the medians would be 1.15.
        self.write("ring", *samples(EVENTS, raw=[100, 200, 400], detent=[110, 230, 400]))
        self.report()
        self.assertEqual(self.row("W1 events", "detent/epoll"), ["1.10 (1.00–1.15)"])
        self.assertEqual(self.row("W1 events", "raw epoll, absolute"), ["200 ns"])

    def test_a_round_without_the_yardstick_has_no_ratio(self):
        self.write("ring", *samples(EVENTS, raw=[100], detent=[110, 990]))
        self.report()
        self.assertEqual(self.row("W1 events", "detent/epoll"), ["1.10 (1.10–1.10)"])

    def test_a_peer_that_was_not_there_is_told(self):
        self.write("ring", *samples(EVENTS, raw=[100], detent=[110], libev=[120]))
        self.report()
        self.assertEqual(self.row("W1 events", "libev"), ["1.20 (1.20–1.20)"])
        self.assertEqual(self.row("W1 events", "libuv"), ["not measured"])
        self.assertIn("Not measured.", self.block("W6 connections"))

    def test_a_peer_is_ahead_when_its_worst_round_is_better_than_detents_best(self):
        self.write("ring", *samples(EVENTS, raw=[100, 100], detent=[110, 120], libev=[90, 108],
                                     libuv=[90, 111]))
        self.report()
        self.assertIn("libev 0.99 (0.90–1.08) |", self.block("losses"))
        self.assertNotIn("libuv", self.block("losses"))
        self.assertEqual(self.row("overview", "W1: processor time of an event"),
                         ["1", "0", "0", "1"])

    def test_detent_is_ahead_of_all_when_its_worst_round_is_better_than_their_best(self):
        self.write("ring", *samples(EVENTS, raw=[100, 100], detent=[80, 89], libev=[90, 109]))
        self.report()
        self.assertEqual(self.row("overview", "W1: processor time of an event"),
                         ["1", "1", "0", "0"])

    def test_more_throughput_is_better(self):
        self.write("echo", *samples(THROUGHPUT, raw=[1, 1], detent=[1, 1.2], libev=[1.3, 1.4],
                                    libuv=[0.5, 0.6]))
        self.report()
        self.assertIn("libev 1.35", self.block("losses"))
        self.assertNotIn("libuv", self.block("losses"))

    def test_who_comes_early_has_no_ratio_and_is_not_ahead(self):
        self.write("periodic", *samples(("W3", "timers=100", "p50_us"), raw=[10], detent=[11],
                                        libevent=[-1500]))
        self.report()
        self.assertEqual(self.row("W3 punctuality", "libevent"), ["no ratio: -1,500 µs"])
        self.assertNotIn("libevent", self.block("losses"))

    def test_facts_of_detent_stand_beside_those_of_asio(self):
        self.write("facts", *({"kind": "fact", "name": f"time to compile first_server, {side}",
                               "value": value, "unit": "s"}
                              for side, value in [("detent", 1.5), ("asio", 6)]),
                   {"kind": "fact", "name": "size of libev.so text", "value": 56931,
                    "unit": "bytes"})
        self.report()
        self.assertEqual(self.row("program", "time to compile first_server"),
                         ["1.5 s", "6 s", "0.25"])
        self.assertEqual(self.row("sizes", "`libev.so`"), ["56,931 bytes"])

    def test_what_people_wrote_stays_as_it_is(self):
        def prose():
            return re.sub(r"(<!-- table: .*? -->\n).*?(?=<!-- end -->)", r"\1",
                          self.document.read_text(), flags=re.DOTALL)
        before = prose()
        self.write("ring", *samples(EVENTS, raw=[100], detent=[110]))
        self.report()
        once = self.document.read_text()
        self.assertEqual(prose(), before)
        self.report()
        self.assertEqual(self.document.read_text(), once)

    def test_every_table_says_the_command_that_reproduces_it(self):
        command = r"`(build/bench/bench/\w+|bench/facts build/bench|\./dev bench)( [^`]*)?`"
        for results in "those in the tree", "those made here":
            names = re.findall("<!-- table: (.*?) -->", self.document.read_text())
            self.assertGreater(len(names), 20)
            for name in names:
                self.assertRegex(self.block(name), command, f"{name}, of {results}")
            self.write("ring", *samples(EVENTS, raw=[100], detent=[110]))
            self.report()
        self.assertIn("`build/bench/bench/ring --quick`", self.block("W1 events"))
        self.assertIn("`build/bench/bench/ring --quick` | c0ffee | 2026-01-02",
                      self.block("machine"))

    def test_a_table_without_its_place_is_an_error(self):
        self.write("ring", *samples(EVENTS, raw=[100], detent=[110]))
        self.document.write_text(self.document.read_text().replace("<!-- table: sizes -->", ""))
        done = self.run_report()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("'sizes'", done.stderr)

    def test_without_results_it_says_so_and_leaves_the_document(self):
        done = self.run_report()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("there are no results", done.stderr)
        self.assertEqual(self.document.read_text(), DOCUMENT.read_text())


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "there is no matplotlib here")
class Page(WithResults):
    def test_the_page_has_all_plots_and_needs_nothing_else(self):
        self.write("ring", *samples(EVENTS, raw=[100, 100], detent=[110, 130], libev=[777, 777]))
        self.write("periodic", *samples(("W3", "timers=100", "p50_us"), raw=[10], detent=[11]),
                   *({"kind": "histogram", "workload": "W3", "case": "timers=100", "peer": peer,
                      "round": 0, "bins": [[0, 1], [10, 5], [15.8489, 4]]}
                     for peer in ("raw_epoll", "detent/epoll")))
        self.write("growth", *(sample for idle, value in ((10, 50), (1000, 60)) for sample in
                               samples(("W9", f"idle={idle}", "ns_per_event"), raw=[50],
                                       detent=[value])))
        self.report("--page", self.page)
        page = self.page.read_text()
        # At a glance three, then one of bars each for W1 and W3, two histograms, one of curves.
        self.assertEqual(page.count("<svg"), 3 + 2 + 2 + 1)
        for text in "1.20", "7.77", "libev", "not measured", "detent/epoll: median 11.0 µs":
            self.assertIn(f">{text}<", page)
        self.assertNotRegex(page, r"<script|<link|<img|src=|url\((?!#)|@import")


if __name__ == "__main__":
    unittest.main()
