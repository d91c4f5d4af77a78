"""Python imports this at its start where this folder is on its path: the subprocess of a job knows the faulty methods too."""

import importlib

importlib.import_module("faulty_methods")
