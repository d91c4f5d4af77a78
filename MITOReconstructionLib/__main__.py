"""``python -m MITOReconstructionLib``: the command line."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run one command; the exit status is returned."""
    try:
        from MITOReconstructionLib.commands import main as run

        return run()
    except KeyboardInterrupt:  # while that was imported; then it is seen to there
        sys.stderr.write("cancelled before anything was begun\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
