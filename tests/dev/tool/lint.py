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


def lint(*_):
    packages.need(*packages.BUILD, "git", "clang", "clang-format", "clang-tidy",
                  "libbenchmark-dev", "libabsl-dev")
    say("clang-format")
    run("clang-format", "--dry-run", "--Werror", *sources())
    say("clang-tidy")
    # A build of its own, so that clang-tidy knows the compiler's flags.
    quietly("cmake", "--preset", "lint")
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
    """The build knows which sources this platform compiles, of a library all as one. clang-tidy sees
    headers in these."""
    commands = json.loads(Path(BUILD, "compile_commands.json").read_text())
    files = {each["file"] for each in commands}
    libraries = {file for file in files if "/Unity/" in file}
    # What takes longest comes first, so that no processor has to wait for it at the end.
    return sorted(libraries) + sorted(file for file in files if file.endswith(".cc"))


def tidy(files):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = list(pool.map(tidy_one, files))
    if not all(clean):
        raise Failure()  # clang-tidy has said why.


def tidy_one(file):
    status, said = attempt("clang-tidy", "--quiet", "-p", BUILD, file)
    # The count of warnings that clang-tidy has kept to itself is no news.
    said = re.sub(r"^\d+ warnings? generated\.\n", "", said, flags=re.MULTILINE)
    sys.stdout.write(said)
    return status == 0
