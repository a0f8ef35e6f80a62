"""The built-in structured output: llguidance, registered as a stranger's would be."""
