"""Helical cone-beam CT reconstruction with curved detectors."""
