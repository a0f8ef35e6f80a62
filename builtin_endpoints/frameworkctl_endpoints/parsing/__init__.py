"""What parsers of tool calls and of reasoning are made of."""
