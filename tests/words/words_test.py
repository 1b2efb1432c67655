#!/usr/bin/env python3
"""Searches the tree for private words: metaphors and words that mean something else than in Kafka, Flink, RocksDB or retail.

  tests/words/words_test.py                 all files; exit code 1 if a word is found
  tests/words/words_test.py PATH...         these files and folders only
  tests/words/words_test.py --summary       counts by folder and word instead of lines

An identifier is split into its words (`speak_from`, `SpeakFrom` -> speak from), so code and comments follow one list.
ALLOWED holds the standard uses of a listed word, each with its reason.
"""
import collections
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Phrase (words joined by a blank, | for alternatives) -> what to write instead. Matched in code, comments and texts.
PHRASES = {
    "house|room|rooms|door|doors": "program, module, folder, ingress",
    "say|says|said|saying": "emit, publish, report, output, depends_on",
    "tell|tells|told|telling": "report, publish, return, distinguish",
    "word|words": "text, message, term",
    "speak|speaks|spoken|spoke|speaking": "emit, publish",
    "silent|silently|in silence": "suppressed, state-only",
    "facts alone": "state-only",
    "is wanted|wanted": "outputs_enabled, requested, expected",
    "continuation|continuations": "Checkpoint",
    "go on|goes on|going on|went on|gone on": "continue, resume",
    "catch up|catches up|catching up|caught up": "restore, resume, up to date",
    "learn|learns|learnt|learned": "merge, read",
    "tail|tails": "log end offset, end of the log",
    "still holds": "verify_record",
    "extent|extents": "OffsetRange",
    "seat|seats": "TaskContext",
    "give up|gives up|giving up|given up|gave up": "on_revoked, stop, abandon",
    "lack|lacks|lacked|lacking": "missing",
    "gap|gaps": "missing range, sequence gap",
    "desk": "alert manager",
    "cut|cuts|cutting": "flush, drain, truncate, shorten",
    "pass to": "advance_to",
    "note due": "schedule",
    "sound|unsound": "valid",
    "beheaded": "truncated",
    "touched|touches|touch": "affected, updated",
    "presence": "activity",
    "leaf": "cell",
    "judge|judges|judged|judging": "validate, accept, evaluate",
    "ask|asks|asked|asking": "evaluate, query, request",
    "believe|believes|believed": "accept",
    "hold apart|holds apart|held apart|kept apart": "defer, deferred",
    "settled|settle": "end of batch, final",
    "parked|park|parks|parking": "pending",
    "lane|lanes": "partition queue",
    "bell": "wakeup",
    "patience": "stall timeout",
    "heard|hear|hears": "on_error, received",
    "look around": "refresh metadata",
    "is itself": "fenced",
    "twin|twins": "active-active replica",
    "what people do|who are you|another seed": "action, author, random seed",
    "whoever": "the process that, the reader that",
}

# Only as names in code: in sentences these are plain English.
NAMES = {
    r"\b(take|take_\w+|took|taken)\s*\(": "on_assigned, drain, read",
    r"\bfire\s*\(": "on_timer",
    r"\b[Pp]laces?(_\w*)?\b(?=\s*[;({&*>=])": "segment, cell, position",
    r"\b(ahead|is_ahead|ahead_)\b(?=\s*[;(=])": "deferred",
}

# (path pattern, line pattern, reason). A line that matches is not searched for the words named by the pattern.
ALLOWED = [
    (r"\.py$", r"\.touch\(\)", "pathlib creates an empty file"),
    (r"^tests/words/", r".", "this test"),
    (r".", r"\bdesk\b.{0,3}[-/0-9:(,\"' |\]}=`]|Stage::desk|[\"'`/,]desk|desk_threads|desk\.(log|proto)", "name of the stage in the contract: --stage, topics, state"),
    (r".", r"\btail (-n|-f|-c|-1)|\| *tail\b", "the command tail"),
    (r".", r"[Ss]equence[_ ]?[Gg]aps?|gapless|sequence_gap", "the standard term; librdkafka's enable.gapless.guarantee"),
    (r".", r"long word|machine word|64-bit word", "the standard term"),
    (r".", r"Contribution::parked|X\(parked|sint64 parked|[\"`.]parked\b", "name of the measure in the contract"),
    (r".", r"\| *cut -", "the command cut"),
    (r".", r"tests/words|words/words_test(\.py)?|words\.tree", "the name of this test"),
]

SUFFIXES = (".h", ".cc", ".py", ".proto", ".md", ".txt", ".toml", ".json", ".yml", ".cmake", "")
SKIPPED = re.compile(r"^(docs/decisions/|tests/fuzz/corpus|tests/fuzz/.*/|\.clang|\.gitignore|docs/.*\.svg)")
SPLIT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def compiled():
    phrases = {}
    for alternatives, instead in PHRASES.items():
        for phrase in alternatives.split("|"):
            phrases[tuple(phrase.split())] = instead
    return phrases


def files(arguments):
    listed = subprocess.run(["git", "ls-files", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for path in listed.splitlines() if path.endswith(SUFFIXES) and not SKIPPED.search(path)]


def findings(path, phrases, firsts):
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return
    is_code = path.endswith((".h", ".cc", ".py", ".proto"))
    for number, line in enumerate(lines, 1):
        allowed = False
        for path_pattern, line_pattern, _reason in ALLOWED:
            if re.search(path_pattern, path) and re.search(line_pattern, line):
                if line_pattern == ".":
                    allowed = True
                line = re.sub(line_pattern, " ", line)
        if allowed:
            continue
        words = [word.lower() for word in SPLIT.findall(line)]
        for at, word in enumerate(words):
            for phrase in firsts.get(word, ()):
                if tuple(words[at:at + len(phrase)]) == phrase:
                    yield number, " ".join(phrase), phrases[phrase], line
        if is_code:
            for pattern, instead in NAMES.items():
                for match in re.finditer(pattern, line.split("//")[0]):
                    yield number, match.group(0).strip(), instead, line


def main():
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    summary = "--summary" in sys.argv
    phrases = compiled()
    firsts = collections.defaultdict(list)
    for phrase in phrases:
        firsts[phrase[0]].append(phrase)
    count = 0
    counts = collections.Counter()
    for path in files(arguments):
        for number, found, instead, line in findings(path, phrases, firsts):
            count += 1
            counts[(os.path.dirname(path), found)] += 1
            if not summary:
                print(f"{path}:{number}: \"{found}\" (write: {instead}): {line.strip()[:110]}")
    if summary:
        folders = collections.Counter()
        for (folder, _word), times in counts.items():
            folders[folder] += times
        for folder, times in folders.most_common():
            print(f"{times:6} {folder}")
        by_word = collections.Counter()
        for (_folder, found), times in counts.items():
            by_word[found] += times
        print(", ".join(f"{found} {times}" for found, times in by_word.most_common(60)))
    print(f"{count} private words")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
