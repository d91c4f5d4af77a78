"""What was measured: scans on disk, their samples list, and simulated ones."""

from MITOReconstructionLib.scan.dataset import Scan, axial_range, covered_grid, open_scan
from MITOReconstructionLib.scan.samples import Sample, list_samples

__all__ = ["Sample", "Scan", "axial_range", "covered_grid", "list_samples", "open_scan"]
