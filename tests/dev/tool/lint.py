# SPDX-License-Identifier: BSL-1.0
"""./dev lint and ./dev format: clang-format and clang-tidy."""

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import packages
from commands import Failure, attempt, output_of, quietly, run, say

BUILD = "build/lint"
FILES_OF_A_PROCESS = 2


def lint(*_):
    packages.need(*packages.BUILD, "git", "clang", "clang-format", "clang-tidy",
                  "libbenchmark-dev", "libabsl-dev")
    say("clang-format")
    run("clang-format", "--dry-run", "--Werror", *sources())
    say("clang-tidy")
    # A build of its own, so that clang-tidy knows the compiler's flags.
    quietly("cmake", "--preset", "release", "-B", BUILD, "-DDETENT_TESTS=OFF", "-DDETENT_BENCH=ON")
    tidy(compiled())
    print("no complaints")


def format_sources(*_):
    packages.need("git", "clang-format")
    run("clang-format", "-i", *sources())


def sources():
    """What git has or would have, and not what a build has made."""
    listed = output_of("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
                       "*.h", "*.cc")
    return sorted({path for path in listed.split("\0") if path and Path(path).exists()})


def compiled():
    """The build knows which sources this platform compiles. clang-tidy sees headers in these."""
    commands = json.loads(Path(BUILD, "compile_commands.json").read_text())
    return sorted({each["file"] for each in commands if each["file"].endswith(".cc")})


def tidy(files):
    hands = [files[i:i + FILES_OF_A_PROCESS] for i in range(0, len(files), FILES_OF_A_PROCESS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = list(pool.map(tidy_some, hands))
    if not all(clean):
        raise Failure()  # clang-tidy has said why.


def tidy_some(files):
    status, said = attempt("clang-tidy", "--quiet", "-p", BUILD, *files)
    # The count of warnings that clang-tidy has kept to itself is no news.
    said = re.sub(r"^\d+ warnings? generated\.\n", "", said, flags=re.MULTILINE)
    sys.stdout.write(said)
    return status == 0
