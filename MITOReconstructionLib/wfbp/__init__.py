"""Weighted filtered backprojection: parallel beams, ramp filter, backprojection, coverage."""
