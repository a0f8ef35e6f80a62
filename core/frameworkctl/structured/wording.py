"""Reports of llguidance in the words of JSON Schema, without names of its own parts or of options nobody can set."""

from __future__ import annotations

import re

OVERLAP = "oneOf constraints are not supported"
CIRCULAR = "circular references with sibling keys"
UNSATISFIABLE = ("Unsatisfiable", "NoExtension")
_MALFORMED = re.compile(
    r"Expected|must be|Invalid type|invalid multiple|does not exist|Resource '|is not a valid|unclosed|unopened"
    r"|repetition operator missing|invalid character class range"
)
_TOO_LARGE = "it is too complex: make it smaller, or its patterns simpler"
_WORDS = (
    (r"oneOf constraints are not supported.*", "oneOf holds only if no value fits two of its schemas; use anyOf"),
    (r"Pointer '(.*?)' does not exist.*", r"$ref: there is no '#\1' in the schema"),
    (r"Anchor '(.*?)' does not exist.*", r"$ref: there is no anchor '\1' in the schema"),
    (r"Resource '(?:json-schema:///)?(.*?)' is not present.*", r"$ref: \1 is another document; refer to #/$defs"),
    (r"Unimplemented keys: \[(.*)\].*", r"the keyword \1 is not supported"),
    (r"NoExtension.*", "Unsatisfiable: no value can be written that fits (does a reference lead only to itself?)"),
    (r"min/maxProperties only supported.*", "minProperties and maxProperties need all properties to be required"),
    (r"patternProperty regexes (.*) are not disjoint.*", r"patternProperties \1 overlap: a name may fit only one"),
    (r"circular references with sibling keys.*", "a $ref back to its own schema can have no keywords beside it"),
    (r"lookarounds not supported yet; Word.*", r"word boundaries (\\b, \\B) in patterns are not supported"),
    (r"lookarounds not supported yet.*", "^ and $ are supported only at the ends of a pattern"),
    (r"regex parse error:.*error: decimal literal invalid.*", "the number is too large"),
    (r"regex parse error:.*?error: ([^\n]*).*", r"the regular expression cannot be held: \1"),
    (r"Failed to generate regex for (integer|float) range.*", "the bounds have too many digits"),
    (r"invalid multiple of.*", "multipleOf must be greater than 0"),
    (r".*(too big|too large|too many|TooComplex|exceeded|exceeds|limit).*", _TOO_LARGE),
    (r"(.*?)\s*<non-verbose/>.*", r"\1"),
)


def in_words(problem: str) -> str:
    """Return what llguidance reports of a schema or grammar in the words of JSON Schema."""
    first = problem.removeprefix("failed to compile JSON schema: ")
    for pattern, words in _WORDS:
        if re.fullmatch(pattern, first, re.DOTALL):
            return re.sub(pattern, words, first, count=1, flags=re.DOTALL)
    return first_line(first)


def first_line(message: str) -> str:
    """Return the report without the state of the parser; of a regular expression, what is wrong with it."""
    lines = message.split("\n")
    why = next((line for line in lines if line.startswith("error: ")), "")
    return " ".join(filter(None, (lines[0].strip()[:400], why)))


def is_unsatisfiable(problem: str) -> bool:
    """Return whether a schema is refused because no document fits it."""
    return problem.startswith(UNSATISFIABLE)


def is_malformed(problem: str) -> bool:
    """Return whether a schema is refused because a keyword has a value that JSON Schema does not allow."""
    return _MALFORMED.search(problem) is not None
