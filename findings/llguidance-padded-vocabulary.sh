#!/bin/sh
# llguidance 1.9.1 with tokenizers 0.23.3: ids between a tokenizer's own size and a padded n_vocab have text.
# Models pad their embedding tables (to a multiple of 64 or 128), so n_vocab is often larger than the tokenizer.
# Guess: such an id has no bytes, or decoding it is an error.
# Seen: decode_bytes([100]) is b"<[100]>", as if the model had written those seven characters.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet llguidance==1.9.1 tokenizers==0.23.3
"$work/venv/bin/python" - <<'PYTHON'
from llguidance import LLTokenizer
from tokenizers import Tokenizer, decoders, models

vocabulary = {chr(code): number for number, code in enumerate(range(32, 127))}
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
tokenizer.decoder = decoders.ByteLevel()
padded = LLTokenizer(tokenizer.to_str(), n_vocab=128)
assert padded.vocab_size == 128
assert padded.decode_bytes([3]) == b"#"
assert padded.decode_bytes([100]) == b"<[100]>"
assert padded.decode_bytes([100, 3, 127]) == b"<[100]>#<[127]>"
print("as seen with llguidance 1.9.1 and tokenizers 0.23.3")
PYTHON
