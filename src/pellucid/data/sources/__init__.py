"""Where data sets come from: published files, downloads, user data."""
