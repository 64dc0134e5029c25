# SPDX-License-Identifier: BSL-1.0
"""How the tool runs other programs, and how it ends when one of them fails."""

import os
import signal
import subprocess
import sys


class Failure(Exception):
    """Ends the tool with this exit code. The message is empty where a program has said why."""

    def __init__(self, message="", status=1):
        super().__init__(message)
        self.status = status


class WrongUsage(Exception):
    """The user needs to read how a command is called."""


def say(title):
    print(f"\n== {title}", flush=True)


def succeeds(*command, text=None):
    """Runs a program only for its exit code. A program that is not there does not succeed."""
    try:
        done = subprocess.run(command, input=text, text=True, check=False,
                              stdin=None if text else subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def output_of(*command):
    """What a program prints. Its errors go to the terminal, and its exit code becomes the tool's."""
    done = subprocess.run(command, text=True, errors="replace", check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    fail_with(done.returncode)
    return done.stdout


def run(*command):
    """The user sees what the program prints. Its exit code becomes the tool's."""
    fail_with(subprocess.run(command, check=False).returncode)


def fail_with(status):
    if status != 0:
        raise Failure(status=exit_code(status))


def exit_code(status):
    """Of a program that a signal has ended: what a shell would say."""
    return status if status >= 0 else 128 - status


def attempt(*command):
    """The exit code of a program, and all that it prints."""
    done = subprocess.run(command, text=True, errors="replace", check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def quietly(*command):
    """The user sees what the program prints only if it fails."""
    status, said = attempt(*command)
    if status != 0:
        print(said, file=sys.stderr, end="")
        raise Failure(f"failed: {' '.join(command)}")


def become(*command):
    """The program takes the place of the tool, so the user's signals reach it alone."""
    sys.stdout.flush()
    # Python ignores this signal, and the program would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(command[0], command)
