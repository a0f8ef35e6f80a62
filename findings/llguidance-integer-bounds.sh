#!/bin/sh
# llguidance 1.9.1: integer bounds of a JSON Schema are held as float64, and cut to 64 bits.
# Guess: bounds are exact, as JSON Schema's are, since the output is text and a grammar has no number type.
# Seen: {"minimum": 2^53 + 1} takes 2^53; {"exclusiveMaximum": 2^53 + 3} takes 2^53 + 3; {"maximum": 2^63} refuses
# 2^63; and {"minimum": -2^63}, the range of an int64, is refused as a grammar, while -2^62 is taken.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet llguidance==1.9.1
"$work/venv/bin/python" - <<'PYTHON'
import json

from llguidance import LLMatcher, LLTokenizer

tokenizer = LLTokenizer("byte")


def grammar(**bounds):
    return LLMatcher.grammar_from_json_schema(json.dumps({"type": "integer", **bounds}))


def takes(number, **bounds):
    matcher = LLMatcher(tokenizer, grammar(**bounds), log_level=0)
    ids = tokenizer.tokenize_str(str(number))
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


assert takes(5, minimum=5) and not takes(4, minimum=5)  # small ones are exact
assert takes(2**53, minimum=2**53 + 1)
assert takes(2**53 + 3, exclusiveMaximum=2**53 + 3)
assert takes(2**63 - 1, maximum=2**63) and not takes(2**63, maximum=2**63)
assert not LLMatcher.validate_grammar(grammar(minimum=-(2**62)), tokenizer)
assert "Failed to generate regex" in LLMatcher.validate_grammar(grammar(minimum=-(2**63)), tokenizer)
print("as seen with llguidance 1.9.1")
PYTHON
