"""Rewrites the lists of files in MITOReconstructionLib/CMakeLists.txt from the files that are there."""

import re
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "MITOReconstructionLib"
LISTS = {"MODULE_PYTHON_SCRIPTS": "*.py", "MODULE_PYTHON_RESOURCES": "*.cu"}


def main() -> None:
    """Rewrite the lists in place."""
    listing = LIBRARY / "CMakeLists.txt"
    text = listing.read_text()
    for name, pattern in LISTS.items():
        files = "\n".join("  " + file for file in sorted(path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob(pattern)))
        text, count = re.subn(rf"(set\({name}\n).*?(\n  \))", lambda found, files=files: found[1] + files + found[2], text, flags=re.S)
        if count != 1:
            raise SystemExit(f"{listing}: no list set({name} ...) to rewrite")
    listing.write_text(text)


if __name__ == "__main__":
    main()
