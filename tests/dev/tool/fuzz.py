# SPDX-License-Identifier: BSL-1.0
"""./dev fuzz: looks for expressions that break the calendar. What it finds goes to build/corpus."""

from pathlib import Path

import packages
from commands import run


def fuzz(seconds="60", *_):
    packages.need(*packages.TEST)
    run("cmake", "--preset", "asan", "--log-level=WARNING")
    run("cmake", "--build", "--preset", "asan", "--target", "detent_cron_fuzz")
    Path("build/corpus").mkdir(parents=True, exist_ok=True)
    run("build/asan/tests/detent_cron_fuzz", f"-max_total_time={seconds}", "-max_len=200",
        "build/corpus", "tests/calendar/corpus")
