#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command and prints the peak of its anonymous memory (RssAnon) in KiB to a file.

usage: rss.py FILE COMMAND...
"""
import subprocess
import sys
import time


def anonymous(pid):
    try:
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


peak = 0
child = subprocess.Popen(sys.argv[2:])
while child.poll() is None:
    peak = max(peak, anonymous(child.pid))
    time.sleep(0.002)
with open(sys.argv[1], "w") as out:
    out.write("%d\n" % peak)
sys.exit(child.returncode)
