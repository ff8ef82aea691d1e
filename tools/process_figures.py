# SPDX-License-Identifier: Apache-2.0
"""What a running server takes from its machine, read from /proc; with all processes that it has started."""

import contextlib
import os
import pathlib


def family(pid):
    """A process and all that it has started."""
    pids = [pid]
    for child in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for text in child.read_text().split():
                pids += family(int(text))
    return pids


def cpu_seconds(pid):
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident_mb(pid):
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{one}/status").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("VmRSS:") else 0
    return total / 1024


def descriptors(pid):
    """Open files and connections of the process itself."""
    return len(os.listdir(f"/proc/{pid}/fd"))
