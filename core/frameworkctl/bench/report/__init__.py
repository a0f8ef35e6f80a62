"""Reports of measurements: tables, charts, progress."""
