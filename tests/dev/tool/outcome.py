# SPDX-License-Identifier: BSL-1.0
"""What became of tests: how many passed, which failed, and why some were skipped."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    passed: int = 0
    failed: list[str] = field(default_factory=list)       # the names
    skipped: Counter[str] = field(default_factory=Counter)  # by the reason

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def fail(self, names, text):
        """Says so at once, since a long run may be stopped before its end."""
        self.failed += names
        more = f", and {len(names) - 1} more" if names[1:] else ""
        print(f"\nFAILED: {names[0]}{more}\n{text.rstrip()}\n", flush=True)

    def counts(self):
        return (f"{self.passed} passed, {len(self.failed)} failed, "
                f"{sum(self.skipped.values())} skipped")


def closing_lines(outcomes):
    """Of the outcomes by step: each reason to skip, each failed test, and the totals last."""
    everything = Outcome()
    steps_of = {}
    for step, outcome in outcomes.items():
        everything.add(outcome)
        for reason in outcome.skipped:
            steps_of.setdefault(reason, []).append(step)
    lines = ["", "Skipped, and why:"] if everything.skipped else [""]
    lines += [f"{count:6} {reason} ({', '.join(steps_of[reason])})"
              for reason, count in everything.skipped.most_common()]
    lines += [f"FAILED in {step}: {name}"
              for step, outcome in outcomes.items() for name in outcome.failed]
    return [*lines, "", everything.counts()]
