"""``frameworkctl bench``: options and output of its measurements."""
