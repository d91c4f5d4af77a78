"""The sections of the module's panel, one file each. The only package that imports qt and ctk.

``session.py`` is what they drive and does all of it without Qt. Qt is imported by the other files, so they are imported
when the panel is made and not before.
"""
