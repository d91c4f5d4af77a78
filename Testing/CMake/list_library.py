"""Rewrites the list of files in MITOReconstructionLib/CMakeLists.txt from the files that are there."""

import re
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "MITOReconstructionLib"


def main() -> None:
    """Rewrite the list in place."""
    listing = LIBRARY / "CMakeLists.txt"
    files = "\n".join("  " + file for file in sorted(path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py")))
    text, count = re.subn(
        r"(set\(MODULE_PYTHON_SCRIPTS\n).*?(\n  \))", lambda found: found[1] + files + found[2], listing.read_text(), flags=re.S
    )
    if count != 1:
        raise SystemExit(f"{listing}: no list set(MODULE_PYTHON_SCRIPTS ...) to rewrite")
    listing.write_text(text)


if __name__ == "__main__":
    main()
