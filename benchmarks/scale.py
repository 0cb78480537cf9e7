"""How a run grows: on paper, simulated, and for real."""

from __future__ import annotations

import argparse

from benchmarks.scale_real import report_real


def main() -> None:
    """Do as the options say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    commands = parser.add_subparsers(dest="command", required=True)
    real = commands.add_parser("real")
    real.add_argument("--objects", type=int, default=10_000_000)
    real.add_argument("--processes", type=int, default=1)
    real.add_argument("--folder")
    options = parser.parse_args()
    report_real(options.objects, options.processes, options.folder)


if __name__ == "__main__":
    main()
