"""What the panel drives and scripts call, without Qt: open scans, regions, runs, results, live slices, settings.

``session.py`` holds it together.
"""
