# SPDX-License-Identifier: BSL-1.0
"""usage: tree.py FACT LISTED, in the root of the tree. Prints each place that contradicts the fact.

LISTED is a file that CMake has made: what its calls of detent_library name, one path a line."""

import re
import sys
from pathlib import Path

FLOORS = ["loop", "reactor", "timers", "net"]
LISTED = set(Path(sys.argv[2]).read_text().split())
PUBLIC_HEADERS = [Path(path) for path in sorted(LISTED) if "/include/detent/" in path]


def files(*folders, suffixes=(".h", ".cc")):
    """Also what git does not know yet, but nothing that a build has made."""
    return [path for folder in folders for path in sorted(Path(folder).rglob("*"))
            if path.suffix in suffixes]


def lines(paths, pattern, why):
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(pattern, line):
                yield f"{why}: {path}:{number}: {line}"


def EverySourceTestAndExampleIsListedInCMake():
    for path in files(*FLOORS):
        if path.suffix == ".cc" or "include" in path.parts:
            # Of a pair that is named by a variable, the one of this system is listed.
            twin = str(path).replace("/bsd/", "/linux/")
            if not {str(path), twin} & LISTED:
                yield f"{path} is not in CMakeLists.txt"
    for path in files("tests", "examples", "bench", suffixes=[".cc"]):
        folder = "tests" if path.parts[0] == "tests" else path.parts[0]
        if folder == "tests" and not path.stem.endswith("_test"):
            continue
        text = "".join(each.read_text() for each in Path(folder).rglob("CMakeLists.txt"))
        if len(path.parts) == 2 or folder == "tests":
            if not re.search(rf"\b{path.stem}\b", text):
                yield f"{path} is not in a CMakeLists.txt of {folder}/"


def EveryPublicHeaderHasATest():
    included = "\n".join(path.read_text() for path in files("tests", suffixes=[".cc"]))
    for header in PUBLIC_HEADERS:
        if header.stem == "needs_cpp20":  # tests/compile_fail has it
            continue
        own = Path("tests", header.parts[0], f"{header.stem}_test.cc")
        if not own.exists() and not re.search(rf'#include [<"]detent/{header.name}[>"]', included):
            yield f"no test includes {header}"


def PlatformChecksStandWithThePlatforms():
    """CMake chooses a platform's files, so that each reads as if there were no other."""
    elsewhere = [path for path in files(*FLOORS) if not {"linux", "bsd", "internal"} & {*path.parts}
                 and path.name != "needs_cpp20.h"]
    yield from lines(elsewhere, r"^\s*#\s*(if|ifdef|ifndef|elif)\b", "a check of the platform")


def PublicHeadersIncludeNoKernelHeader():
    """A header of C or of the kernel ends in .h, a C++ one does not."""
    yield from lines(PUBLIC_HEADERS, r"#\s*include <((?!detent/)[^>]+\.h|functional|iostream)>",
                     "a header that users should not be made to include")


def EveryTestIncludesWhatIsPrecompiled():
    """So it compiles where nothing is. tests/CMakeLists.txt precompiles the header for these."""
    no_test = {"allocations.cc", "early_signal.cc", "environment_program.cc", "cron_fuzz.cc"}
    folders = ["loop", "reactor", "timers", "net", "calendar", "health", "sources", "support"]
    for path in files(*(f"tests/{folder}" for folder in folders), suffixes=[".cc"]):
        part_of_a_test = path.parent.name != "kqueue_double" or path.stem.endswith("_test")
        if part_of_a_test and path.name not in no_test:
            if '#include "support/standard.h"' not in path.read_text():
                yield f"{path} does not include support/standard.h"


def NothingIsLeftToDo():
    sources = files(*FLOORS, "tests", "bench", "examples", suffixes=(".h", ".cc", ".py", ".txt"))
    yield from lines([Path("CMakeLists.txt"), *sources], r"\b(TO[D]O|FI[X]ME|X[X]X|HA[C]K)\b",
                     "work left in the tree, which belongs in an issue")


