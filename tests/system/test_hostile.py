#!/usr/bin/env python3
"""Ids, comments and silences full of control characters, bidi overrides, newlines and formulas: no command prints them raw."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import termios
import unittest

from support import CLEAN_ENVIRONMENT, DONE_WITHIN, eventually
from test_alerts import REFERENCE, AlertsMarket, delivery, event

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # those of the program itself
HOSTILE = "\x1b[2J\x9b1m\u202e\nforged line\x7f"
BRAND, OUTLET = "=cmd|' /C calc'!A0" + HOSTILE, "@SUM(A1)" + HOSTILE


def text_format(value):
    """A string of Protobuf's text format, every byte in octal."""
    return '"' + "".join(f"\\{byte:03o}" for byte in value.encode()) + '"'


def on_terminal(command, cwd):
    """What a command writes to a terminal of 200 columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env={**CLEAN_ENVIRONMENT, "TERM": "xterm"}, cwd=cwd)
    os.close(slave)
    output = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # EIO: the other end is closed
            break
        if not part:
            break
        output += part
    os.close(master)
    child.wait(timeout=DONE_WITHIN)
    return re.sub(r"\r+\n", "\n", output.decode(errors="surrogateescape"))


class Hostile(unittest.TestCase):
    def setUp(self):
        self.market = market = AlertsMarket(self)
        self.run_process = market.run()
        self.run_process.is_working()
        market.history(*REFERENCE, delivery(1, "2026-03-02", 10),
                       event("bad" + HOSTILE, "2026-03-02T12:00:00+08:00", visit={"visit_id": HOSTILE, "outlet_id": OUTLET, "visitor_id": "ann",
                                                                                 "outcome": "DONE" + HOSTILE, "checks": []}),
                       event("late" + HOSTILE, "2026-03-03T12:00:00+08:00",
                             delivery={"delivery_id": HOSTILE, "outlet_id": "SHOP", "direction": "OUT", "lines": []}))
        market.write_transition(1, "FIRING", brand_id=text_format(BRAND), outlet_id=text_format(OUTLET))
        market.await_alert(lambda alert: alert["brand_id"] == BRAND)
        market.ok("alerts", "comment", "aa", "+1+1" + HOSTILE, "--author", "=ann" + HOSTILE)
        market.ok("alerts", "assign", "aa", "-2" + HOSTILE, "--author", "ann")
        market.ok("alerts", "silence", "--rule", "R1", "--for", "2d", "--text", HOSTILE, "--author", "ann" + HOSTILE)
        market.await_alert(lambda alert: alert["silenced"] and (alert["assignee"] or "").startswith("-2"))

    def assert_safe(self, text):
        text = COLOURS.sub("", text)
        self.assertIsNone(CONTROL.search(text), repr(text))
        self.assertNotRegex(text, r"(?m)^forged line")

    def test_no_command_prints_it_raw(self):
        market = self.market
        cause = json.loads(market.ok("quarantine", "ls").splitlines()[0])["cause"]
        commands = [["alerts", "ls"], ["alerts", "show", "aa"], ["alerts", "show", "aa", "--lang", "zh"], ["alerts", "log"], ["quarantine", "ls"],
                    ["quarantine", "show", cause], ["rates"], ["status"], ["alerts", "ls", "--brand", BRAND], ["alerts", "ack", HOSTILE],
                    ["alerts", "comment", "aa", "again" + HOSTILE, "--author", "bob" + HOSTILE], ["alerts", "unsilence", HOSTILE],
                    ["quarantine", "ls", "--reason", HOSTILE], ["quarantine", "show", HOSTILE]]
        for command in commands:
            for mode in ((), ("-o", "table"), ("-o", "json"), ("-o", "csv")):
                if mode and command[1:2] in (["log"],):
                    continue
                with self.subTest(command, mode=mode):
                    self.assert_safe(on_terminal(market.command(*command, *mode), market.folder))
        for command in commands:  # in a pipe: tables escape as well
            if command[1:2] == ["log"]:
                continue
            with self.subTest(command, mode="pipe"):
                done = market.call(*command, "-o", "table")
                self.assert_safe(done.stdout.decode() + done.stderr)
        self.assert_safe(self.run_process.text())

    def test_the_live_screens(self):
        """The cursor moves of the screen itself are known; nothing else may remain."""
        market = self.market
        for what in ("market", "alerts", "rates"):
            with self.subTest(what):
                text = on_terminal(market.command("watch", what, "--seconds", "4"), market.folder)
                text = re.sub(r"\x1b\[(\?25[lh]|H|K|J)", "", text)
                self.assert_safe(text)
                if what == "alerts":
                    self.assertIn("\\u202e\\nforged line", text)

    def test_the_values_are_whole_in_json_and_show_what_they_are_in_tables(self):
        market = self.market
        alert = market.alerts()[0]
        self.assertEqual((alert["brand_id"], alert["outlet_id"], alert["comment"]), (BRAND, OUTLET, "+1+1" + HOSTILE))
        shown = market.ok("alerts", "show", "aa", "-o", "table").decode()
        self.assertIn("=cmd|' /C calc'!A0\\u001b[2J\\u009b1m\\u202e\\nforged line\\u007f", shown)
        self.assertIn("comment by =ann\\u001b[2J\\u009b1m\\u202e\\nforged line\\u007f (unverified): +1+1\\u001b[2J", shown)

    def test_spreadsheets_get_no_formulas(self):
        market = self.market
        row = next(csv.DictReader(io.StringIO(market.ok("alerts", "ls", "-o", "csv").decode(), newline="")))
        self.assertEqual((row["brand_id"], row["outlet_id"]), ("'" + BRAND, "'" + OUTLET))
        self.assertEqual(row["episode"], "1")
        raw = next(csv.DictReader(io.StringIO(market.ok("alerts", "ls", "-o", "csv", "--csv-raw").decode(), newline="")))
        self.assertEqual((raw["brand_id"], raw["outlet_id"]), (BRAND, OUTLET))
        market.fails(2, "alerts", "ls", "-o", "json", "--csv-raw", message="--csv-raw needs -o csv")

    def tearDown(self):
        self.run_process.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
