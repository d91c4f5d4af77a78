"""The command line: one file for each command, over the public face of the library.

Exit status: 0 done; 2 bad input; 3 a failure at work; 130 cancelled. Whatever is not 0 comes with one line on
standard error. Results go to standard output, progress to standard error and only where that is a terminal.
"""

from MITOReconstructionLib.commands.entry import main

__all__ = ["main"]
