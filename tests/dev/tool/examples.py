# SPDX-License-Identifier: BSL-1.0
"""./dev run: builds an example in a build of its own, which needs neither clang nor GoogleTest."""

import sys
from pathlib import Path

import packages
from commands import Failure, become, quietly

BUILD = Path("build/demo")


def run(name="", *arguments):
    if name not in names():
        print("usage: ./dev run EXAMPLE [ARGS], with one of these examples:",
              *(f"  {each}" for each in names()), sep="\n", file=sys.stderr)
        raise Failure(status=2)
    become(build(name), *arguments)


def names():
    return sorted(path.stem for path in Path("examples").glob("*.cc"))


def build(name):
    """Returns the path of the program."""
    packages.need(*packages.BUILD)
    if "detent/calendar.h" in Path(f"examples/{name}.cc").read_text():
        packages.need(*packages.CALENDAR)
    quietly("cmake", "-S", ".", "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_CXX_COMPILER=g++",
            "-DCMAKE_BUILD_TYPE=Release", "-DDETENT_TESTS=OFF", "-DDETENT_BENCH=OFF")
    target = f"detent_example_{name}"
    if target not in (BUILD / "build.ninja").read_text():
        raise Failure(f"{name} needs what this system has not")
    quietly("cmake", "--build", str(BUILD), "--target", target)
    return str(BUILD / "examples" / name)
