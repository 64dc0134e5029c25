# SPDX-License-Identifier: BSL-1.0
"""Counts what an operation of a workload costs.

A figure is the difference between a long run and a short one, for each operation more. What
happens once is not in it. The program is what tests/guards/main.cc became."""

import os
import re
import shutil
import subprocess
import tempfile

from commands import Failure, exit_code, succeeds

SHORT, LONG = 1000, 3000
# What the machine and malloc add is left out: the time, which a vDSO may be unable to tell, and
# memory.
NOT_COUNTED = "clock_gettime,brk,mmap,munmap,mremap,madvise,futex"


def output_of(*command):
    """A count that fails is no figure."""
    done = subprocess.run(command, text=True, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, env=os.environ | {"LC_ALL": "C"})
    if done.returncode != 0:
        raise Failure(f"failed: {' '.join(command)}", exit_code(done.returncode))
    return done.stdout


def instructions(program, workload, operations, account="/dev/null"):
    """Those in user space, while the function counted_instructions is on the stack."""
    with tempfile.NamedTemporaryFile("r") as log:
        output_of("valgrind", "--tool=callgrind", f"--callgrind-out-file={account}",
                  f"--log-file={log.name}", "--collect-atstart=no",
                  "--toggle-collect=*counted_instructions*", program, workload, str(operations))
        return int(re.search(r"Collected *: (\d+)", log.read())[1])


def names_of_calls(program, workload, operations):
    """Of the system calls between two marks, which the program makes with getpgid(2)."""
    with tempfile.NamedTemporaryFile("r") as trace:
        output_of("strace", "-o", trace.name, "-e", f"trace=!{NOT_COUNTED}", "-e", "signal=none",
                  program, workload, str(operations))
        names, counting = [], False
        for line in trace:
            name = line.split("(")[0]
            if name == "getpgid":
                counting = not counting
            elif counting:
                names.append(name)
        return names


def system_calls(program, workload, operations):
    return len(names_of_calls(program, workload, operations))


def allocations(program, workload, operations):
    return int(output_of(program, workload, str(operations)))


KINDS = {"instructions": instructions, "system_calls": system_calls, "allocations": allocations}


def obstacle_to(kind, program, compiler):
    """Why this kind cannot be counted here, or nothing. The limits of instructions are those of
    one compiler."""
    if kind == "instructions":
        if not shutil.which("valgrind"):
            return "there is no valgrind"
        if output_of(program, "--compiler").strip() != compiler:
            return f"the thresholds are for {compiler}"
    if kind == "system_calls" and not succeeds("strace", "-o", "/dev/null", "true"):
        return "strace cannot trace here"
    return ""


def figure(kind, program, workload):
    """As text with as many places as are worth comparing."""
    few, many = (KINDS[kind](program, workload, operations) for operations in (SHORT, LONG))
    return f"{(many - few) / (LONG - SHORT):.{1 if kind == 'instructions' else 3}f}"
