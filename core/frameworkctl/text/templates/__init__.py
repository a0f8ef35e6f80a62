"""From a conversation to a prompt: chat templates, the forms of their messages, and a limit on their time."""
