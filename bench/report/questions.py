# SPDX-License-Identifier: BSL-1.0
"""What is asked of the results: one question is one table, and one row of plots."""

import re
from dataclasses import dataclass

from results import DETENT, RAW, measured


@dataclass(frozen=True)
class Metric:
    name: str
    title: str = "{}"  # of a column; {} is what the question's expression took from the case
    unit: str = "ns"
    more_is_better: bool = False
    absolute: bool = False  # a ratio would say nothing, because it may be zero


@dataclass(frozen=True)
class Question:
    key: str  # the table's name in docs/performance.md
    program: str
    text: str
    cases: str  # an expression that the cases' names match
    metrics: tuple

    @property
    def workload(self):
        return self.key.split()[0]


W2_METRICS = (
    Metric("add_ns", "add"), Metric("random_rearm_ns", "re-arm, random"),
    Metric("idle_rearm_ns", "re-arm, idle"), Metric("cancel_ns", "cancel"),
    Metric("fire_ns", "fire"), Metric("fire_moved_ns", "fire, moved before"))

QUESTIONS = (
    Question("W1 events", "ring", "processor time of an event", r"(N=\d+ M=\d+) timers=0",
             (Metric("ns_per_event"),)),
    Question("W1 events with timers", "ring",
             "processor time of an event that puts an idle timer off", r"(N=\d+ M=\d+) timers=1",
             (Metric("ns_per_event"),)),
    Question("W1 setting up", "ring", "processor time to start watching a descriptor",
             r"(N=\d+) M=1 timers=0", (Metric("set_up_ns_per_fd"),)),
    *(Question(f"W2 {count} timers", "timers",
               f"processor time of an operation among {count:,} timers", f"timers={count}",
               W2_METRICS) for count in (1000, 100000, 1000000)),
    Question("W3 punctuality", "periodic", "lateness and cost of periodic timers", r"timers=\d+",
             (Metric("p50_us", "late, median", "µs"), Metric("p99_us", "late, 99 of 100", "µs"),
              Metric("cpu_us_per_fire", "processor time of a tick", "µs"),
              Metric("missed", "missed ticks", "", absolute=True),
              Metric("drift_us", "drift", "µs", absolute=True))),
    Question("W4 server", "echo", "a server's processor time for a request",
             r"(connections=\d+) bytes=64", (Metric("cpu_us_per_request", "{}", "µs"),)),
    Question("W4 client", "echo", "how long a client waits for 64 bytes",
             r"(connections=\d+) bytes=64",
             (Metric("p50_us", "{}, median", "µs"), Metric("p99_us", "{}, 99 of 100", "µs"))),
    Question("W4 large requests", "echo", "requests of 16 KiB, 16 of them under way",
             r"connections=1 bytes=16384 in_flight=16",
             (Metric("cpu_us_per_request", "server's processor time", "µs"),
              Metric("gb_per_s", "throughput (more is better)", "GB/s", more_is_better=True))),
    Question("W5 posting", "post", "functions posted from another thread",
             "one producer", (Metric("ns_per_post", "time of a post"),
                              Metric("cpu_ns_per_post", "processor time of a post"))),
    Question("W5 to and fro", "post", "from one sleeping loop to another, and back",
             "ping-pong", (Metric("p50_us", "median", "µs"), Metric("p99_us", "99 of 100", "µs"))),
    Question("W6 connections", "churn", "a connection that comes, has a byte echoed, and goes",
             "8 at a time", (Metric("cpu_us_per_connection", "server's processor time", "µs"),
                             Metric("p50_us", "client's wait, median", "µs"),
                             Metric("p99_us", "client's wait, 99 of 100", "µs"))),
    Question("W7 server", "datagrams", "a server's processor time for a datagram",
             r"bytes=64 (in_flight=\d+)", (Metric("cpu_us_per_request", unit="µs"),)),
    Question("W7 client", "datagrams", "how long a client waits for a datagram",
             r"bytes=64 (in_flight=\d+)",
             (Metric("p50_us", "{}, median", "µs"), Metric("p99_us", "{}, 99 of 100", "µs"))),
    Question("W8 memory", "memory", "bytes in user space", r"from \d+ to \d+",
             (Metric("bytes_per_watch", "a watch", "bytes"),
              Metric("bytes_per_timer", "a timer", "bytes"),
              Metric("bytes_per_connection", "a connection", "bytes"))),
    Question("W9 idle descriptors", "growth", "an event among idle descriptors", r"idle=(\d+)",
             (Metric("ns_per_event", "{} idle"),)),
    *(Question(f"W9 timers {metric.title}", "growth",
               f"an operation among timers: {metric.title}", r"timers=(\d+)",
               (Metric(metric.name, "{} timers"),)) for metric in W2_METRICS[:-1]),
)


@dataclass(frozen=True)
class Column:
    """One case and one metric."""

    results: object
    workload: str
    case: str
    metric: Metric
    title: str

    def cell(self, peer):
        """As a ratio, unless the metric is absolute. None when it was not measured, and when there
        is no ratio: who comes too early is not so many times as late as another."""
        absolute = self.absolute(peer)
        if self.metric.absolute or not absolute:
            return absolute
        if absolute.least < 0:
            return None
        return measured(self.results.ratios(self.workload, self.case, self.metric.name, peer))

    def absolute(self, peer):
        return measured(self.results.values(self.workload, self.case, self.metric.name, peer))

    def rounds(self):
        return len(self.results.values(self.workload, self.case, self.metric.name, RAW))

    def better(self, one, other):
        """Beyond the noise: in its worst round still better than the other in its best."""
        if self.metric.more_is_better:
            return one.least > other.greatest
        return one.greatest < other.least


def columns(results, question):
    found = []
    for case in results.cases(question.workload):
        match = re.fullmatch(question.cases, case)
        for metric in question.metrics if match else ():
            column = Column(results, question.workload, case, metric,
                            metric.title.format(*match.groups()))
            if column.rounds():
                found.append(column)
    return found


def others(results, workload):
    """The other libraries: neither the yardstick nor detent on any poller."""
    return [peer for peer in results.peers(workload)
            if peer != RAW and not peer.startswith("detent/")]


def rows(results, question):
    """The peers of a table. Of detent's other pollers only those that the question is put to: some
    ask nothing of how a loop waits."""
    asked = columns(results, question)
    return [peer for peer in results.peers(question.workload)
            if not peer.startswith("detent/") or peer == DETENT or any(map(
                lambda column: column.absolute(peer), asked))]


def peers_ahead(column):
    """Those that are better than detent beyond the noise, the best first."""
    detent = column.cell(DETENT)
    cells = {peer: column.cell(peer) for peer in others(column.results, column.workload)}
    better = [peer for peer, cell in cells.items()
              if detent and cell and column.better(cell, detent)]
    return sorted(better, key=lambda peer: cells[peer].median,
                  reverse=column.metric.more_is_better)


def detent_leads(column):
    """Whether detent is better than each of the others beyond the noise."""
    detent = column.cell(DETENT)
    cells = [column.cell(peer) for peer in others(column.results, column.workload)]
    cells = [cell for cell in cells if cell]
    return bool(detent and cells) and all(column.better(detent, cell) for cell in cells)
