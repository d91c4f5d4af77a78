"""The sections of the module's panel. The only package that imports qt and ctk, so it is imported when the panel is made."""