def EveryFileOfLibraryAndToolFitsInTheHead():
    """One that is longer says why in its first lines."""
    tool = files("tests/dev", "bench/report", suffixes=[".py"])
    for path in [*files(*FLOORS), *tool, Path("dev"), Path("bench/facts")]:
        text = path.read_text().splitlines()
        if len(text) > 300 and not any("One file, since" in line for line in text[:6]):
            yield f"{path} has {len(text)} lines and does not say why"


def without_blanks(text):
    return re.sub(r"\s", "", text)


def page_tests():
    return sorted(Path("tests").glob("*/*_page_test.cc"))


def WhatAHeadersFirstCommentShowsIsCompiledAndRun():
    """How its lines are broken apart, it stands in a test of what pages show. A block of code is
    indented and follows an empty line."""
    text = without_blanks("".join(path.read_text() for path in page_tests()))
    for header in PUBLIC_HEADERS:
        comment = header.read_text().split("#pragma once")[0]
        for block in re.findall(r"(?:(?<=///\n)|\A)((?:///     .*\n)+)", comment):
            shown = block.replace("///     ", "")
            if without_blanks(shown) not in text:
                yield f"{header}: no test has this\n{shown}"


def unindented(text):
    return "\n".join(line.lstrip() for line in text.splitlines() if line.strip())


def EveryBlockOfCppInDocsIsCompiledAndRun():
    """It stands in an example, or in the test of its page, as it is but for indentation."""
    text = "\n".join(unindented(path.read_text()) for path in [*files("examples"), *page_tests()])
    for page in sorted(Path("docs").glob("*.md")):
        for block in re.findall(r"^```cpp\n(.*?)^```$", page.read_text(), re.M | re.S):
            if unindented(block) not in text:
                yield f"{page}: no example and no test has this\n{block}"


def tests_in_the_sources():
    """Each as Suite.Name. A macro in capitals begins it."""
    text = " ".join(path.read_text() for path in files("tests"))
    return [f"{suite}.{name}" for suite, name in
            re.findall(r"[A-Z_]+\(\s*(\w+),\s*(\w+)\)\s*\{", text)]


def pages():
    """Those that the tests do not write."""
    return [path for path in sorted(Path("docs").glob("*.md")) if path.name != "conformance.md"]


def EveryIdInATestsNameIsOnAPage():
    """A page has an id at the beginning of a paragraph, or of a row."""
    known = {id for page in pages()
             for id in re.findall(r"^(?:\*\*|\| )([A-Z]+[0-9]+)(?=\*\* | \|)", page.read_text(), re.M)}
    for test in tests_in_the_sources():
        for id in re.match(r"((?:[A-Z]+_?[0-9]+_)*)", test.split(".")[1])[1].split("_")[:-1]:
            if id not in known:
                yield f"no page in docs/ says what {id} is, which {test} proves"


def EveryTestThatAPageNamesExists():
    """A star stands for the rest of a name."""
    tests = "\n".join(tests_in_the_sources())
    for page in pages():
        for name in re.findall(r"`([A-Z]\w+\.(?:[A-Z]\w*)?\*?)`", page.read_text()):
            if not re.search("^" + re.escape(name).replace(r"\*", ".*") + "$", tests, re.M):
                yield f"{page} names {name}, which is no test"


def TheReadmesProgramIsTheFirstExample():
    shown = re.search(r"^```cpp\n(.*?)^```$", Path("README.md").read_text(), re.M | re.S)[1]
    if shown != Path("examples/first_server.cc").read_text().split("\n", 1)[1]:
        yield "README.md and examples/first_server.cc differ"


contradictions = list(globals()[sys.argv[1]]())
print("\n".join(contradictions))
sys.exit(bool(contradictions))
