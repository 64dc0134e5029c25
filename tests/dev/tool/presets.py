# SPDX-License-Identifier: BSL-1.0
"""One preset of CMakePresets.json: built, then tested with all that ctest knows."""

import json
import os
import re
import resource
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import programs
from commands import attempt, succeeds
from outcome import Outcome

# What one test leaves behind may hide what another lacks. Here few share a process, and as
# neighbours go to different ones, each has other company than in the presets beside this one.
TESTS_OF_A_PROCESS = {"release": 12}
# Each public header compiles alone.
ALSO_BUILT = {"gcc": ["all_verify_interface_header_sets"]}
SOAKED = ("release", "asan")


def test(preset, soak):
    outcome = Outcome()
    with Watch() as building:
        built = build(preset)
    with Watch() as testing:
        if built:
            run_tests(preset, soak, outcome)
        else:
            outcome.fail([f"the build of {preset}"], "See above.")
    print(f"{preset}: {outcome.counts()}; built in {building}, tested in {testing}", flush=True)
    return outcome


class Watch:
    """What takes place inside of it takes so long, and so much of the processors."""

    def __enter__(self):
        self.began = self.now()
        return self

    def __exit__(self, *_):
        self.wall, self.processor = (end - began for began, end in zip(self.began, self.now()))

    @staticmethod
    def now():
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.monotonic(), sum(u.ru_utime + u.ru_stime for u in used)

    def __str__(self):
        return f"{self.wall:.0f} s ({self.processor:.0f} s of processor time)"


def build(preset):
    print(f"\n== {preset}", flush=True)
    targets = ["all", *ALSO_BUILT.get(preset, [])]
    return (succeeds_or_tells("cmake", "--preset", preset) and
            succeeds_or_tells("cmake", "--build", "--preset", preset, "--target", *targets, "--",
                              "--quiet"))


def succeeds_or_tells(*command):
    status, said = attempt(*command)
    if status != 0:
        print(said)
    return status == 0


def run_tests(preset, soak, outcome):
    environment = environment_of(preset)
    if "DETENT_CONFORMANCE" in environment:
        Path(environment["DETENT_CONFORMANCE"]).unlink(missing_ok=True)
    wrapper = []
    # The thread sanitizer of g++ 12 cannot start where the kernel spreads addresses too widely.
    if preset == "tsan" and succeeds("setarch", "-R", "true"):
        wrapper = ["setarch", "-R"]
    if soak and preset in SOAKED:
        outcome.add(ctest(preset, wrapper, "-C", "Soak", "-L", "soak"))
    outcome.add(ctest(preset, wrapper, "-E", "^programs/"))
    outcome.add(programs.run(programs.listed(f"build/{preset}", wrapper, environment),
                             TESTS_OF_A_PROCESS.get(preset, programs.TESTS_OF_A_PROCESS)))


def environment_of(preset):
    """As ctest --preset would set it."""
    known = {p["name"]: p for p in json.loads(Path("CMakePresets.json").read_text())["testPresets"]}
    environment, name = {}, preset
    while name:
        environment = known[name].get("environment", {}) | environment
        name = known[name].get("inherits")
    return {k: v.replace("${sourceDir}", os.getcwd()) for k, v in environment.items()}


def ctest(preset, wrapper, *selection):
    """What is no GoogleTest program, or wants it to run in a way of its own."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as account:
        done = subprocess.run(
            [*wrapper, "ctest", "--preset", preset, "--quiet", "--no-tests=ignore", *selection,
             "--output-junit", account.name], check=False, stdin=subprocess.DEVNULL)
        outcome = outcome_of_account(Path(account.name).read_text(errors="replace"))
    if done.returncode != 0 and not outcome.failed:
        outcome.fail(["ctest"], f"It ended with {done.returncode}.")
    return outcome


def outcome_of_account(text):
    outcome = Outcome()
    for case in ElementTree.fromstring(text):
        said = case.findtext("system-out") or ""
        if case.get("status") == "run":
            outcome.passed += 1
        elif case.get("status") == "notrun":
            outcome.skipped[reason_to_skip(said)] += 1
        elif case.get("status") != "disabled":
            outcome.fail([case.get("name")], said)
    return outcome


def reason_to_skip(said):
    """As our scripts say it, or Python's unittest."""
    reason = re.search(r"\bskipped:? '?([^'\n]+)", said)
    return reason[1] if reason else "the test does not say why"
