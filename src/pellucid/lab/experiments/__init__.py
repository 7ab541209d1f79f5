"""The experiments: one file is one question, and is called after it."""
