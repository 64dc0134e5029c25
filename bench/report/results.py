# SPDX-License-Identifier: BSL-1.0
"""What bench/results/ holds, and the ratios in it."""

import json
import statistics
from collections import namedtuple

RAW = "raw_epoll"  # what the ratios are taken to
DETENT = "detent/epoll"  # what a user gets who chooses nothing
PEERS = ["libev", "libuv", "libevent", "asio", "sd_event"]

# A median, and the least and the greatest value of all rounds.
Measured = namedtuple("Measured", "median least greatest")


def measured(values):
    return Measured(statistics.median(values), min(values), max(values)) if values else None


class Results:
    """Of several programs, each of whose lines lie in <program>.jsonl."""

    def __init__(self, files):
        self.machines = {}  # by program
        self.commands = {}  # by program
        self.facts = {}  # by name: (value, unit)
        self.histograms = {}  # by workload and peer: {upper bound: count}, of all rounds
        self._samples = {}  # by workload, case and metric: {peer: {round: value}}
        for file in files:
            for line in file.read_text().splitlines():
                self._add(file.stem, json.loads(line))

    def _add(self, program, line):
        kind = line["kind"]
        if kind == "machine":
            self.machines[program] = line
        elif kind == "command":
            self.commands[program] = line["command"]
        elif kind == "fact":
            self.facts[line["name"]] = (line["value"], line["unit"])
        elif kind == "histogram":
            bins = self.histograms.setdefault((line["workload"], line["peer"]), {})
            for upper, count in line["bins"]:
                bins[upper] = bins.get(upper, 0) + count
        elif kind == "sample":
            peers = self._samples.setdefault((line["workload"], line["case"], line["metric"]), {})
            peers.setdefault(line["peer"], {})[line["round"]] = line["value"]

    def cases(self, workload):
        """In the order in which they were measured."""
        return list(dict.fromkeys(case for of, case, _ in self._samples if of == workload))

    def peers(self, workload):
        """The yardstick, detent, detent on its other pollers, then the others, those first that we
        know of, measured or not."""
        found = dict.fromkeys(
            peer for key, peers in self._samples.items() if key[0] == workload for peer in peers)
        detents = [peer for peer in found if peer.startswith("detent/") and peer != DETENT]
        return list(dict.fromkeys([RAW, DETENT, *detents, *PEERS, *found]))

    def values(self, workload, case, metric, peer):
        return list(self._rounds(workload, case, metric, peer).values())

    def ratios(self, workload, case, metric, peer):
        """To the yardstick in the same round."""
        raw = self._rounds(workload, case, metric, RAW)
        rounds = self._rounds(workload, case, metric, peer)
        return [value / raw[i] for i, value in rounds.items() if raw.get(i)]

    def _rounds(self, workload, case, metric, peer):
        return self._samples.get((workload, case, metric), {}).get(peer, {})
