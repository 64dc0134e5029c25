# SPDX-License-Identifier: BSL-1.0
"""The limits of what operations cost, in the file tests/guards/thresholds, now and in the past."""

import math
import re
import subprocess
from pathlib import Path

from counting import KINDS

FILE = Path(__file__).parents[2] / "guards/thresholds"


class Thresholds:
    """What a text says: the compiler, and of each workload the limits by kind."""

    def __init__(self, text):
        named = re.search(r"^# compiler: (.*)", text, re.MULTILINE)
        self.compiler = named[1] if named else ""
        lines = (line.split() for line in text.splitlines() if is_of_workload(line))
        self.limits = {workload: dict(zip(KINDS, limits)) for workload, *limits in lines}

    def limit(self, workload, kind):
        """As text. A new workload may have none yet."""
        return self.limits.get(workload, {}).get(kind)


def is_of_workload(line):
    return re.match("[a-z]", line) is not None


def current():
    return Thresholds(FILE.read_text())


def earlier():
    """All that git remembers of the file, the newest first."""
    commits = git("log", "--format=%H", "--", FILE.name).split()
    texts = (git("show", f"{commit}:./{FILE.name}") for commit in commits)
    return [Thresholds(text) for text in texts if text]  # A commit may have removed the file.


def git(*command):
    """What git prints, or nothing where it fails or is not there."""
    try:
        return subprocess.run(["git", "-C", FILE.parent, *command], text=True, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    except (subprocess.CalledProcessError, FileNotFoundError):
        return ""


def raised(now, before):
    """Each limit that is above an earlier one, as a sentence.

    Instructions are compared for one compiler. A workload that does something else than before
    takes a new name, which has no earlier limit."""
    for workload, limits in before.limits.items():
        for kind, was in limits.items():
            if kind == "instructions" and now.compiler != before.compiler:
                continue
            limit = now.limit(workload, kind)
            if limit is not None and float(limit) > float(was):
                yield f"{workload}: the limit of {kind} is {limit} and was {was}"


def is_above(figure, limit):
    return float(figure) > float(limit)


def is_loose(kind, figure, limit):
    """A few instructions less may be a matter of where code lies, and are no reason to tighten."""
    return float(figure) < (0.95 if kind == "instructions" else 1) * float(limit)


def tightened(line, figures):
    """A line of the file with the lower of each limit and figure. What was not counted is None.

    Two instructions of a hundred are allowed to code that lies elsewhere, and to another libc."""
    workload, *old = line.split()
    limits = []
    for kind, was in zip(KINDS, old + [""] * (len(KINDS) - len(old))):
        figure = figures[kind]
        if figure is not None and kind == "instructions":
            figure = str(math.ceil(1.02 * float(figure)))
        lowers = figure is not None and (was == "" or float(figure) < float(was))
        limits.append(figure if lowers else was)
    return "{:<25} {:>12} {:>12} {:>11}".format(workload, *limits)
