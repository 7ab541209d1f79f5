"""The text that programs are made of, as functions that are tested, formatted and typed like all others."""
