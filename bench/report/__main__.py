# SPDX-License-Identifier: BSL-1.0
"""usage: python3 bench/report [--page FILE] RESULTS DOCUMENT

Writes the tables of DOCUMENT anew from the *.jsonl in the folder RESULTS, and a page of plots,
which takes matplotlib."""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # a run leaves nothing in the tree of sources

from results import Results
from tables import filled


def main():
    parser = argparse.ArgumentParser(prog="bench/report")
    parser.add_argument("--page", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("document", type=Path)
    arguments = parser.parse_args()

    results = Results(sorted(arguments.results.glob("*.jsonl")))
    if not results.machines:
        sys.exit(f"report: there are no results in {arguments.results}; run ./dev bench first")
    arguments.document.write_text(filled(arguments.document.read_text(), results))
    print(f"{arguments.document}: the tables")
    if arguments.page:
        from page import page  # here, because the tables need no matplotlib

        arguments.page.write_text(page(results))
        print(f"{arguments.page}: the plots")


main()
