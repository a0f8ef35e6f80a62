"""API families: one package each, registered as a stranger's would be."""
