# SPDX-License-Identifier: BSL-1.0
"""./dev conformance: writes docs/conformance.md from what the last tests found, or checks it."""

import difflib
import sys
from pathlib import Path

from accounts import merged
from commands import Failure
from conformance_page import OldPage, completed, written

PAGE = Path("docs/conformance.md")
# By preset. The quick round and asan run the same tests, so the newer account counts.
LINUX = [Path(f"build/{preset}/conformance.tsv") for preset in ("dev", "asan")]
KQUEUE = Path("build/kqueue/conformance.tsv")


def conformance(option="", *_):
    linux = sorted(filter(Path.exists, LINUX), key=lambda account: account.stat().st_mtime)
    if not linux or not KQUEUE.exists():
        raise Failure("no account of the tests; run ./dev test --all first")
    accounts = [account.read_text() for account in (linux[-1], KQUEUE)]
    if option == "--check":
        check(PAGE.read_text(), accounts)
        print("as the tests found it")
    else:
        found, _ = page(PAGE.read_text(), accounts)
        PAGE.write_text(found)


def page(old, accounts, is_check=False):
    """The page anew, and how many of its cells the tests did not confirm."""
    tests, unconfirmed = completed(merged(*accounts), OldPage(old), is_check)
    return written(tests), unconfirmed


def check(old, accounts):
    """Fails where the tests found something else than the page says."""
    found, unconfirmed = page(old, accounts, is_check=True)
    if unconfirmed:
        print(f"{unconfirmed} cells are not confirmed: their tests are skipped here",
              file=sys.stderr)
    differences = difflib.unified_diff(old.splitlines(), found.splitlines(), str(PAGE),
                                       "what the tests found", n=0, lineterm="")
    if old != found:
        print("\n".join(differences))
        raise Failure("the tests found something else than docs/conformance.md says; "
                      "see ./dev conformance")
