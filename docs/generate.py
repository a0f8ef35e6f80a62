"""Writes the pages that are made of code: ``python docs/generate.py``.

hooks.md comes from the specs, options.md from the option tree, fields.md from the request Structs and their checks.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import msgspec
from frameworkctl import hookspecs, params
from frameworkctl import limits as lengths
from frameworkctl.cli.option_fields import Field, fields_of
from frameworkctl.cli.parser import GROUPS
from frameworkctl.config import ModelOptions, ServerOptions
from frameworkctl.plugins.inspection import hook_names, spec_names
from frameworkctl.text import pieces
from frameworkctl_endpoints import beam_search, field_checks, generation_fields
from frameworkctl_endpoints.chat.request import CHAT_UNSUPPORTED, ChatRequest
from frameworkctl_endpoints.completions.plugin import MAX_PROMPTS
from frameworkctl_endpoints.completions.request import COMPLETIONS_UNSUPPORTED, CompletionRequest
from frameworkctl_endpoints.pooling import classify, cohere_embed, embeddings, pooling, prefixes, vectors
from frameworkctl_endpoints.pooling import fields as pooling_fields
from frameworkctl_endpoints.pooling import replies as pooling_replies
from frameworkctl_endpoints.scoring import pairs as scoring
from frameworkctl_endpoints.scoring import rerank, score

DOCS = Path(__file__).parent
EXAMPLES = DOCS / "examples"
WIDTH = beam_search.MAX_WIDTH
NOTE = "<!-- Made by docs/generate.py; edit what it reads, not this page. -->\n"


def examples() -> dict[str, Path]:
    """Hook -> the example file that implements it."""
    from frameworkctl.plugins.importing import import_object

    found: dict[str, Path] = {}
    for path in sorted(EXAMPLES.rglob("*.py")):
        for name in hook_names(import_object(str(path))):
            found.setdefault(name, path)
    return found


def hooks_page() -> str:
    """Every hook with its signature, docstring and an example that the tests run."""
    where = examples()
    parts = [
        NOTE,
        "# Hooks",
        "",
        "A plugin marks functions with `@hookimpl` (from `frameworkctl.interfaces`). It names the arguments it wants,",
        "in any order. No hook is called per token or per step, and none may be `async`. What a hook registers or",
        "returns does the work; what that is made of is in [plugins.md](plugins.md).",
    ]
    for name, signature in spec_names(hookspecs).items():
        arguments = ", ".join(signature.parameters)
        parts += ["", f"## {name}({arguments})", "", inspect.getdoc(getattr(hookspecs, name)) or ""]
        parts += ["", f"Example: [`{where[name].name}`]({where[name].relative_to(DOCS).as_posix()})"]
    parts += ["", "# The examples", "", "Each is a plugin: `frameworkctl serve --plugins ./FILE.py`."]
    for path in sorted(set(where.values())):
        parts += ["", f"## {path.name}", "", "```python", path.read_text(encoding="utf-8").strip(), "```"]
    return "\n".join(parts) + "\n"


def options_page() -> str:
    """Every option of ``serve``, by group."""
    fields = [*fields_of(ServerOptions), *fields_of(ModelOptions)]
    parts = [
        NOTE,
        "# Options of `frameworkctl serve`",
        "",
        "`frameworkctl serve [MODEL] [--model NAME=PATH ...] [--config FILE] [OPTIONS]`. Each option is a flag, a key",
        "of the config file (with `-` or `_`) and an environment variable `FRAMEWORKCTL_NAME`; the flag wins over the",
        "file, the file over the environment. Flags are named as vLLM's where the meaning is the same.",
    ]
    for key, title in GROUPS.items():
        rows = [f for f in fields if f.group == key]
        if rows:
            parts += ["", f"## {title}", "", "| flag | default | meaning |", "|---|---|---|", *map(_row, rows)]
    return "\n".join(parts) + "\n"


def _row(field: Field) -> str:
    default = (
        "" if field.default in (None, [], "") else f"`{str(field.default).lower() if field.is_bool else field.default}`"
    )
    flag = f"--[no-]{field.flag[2:]}" if field.is_bool else field.flag
    return f"| `{flag}` | {default} | {field.help.replace('|', '&#124;')} |"


def lengths_table() -> list[str]:
    """Every row of the table of lengths, and the limits of whole bodies."""
    most = ServerOptions().max_body_bytes
    text = ModelOptions().max_text_bytes
    parts = [
        "| field | most | flag | error |",
        "|---|---|---|---|",
        f"| the body | {most} bytes | `--max-body-bytes` | 413 `body_too_large` |",
        f"| the body | {lengths.MAX_VALUES} values | | 413 `body_too_complex` |",
        f"| the body | {lengths.MAX_CONTAINERS} lists, objects and members of objects | | 413 `body_too_complex` |",
        "| a prompt or input; all `messages`; `tools`; `documents` of chat; `chat_template_kwargs`"
        f" | {text} bytes of text | `--max-text-bytes` | 400 `invalid_value` |",
        f"| a text without a blank between letters, and any text of a tokenizer that does not read word by word |"
        f" {pieces.WHOLE} bytes | | 400 `{pieces.TEXT_TOO_LONG}` |",
        f"| `bad_words` | {lengths.MAX_BAD_WORD_CHARACTERS} characters in all | | 400 `invalid_value` |",
    ]
    parts += [f"| `{name}` | {_most(limit)} | | 400 `{limit.code}` |" for name, limit in lengths.LENGTHS.items()]
    return parts


def _most(limit: lengths.Limit) -> str:
    entries, characters = f"{limit.most} entries", f"{limit.characters} characters"
    if limit.characters is None:
        return entries
    return f"{entries}; as a text {characters}" if limit.most else characters


def limits() -> dict[str, str]:
    """What a field may be, from the constants that its checks use."""
    most = ModelOptions().max_logprobs
    logprobs = f"0 to `--max-logprobs` ({most}); -1: all, where that allows all"
    text = {name: str(within) for name, within in params.RANGES.items()}
    return text | {
        "allowed_token_ids": "not empty; in the vocabulary",
        "bad_words": f"at most {params.MAX_BAD_WORDS} token sequences, {params.MAX_BAD_WORD_TOKENS} tokens; none empty",
        "cache_salt": f"1 to {field_checks.MAX_SALT} printable characters",
        "continue_final_message": "not with `add_generation_prompt`",
        "echo": "in completions, with `logprobs`: not with `use_beam_search`",
        "logit_bias": "ids in the vocabulary; values are clamped to [-100, 100]",
        "logits_processors": "registered names, and what `--logits-processor-pattern` allows",
        "logprob_token_ids": f"at most {params.MAX_LOGPROB_TOKEN_IDS} ids in the vocabulary; needs `logprobs`",
        "logprobs": f"{logprobs} (chat: true or false)",
        "max_completion_tokens": "at least 1, at most the context; wins over `max_tokens`",
        "max_tokens": "at least 1 (0 with `echo` in completions), at most the context; clamped to the room left",
        "messages": "not empty",
        "min_tokens": "0 to `max_tokens`",
        "n": f"1 to {params.MAX_N}; 1 with temperature 0; with `use_beam_search` the width, 1 to {WIDTH}",
        "priority": "64 bits; not 0 only where the scheduling policy looks at it",
        "prompt": f"not empty; at most {MAX_PROMPTS} prompts; ids in the vocabulary",
        "prompt_embeds": "where `--enable-prompt-embeds` allows it; not with `echo`, `prompt_logprobs`,"
        " `truncate_prompt_tokens`, `use_beam_search`",
        "prompt_logprobs": f"{logprobs}; not with `stream`",
        "request_id": f"1 to {field_checks.MAX_REQUEST_ID} printable ASCII characters; `X-Request-Id` wins",
        "seed": "64 bits",
        "stop": f"at most {params.MAX_STOP_STRINGS} strings, {params.MAX_STOP_CHARACTERS} characters; none empty",
        "stop_token_ids": "in the vocabulary",
        "stream_interval": "at least 1",
        "stream_options": "only with `stream`",
        "top_k": "at least 1, or 0 or -1 (off)",
        "top_logprobs": f"{logprobs}; needs `logprobs`",
        "truncate_prompt_tokens": "-1 (what leaves room for an answer) to the context",
        "use_beam_search": "not with " + ", ".join(f"`{name}`" for name in beam_search.REFUSED),
        "vllm_xargs": "strings, numbers of 64 bits, booleans, and lists of these",
    }


def generation_fields_table() -> list[str]:
    """Every field of completions and chat: where it is known, what it may be, what becomes of it."""
    structs = {"completions": CompletionRequest, "chat": ChatRequest}
    unsupported = {"completions": COMPLETIONS_UNSUPPORTED, "chat": CHAT_UNSUPPORTED}
    known = {family: {f.encode_name for f in msgspec.structs.fields(s)} for family, s in structs.items()}
    parts = ["| field | in | limits | status |", "|---|---|---|---|"]
    may_be = limits()
    for name in sorted(set().union(*known.values())):
        families = [family for family in structs if name in known[family]]
        refused = [family for family in families if name in unsupported[family]]
        status = "served"
        if name in generation_fields.REPLACED:
            status = f"400: send {generation_fields.REPLACED[name]}"
        elif refused:
            why = generation_fields.WHY.get(name)
            status = "refused" + (f": {why}" if why else "")
        elif name in generation_fields.IGNORED:
            status = "accepted, without effect"
        where = "both" if len(families) == len(structs) else families[0]
        parts.append(f"| `{name}` | {where} | {may_be.get(name, '')} | {status} |")
    return parts


POOLING = {
    "embeddings": embeddings.EmbeddingRequest,
    "pooling": pooling.PoolingRequest,
    "classify": classify.ClassifyRequest,
    "score": score.ScoreRequest,
    "rerank": rerank.RerankRequest,
    "cohere_embed": cohere_embed.CohereEmbedRequest,
}


def pooling_limits() -> dict[str, str]:
    """What a field of a pooling family may be, where its type does not say it."""
    alias = "another name of `use_activation`, which wins"
    sides = "; ".join(f"`{left}` with `{right}`" for left, right in score.PAIRS)
    return {
        "activation": alias,
        "cache_salt": f"1 to {field_checks.MAX_SALT} printable characters",
        "chat_template_kwargs": f"score, rerank: needs `--chat-template`; not {', '.join(scoring.TEMPLATE_KEYS)}",
        "continue_final_message": "not with `add_generation_prompt`",
        "dimensions": "what the model was trained for (Matryoshka); embeddings only",
        "documents": 'not empty; a text, `{"text"}` or `{"content"}`, or a list of them',
        "embed_dtype": ", ".join(vectors.SIZES) + "; where `encoding_format` is not `float`",
        "embedding_types": "float, base64, binary, ubinary",
        "encoding_format": f"float, base64, bytes (metadata of {pooling_replies.MAX_METADATA >> 10} KiB), bytes_only",
        "endianness": "native, little, big",
        "images": "none: texts only",
        "input": "a text, token ids, messages, or a list of one kind; not with `messages`",
        "input_type": f"the model's prompts, and {', '.join(prefixes.COHERE)}; texts only",
        "instruction": "needs `--chat-template`",
        "max_tokens": "at least 1",
        "max_tokens_per_doc": "0 (all) to less than the context",
        "max_tokens_per_query": "0 (all) to less than the context",
        "messages": "a conversation, or a list of them; not empty",
        "normalize": alias,
        "output_dimension": "as `dimensions`",
        "padding": "do_not_pad, max_length",
        "priority": "64 bits; not 0 only where the scheduling policy looks at it",
        "queries": sides,
        "query": "one text, in the forms of a document",
        "request_id": f"1 to {field_checks.MAX_REQUEST_ID} printable ASCII characters; `X-Request-Id` wins",
        "return_documents": "without effect on `/rerank`, which always has them",
        "softmax": alias,
        "task": ", ".join(pooling.TASKS) + "; those that the model has",
        "texts": "not empty; not with `inputs`",
        "top_n": "at least 0; 0 and null: all",
        "truncate": "END, START, NONE",
        "truncate_prompt_tokens": "-1 (the context), or 1 to the context",
        "truncation_side": "left, right",
        "use_activation": "embeddings are normalised, classes go through sigmoid or softmax",
    }


def pooling_fields_table() -> list[str]:
    """Every field of the pooling families."""
    known = {family: {f.encode_name for f in msgspec.structs.fields(s)} for family, s in POOLING.items()}
    parts = ["| field | in | limits | status |", "|---|---|---|---|"]
    may_be = pooling_limits()
    for name in sorted(set().union(*known.values())):
        families = [family for family in POOLING if name in known[family]]
        status = "served"
        if name in (*pooling_fields.UNSUPPORTED, *rerank.UNSUPPORTED, "data", "images"):
            status = "refused"
        elif name in pooling_fields.IGNORED:
            status = "accepted, without effect"
        parts.append(f"| `{name}` | {', '.join(families)} | {may_be.get(name, '')} | {status} |")
    return parts


def fields_page() -> str:
    """All request fields."""
    parts = [
        NOTE,
        "# Request fields of completions and chat",
        "",
        "A value of the wrong type is a 400 `invalid_type`, one outside its limits a 400 `invalid_value`; `param`",
        "names the field. *refused* is a 400 `unsupported_parameter` where the field asks for something. Fields that",
        "are not here, at any level, are named in the header `x-unknown-fields` of the reply, or refused",
        "(`--unknown-fields reject`).",
        "",
        *generation_fields_table(),
        "",
        "# Request fields of the pooling families",
        "",
        "Paths and examples are in [pooling.md](pooling.md). In score and rerank `encoding_format` has no effect.",
        "",
        *pooling_fields_table(),
        "",
        "# Lengths and counts",
        "",
        "At the top level of a body, whatever its route; `param` of the error names the field.",
        "",
        *lengths_table(),
    ]
    return "\n".join(parts) + "\n"


PAGES = {"hooks.md": hooks_page, "options.md": options_page, "fields.md": fields_page}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
        print(f"wrote {DOCS / name}")
