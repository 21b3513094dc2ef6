#!/usr/bin/env python3
"""soil.py FILE - keeps what sensors send in a table of SQLite, each message once, however often this is started."""

import sqlite3
import sys

import culver

table = sqlite3.connect(sys.argv[1])
table.execute("CREATE TABLE IF NOT EXISTS soil (id TEXT PRIMARY KEY, time REAL, board TEXT, data TEXT)")
with culver.Client() as board:
    for message in board.messages("soil"):
        with table:
            row = (message.id, message.time, message.name or message.sender, message.text)
            table.execute("INSERT OR IGNORE INTO soil VALUES (?, ?, ?, ?)", row)
