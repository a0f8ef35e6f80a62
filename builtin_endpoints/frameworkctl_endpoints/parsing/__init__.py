"""Parts of the parsers of tool calls and of reasoning."""
