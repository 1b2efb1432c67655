#!/usr/bin/env python3
"""Tests the command line: unknown commands and options, the help texts, and the table of settings in the docs.

    commands_test.py --program build/dev/fiverate
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import unittest

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FIVERATE_")}
OPERATING = pathlib.Path(__file__).resolve().parents[2] / "docs/operating.md"
PROGRAM = ""


def call(*command):
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)


class Commands(unittest.TestCase):
    def test_unknown_commands_and_options_name_the_nearest(self):
        for arguments, message in (
            (["alrts"], 'Unknown command "alrts"; did you mean "alerts"?'),
            (["alerts", "sho", "--help"], 'Unknown command "sho"; did you mean "show"?'),
            (["-X", "log.level=warn", "reply", "--help"], 'Unknown command "reply"; did you mean "replay"?'),
            (["nonsense", "--help"], 'Unknown command "nonsense". Commands: topics, '),
            (["alerts"], "Command missing. `fiverate alerts --help`"),
            (["--confg=x", "rates"], 'Unknown option "--confg"; did you mean "--config"?'),
            (["replay", "--trough", "2026-03-01"], 'Unexpected argument "--trough"; did you mean "--through"?'),
        ):
            with self.subTest(arguments):
                done = call(PROGRAM, *arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(message, done.stderr)

    def test_every_command_and_option_has_a_description(self):
        commands = [[]]
        while commands:
            command = commands.pop()
            done = call(PROGRAM, *command, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            lines = done.stdout.splitlines()
            heading = ""
            for line, following in zip(lines, lines[1:] + [""]):
                if re.match(r"\S.*:$", line):
                    heading = line
                elif re.match(r"  \S", line):
                    self.assertTrue(re.match(r"  \S+.*  +\S", line) or following.startswith(" " * 20), f"{command}: {line}")
                    if heading not in ("Options:", "Positionals:"):
                        commands.append([*command, line.split()[0]])

    def test_the_settings_in_the_docs_are_those_of_the_program(self):
        done = call(PROGRAM, "config", "settings")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        header = done.stdout.splitlines()[0]
        lines = OPERATING.read_text().splitlines()
        begin = lines.index(header)
        in_docs = lines[begin:lines.index("", begin)]
        self.assertEqual(in_docs, done.stdout.splitlines(), f"replace the table of {OPERATING} by the output of: fiverate config settings")

    def test_the_settings_are_those_in_effect(self):
        shown, section = [], ""
        for line in call(PROGRAM, "config", "show").stdout.splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and section != "kafka":
                shown.append(f"{section}.{line.split(' ')[0]}")
        table = call(PROGRAM, "config", "settings").stdout
        self.assertEqual(re.findall(r"^\| `([a-z_.]+)` ", table, re.M), shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program
    unittest.main(argv=[sys.argv[0], *rest])
