# SPDX-License-Identifier: BSL-1.0
"""./dev bench: builds the benchmarks and runs them; the results go to bench/results/."""

import re
import subprocess
import sys
from pathlib import Path

import packages
from commands import Failure, WrongUsage, fail_with, output_of, quietly, run, say

BUILD = "build/bench"
RESULTS = Path("bench/results")
PROGRAMS = ["ring", "timers", "periodic", "echo", "post", "churn"]
LONG_PROGRAMS = ["datagrams", "memory", "growth"]  # Too long for --quick.
# The bench runs without the peers that cannot be installed.
PEERS = ["libboost-dev", "libev-dev", "libuv1-dev", "libevent-dev", "libsystemd-dev"]


def bench(*arguments):
    if arguments[:1] == ("--report",):
        report()
    elif arguments[:1] == ("--quick",):
        measure(PROGRAMS, is_quick=True)
    elif not arguments:
        measure([*PROGRAMS, *LONG_PROGRAMS], is_quick=False)
    else:
        raise WrongUsage()


def report():
    packages.need("python3-matplotlib")
    run(sys.executable, "bench/report", "--page", str(RESULTS / "report.html"), str(RESULTS),
        "docs/performance.md")


def measure(programs, is_quick):
    build()
    commit = commit_of_the_tree()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for program in programs:
        say(f"bench/{program}")
        run(f"{BUILD}/bench/{program}", "--out", str(results_of(program)), "--commit", commit,
            *(["--quick"] if is_quick else []))
    if not is_quick:
        run(f"{BUILD}/bench/poller_cost")
    say("bench/facts")
    write_facts(results_of(programs[0]), ["1"] if is_quick else [])


def results_of(program):
    return RESULTS / f"{program}.jsonl"


def build():
    packages.need(*packages.BUILD, "git", "libbenchmark-dev", "strace", "binutils", "procps")
    for peer in PEERS:
        try:
            packages.need(peer)
        except Failure as failure:
            print(f"dev: {failure}", file=sys.stderr)
            print(f"bench: going on without {peer}", flush=True)
    said = output_of("cmake", "-S", ".", "-B", BUILD, "-G", "Ninja", "--log-level=STATUS",
                     "-DCMAKE_CXX_COMPILER=g++", "-DCMAKE_BUILD_TYPE=Release", "-DDETENT_BENCH=ON",
                     "-DDETENT_TESTS=OFF", "-DDETENT_EXAMPLES=OFF")
    for peers in re.findall("^-- (bench: .*)", said, re.MULTILINE):
        print(peers, flush=True)
    quietly("cmake", "--build", BUILD)


def commit_of_the_tree():
    try:
        return output_of("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude",
                         "*").strip()
    except Failure:
        return "unknown"


def write_facts(results, times):
    """The first line of other results says which machine this is. The user sees the facts too."""
    with open(RESULTS / "facts.jsonl", "w") as file:
        def tell(line):
            file.write(line)
            print(line, end="", flush=True)

        tell(results.read_text().splitlines(keepends=True)[0])
        with subprocess.Popen(["bench/facts", BUILD, *times], text=True,
                              stdout=subprocess.PIPE) as facts:
            for line in facts.stdout:
                tell(line)
    fail_with(facts.returncode)
