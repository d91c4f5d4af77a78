"""The module's self test as a unittest, for slicer.testing.runUnitTest inside of Slicer."""

from __future__ import annotations

import unittest


class MITOReconstructionSelfTest(unittest.TestCase):
    def test_self_test(self) -> None:
        from MITOReconstruction import MITOReconstructionTest

        MITOReconstructionTest().runTest()
