# SPDX-License-Identifier: BSL-1.0
"""The tables of docs/performance.md, each by its name. What stands around them people write."""

import re

from questions import QUESTIONS, columns, detent_leads, peers_ahead, rows
from results import DETENT, RAW

NAMES = {RAW: "raw epoll", "asio": "Asio", "sd_event": "sd-event"}
NOT_MEASURED = "not measured"


def name(peer):
    return NAMES.get(peer, peer)


def number(value):
    """With three digits, or all that stand before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(cell):
    return f"{number(cell.median)} ({number(cell.least)}–{number(cell.greatest)})"


def table(head, body):
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *body]]
    return "\n".join(lines)


def command_of(results, program):
    return results.commands.get(program, f"build/bench/bench/{program}")


def answer(results, question):
    asked = columns(results, question)
    command = f"`{command_of(results, question.program)}`"
    if not asked:
        return f"Command: {command}. {NOT_MEASURED.capitalize()}."
    body = [[peer_name(peer), *(cell_of(column, peer) for column in asked)]
            for peer in rows(results, question)]
    rounds = max(column.rounds() for column in asked)
    return (f"Command: {command}, {rounds} round{'s' if rounds > 1 else ''}.\n\n"
            + table(["", *(column.title for column in asked)], body))


def peer_name(peer):
    if peer == RAW:
        return f"{name(peer)}, absolute"
    return f"**{peer}**" if peer == DETENT else name(peer)


def cell_of(column, peer):
    absolute, cell = column.absolute(peer), column.cell(peer)
    if not absolute:
        return NOT_MEASURED
    if peer == RAW:
        return with_unit(absolute.median, column)
    if not cell:
        return f"no ratio: {with_unit(absolute.median, column)}"
    return spread(cell) + (f" {column.metric.unit}".rstrip() if column.metric.absolute else "")


def with_unit(value, column):
    return f"{number(value)} {column.metric.unit}".rstrip()


def overview(results):
    body = []
    for question in QUESTIONS:
        asked = [column for column in columns(results, question) if not column.metric.absolute]
        if asked:
            first = sum(map(detent_leads, asked))
            lost = sum(1 for column in asked if peers_ahead(column))
            body.append([f"{question.workload}: {question.text}", str(len(asked)), str(first),
                         str(len(asked) - first - lost), str(lost)])
    return "Command: `./dev bench --report`.\n\n" + table(
        ["", "columns", "detent ahead of all", "level", "a peer ahead of detent"], body)


def losses(results):
    body = []
    for question in QUESTIONS:
        for column in columns(results, question):
            better = [] if column.metric.absolute else peers_ahead(column)
            if better:
                body.append([f"{question.workload}: {question.text}", column.title,
                             spread(column.cell(DETENT)),
                             ", ".join(f"{name(peer)} {spread(column.cell(peer))}"
                                       for peer in better)])
    return "Command: `./dev bench --report`.\n\n" + (
        table(["", "column", "detent", "peers ahead"], body) if body else "None.")


def machine(results):
    """What all programs say alike as sentences, the rest as a table."""
    first = next(iter(results.machines.values()))
    same = ["cpu", "cores", "kernel", "compiler"]
    if any(line[field] != first[field] for line in results.machines.values() for field in same):
        same = []
    shown = [field for field in ("cpu", "cores", "kernel", "compiler") if field not in same]
    about = table(["", ""], [[field, str(first[field])] for field in same]) + "\n\n" if same else ""
    body = [[f"`{command_of(results, program)}`", *(str(line[field]) for field in shown),
             line["commit"], line["date"], " ".join(f"{load:.2f}" for load in line["load"])]
            for program, line in results.machines.items()]
    return about + table(["command", *shown, "commit", "date", "load when it began"], body)


LIBRARY = re.compile(r"size of (lib\S+) text")
PROGRAM = re.compile(r"(.*), (detent|asio)(, stripped)?")


def fact_table(results, head, body):
    command = f"Command: `{results.commands.get('facts', 'bench/facts build/bench')}`."
    rest = f"\n\n{table(head, body)}" if body else f" {NOT_MEASURED.capitalize()}."
    return command + rest


def sizes(results):
    return fact_table(results, ["library", "machine code"],
                      [[f"`{library}`", f"{value:,} {unit}"] for library, value, unit
                       in library_facts(results)])


def program(results):
    pairs = program_facts(results)
    return fact_table(results, ["", "detent", "Asio", "detent / Asio"],
                      [[what, shown(pair.get("detent")), shown(pair.get("asio")),
                        number(pair["detent"][0] / pair["asio"][0])
                        if len(pair) == 2 and pair["asio"][0] else ""]
                       for what, pair in pairs.items()])


def shown(fact):
    return f"{fact[0]:,} {fact[1]}" if fact else NOT_MEASURED


def library_facts(results):
    return [(match[1], *fact) for fact_name, fact in results.facts.items()
            if (match := LIBRARY.fullmatch(fact_name))]


def program_facts(results):
    """By what was counted: {"detent" or "asio": (value, unit)}."""
    pairs = {}
    for fact_name, fact in results.facts.items():
        if match := PROGRAM.fullmatch(fact_name):
            pairs.setdefault(match[1] + (match[3] or ""), {})[match[2]] = fact
    return pairs


TABLES = {
    "machine": machine,
    "overview": overview,
    "losses": losses,
    "sizes": sizes,
    "program": program,
    **{question.key: lambda results, question=question: answer(results, question)
       for question in QUESTIONS},
}

PLACE = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(document, results):
    """The document with each table as the results have it."""
    places = [match[2] for match in PLACE.finditer(document)]
    if sorted(places) != sorted(TABLES):
        wrong = sorted(set(places) ^ set(TABLES)) or "twice"
        raise SystemExit(f"report: the document's tables are not those that there are: {wrong}")
    return PLACE.sub(lambda match: f"{match[1]}{TABLES[match[2]](results)}\n{match[3]}", document)
