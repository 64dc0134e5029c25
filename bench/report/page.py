# SPDX-License-Identifier: BSL-1.0
"""The page of plots: one file that needs nothing else."""

import html

from plots import absolute_bars, all_lateness, bars, dots, growth
from questions import QUESTIONS, columns, others, rows
from results import DETENT
from tables import library_facts, program_facts

HEAD = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>detent: what was measured</title>
<style>
  body { font: 16px/1.5 "DejaVu Sans", Verdana, sans-serif; color: #222; background: #fff;
         max-width: 90rem; margin: 0 auto; padding: 1rem; }
  h1, h2, h3 { line-height: 1.25; }
  h2 { margin: 3rem 0 0; border-top: 2px solid #0072b2; padding-top: .5rem; }
  h3 { margin: 1.5rem 0 .5rem; }
  p { max-width: 45rem; }
  nav a { margin-right: 1rem; white-space: nowrap; }
  .panels { display: grid; gap: .5rem 2rem;
            grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr)); }
  figure { margin: 0; }
  figcaption { font-size: .9rem; font-weight: bold; }
  .panels svg { width: 100%; max-width: 30rem; height: auto; }
</style>
<h1>detent: what was measured</h1>
"""

HOW_TO_READ = """<p>A bar is the median of the ratios to an epoll loop written by hand, measured in
the same round; that loop is the line at 1. The thin line on a bar goes from the least to the
greatest ratio of the rounds: where two of them overlap, there is no difference to speak of. A bar
that is cut is longer than the axis. Dark blue is detent as it comes, light blue detent on its other
pollers, grey are the others. docs/performance.md has the numbers, what each workload does, and how
to measure all of it again.</p>
"""

GLANCE = """<p>Blue is detent, grey are the other libraries, and the line is an epoll loop
written by hand for the same work. The further left, the better; 3 is three times what that loop
takes.</p>
"""

W3 = next(question for question in QUESTIONS if question.workload == "W3")
TITLES = {
    "W1": "An event", "W2": "An operation on a timer", "W3": "Punctuality", "W4": "Echo over TCP",
    "W5": "Posting from another thread", "W6": "A connection that comes and goes",
    "W7": "Datagrams", "W8": "Memory", "W9": "How costs grow",
}


def page(results):
    sections = [section for workload in TITLES if (section := section_of(results, workload))]
    ran = html.escape(", ".join([said(results, "cpu"), f"{said(results, 'cores')} cores",
                                 said(results, "kernel"), said(results, "compiler"),
                                 f"commit {said(results, 'commit')}", said(results, "date", 10)]))
    links = "".join(f'<a href="#{workload}">{workload} {title}</a> '
                    for workload, title in TITLES.items() if results.cases(workload))
    return (f"{HEAD}<p>{ran}</p>\n<nav>{links}<a href=\"#facts\">Sizes and starting</a></nav>\n"
            f"{overview(results)}<h2>How to read the bars</h2>\n"
            f"{HOW_TO_READ}{''.join(sections)}{facts(results)}</html>\n")


def said(results, field, characters=None):
    """What the programs say of the machine, each answer once."""
    return " and ".join(dict.fromkeys(
        str(line[field])[:characters] for line in results.machines.values()))


def section_of(results, workload):
    parts = []
    for question in QUESTIONS:
        asked = columns(results, question) if question.workload == workload else []
        if asked and workload == "W9":
            parts.append(growth(results, question))
        elif asked:
            peers = rows(results, question)
            drawn = [bars(column, peers) for column in asked if not column.metric.absolute]
            parts.append(f"<h3>{question.text.capitalize()}</h3>\n{panels(drawn)}")
    if not parts:
        return ""
    if workload == "W3":
        late = all_lateness(results, columns(results, W3)[0])
        parts.append(f"<h3>How late, in shares of all ticks</h3>\n{panels(late)}")
    body = panels(parts) if workload == "W9" else "".join(parts)
    return f'<h2 id="{workload}">{workload}: {TITLES[workload]}</h2>\n{body}'


def overview(results):
    drawn = []
    for question in QUESTIONS:
        asked = [column for column in columns(results, question) if not column.metric.absolute]
        if asked:
            peers = [DETENT, *others(results, question.workload)]  # these on top
            drawn.append(dots(f"{question.workload}: {question.text}", asked, peers))
    return f"<h2>In short</h2>\n{GLANCE}{panels(drawn)}"


def panels(drawn):
    return f'<div class="panels">{"".join(drawn)}</div>\n'


def facts(results):
    drawn = []
    for what, pair in program_facts(results).items():
        unit = next(iter(pair.values()))[1]
        drawn.append(absolute_bars(what, {side: fact[0] for side, fact in pair.items()}, unit))
    libraries = {library: size for library, size, _ in library_facts(results)}
    if libraries:
        drawn.append(absolute_bars("machine code of the libraries", libraries, "bytes"))
    return f'<h2 id="facts">Sizes and starting</h2>\n{panels(drawn)}' if drawn else ""
