# SPDX-License-Identifier: BSL-1.0
"""What has to be installed, by the names of Debian's packages. `need` installs what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from commands import Failure, succeeds

BUILD = ["g++", "cmake", "ninja-build"]
CALENDAR = ["libabsl-dev", "tzdata"]
QUICK_TEST = [*BUILD, "ccache", "clang", "libgtest-dev", "pkg-config", "libcurl4-openssl-dev",
              *CALENDAR, "telnet", "netcat-openbsd", "strace", "iproute2"]
TEST = [*QUICK_TEST, "libclang-rt-14-dev", "llvm", "libbenchmark-dev", "valgrind"]

# Some packages are wanted for a program with another name,
PROGRAM_OF = {
    "ninja-build": "ninja",
    "clang": "clang++",
    "netcat-openbsd": "nc",
    "iproute2": "ss",
    "llvm": "llvm-symbolizer",  # With it the sanitizers name functions and lines.
    "binutils": "size",
    "procps": "pgrep",
}
# others for a header,
HEADER_OF = {
    "libgtest-dev": "gtest/gtest.h",
    "libbenchmark-dev": "benchmark/benchmark.h",
    "libabsl-dev": "absl/time/time.h",
    "libboost-dev": "boost/version.hpp",
    "libev-dev": "ev.h",
    "libuv1-dev": "uv.h",
    "libevent-dev": "event2/event.h",
    "libsystemd-dev": "systemd/sd-event.h",
    "libcurl4-openssl-dev": "curl/curl.h",
}
# and some for another thing.
OTHERS = {
    "libclang-rt-14-dev": lambda: succeeds("clang++", "-fsanitize=address", "-x", "c++", "-o",
                                           "/dev/null", "-", text="int main() {}"),
    "tzdata": lambda: Path("/usr/share/zoneinfo/Europe/Berlin").exists(),
    "python3-matplotlib": lambda: succeeds(sys.executable, "-c", "import matplotlib"),
}


def need(*packages):
    """Installs the missing packages. It asks no network if nothing is missing."""
    missing = [package for package in packages if not is_present(package)]
    if not missing:
        return
    print(f"Missing, by the names of the Debian packages: {' '.join(missing)}", flush=True)
    if not shutil.which("apt-get"):
        raise Failure("there is no apt here; install them, then try again")
    install(missing, as_root())


def is_present(package):
    """Looks for what the package is wanted for. What came from elsewhere is as good, and this also
    works where there is no apt."""
    if package in HEADER_OF:
        return succeeds("g++", "-fsyntax-only", "-x", "c++", "-",
                        text=f"#include <{HEADER_OF[package]}>\n")
    if package in OTHERS:
        return OTHERS[package]()
    return shutil.which(PROGRAM_OF.get(package, package)) is not None


def as_root():
    """What a command begins with, so that root runs it."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise Failure("you are not root, and there is no sudo here")
    return ["sudo"]


def install(packages, root):
    print("Installing them with apt-get", flush=True)
    # A list of packages that is a little old is good enough, so this may fail.
    subprocess.run([*root, "apt-get", "update", "-qq"], check=False)
    done = subprocess.run(
        [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y",
         "--no-install-recommends", *packages], check=False, stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failure(f"apt-get could not install {' '.join(packages)}")
