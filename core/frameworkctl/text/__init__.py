"""Text in and out of the models: tokenizer, chat templates, incremental detokenizer, stop strings."""
