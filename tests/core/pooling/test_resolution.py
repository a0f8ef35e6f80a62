"""What a checkpoint is served for and how it pools: by its class, the files beside it, and what the user says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import ModelInfo, PoolerSpec, PoolingInfo
from frameworkctl.pooling.plugin import register_poolers
from frameworkctl.pooling.resolution import resolve

EMBED, CLASSIFY = frozenset({"embed", "token_embed"}), frozenset({"classify", "token_classify"})
POOLERS: dict[str, PoolerSpec] = {}
register_poolers(lambda spec, override=False: POOLERS.update({spec.name: spec}))
MODULES = [
    {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
NORMALIZE = {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}


class Folder:
    """A checkpoint's json files, and what comes of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config: dict[str, Any] = {"architectures": ["LlamaForCausalLM"]}

    def write(self, name: str, data: Any) -> None:
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(data))

    def resolve(self, info: PoolingInfo | None = None, tasks: frozenset[str] = EMBED, **given: Any) -> ModelInfo:
        """``info`` is what the class says of itself; None: it generates."""
        self.write("config.json", self.config)
        model = ModelInfo(
            architecture="LlamaForCausalLM",
            tasks=frozenset({"generate"}) if info is None else tasks,
            vocab_size=320,
            hidden_size=64,
            num_layers=2,
            max_model_len=512,
            pooling=info,
        )
        return resolve(model, read_checkpoint(self.path), poolers=POOLERS, **given)

    def pooling(self, *args: Any, **given: Any) -> PoolingInfo:
        found = self.resolve(*args, **given).pooling
        assert found is not None
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


ENCODER = PoolingInfo(pooler="cls", size=64, whole=True)


@pytest.mark.parametrize(
    ("architecture", "given", "tasks"),
    [
        ("LlamaForCausalLM", {}, {"generate"}),
        ("LlamaForCausalLM", {"runner": "generate"}, {"generate"}),
        ("LlamaForCausalLM", {"runner": "pooling"}, EMBED),
        ("LlamaForCausalLM", {"convert": "embed"}, EMBED),
        ("LlamaForCausalLM", {"convert": "classify"}, CLASSIFY),
        ("LlamaForCausalLM", {"convert": "none"}, {"generate"}),
        ("LlamaModel", {}, EMBED),
        ("LlamaEmbeddingModel", {}, EMBED),
        ("LlamaForSequenceClassification", {}, CLASSIFY),
        ("LlamaForSequenceClassification", {"convert": "embed"}, EMBED),
        ("LlamaForTokenClassification", {}, {"token_classify"}),
    ],
)
def test_what_a_decoder_is_served_for(folder: Folder, architecture: str, given: Any, tasks: frozenset[str]) -> None:
    folder.config["architectures"] = [architecture]
    found = folder.resolve(**given)
    assert found.tasks == tasks
    assert (found.pooling is None) == ("generate" in tasks)
    if found.pooling is not None:
        assert (found.pooling.pooler, found.pooling.token_pooler, found.pooling.whole) == ("last", "all", False)
        assert found.pooling.task == next(t for t in ("embed", "classify", "token_classify") if t in tasks)


@pytest.mark.parametrize(
    ("architecture", "info", "given", "words"),
    [
        ("LlamaForSequenceClassification", None, {"runner": "generate"}, "does not generate text"),
        ("BertModel", ENCODER, {"runner": "generate"}, "does not generate text"),
        ("BertModel", ENCODER, {"convert": "classify"}, "--convert classify: BertModel has a head of its own"),
        ("LlamaForCausalLM", None, {"runner": "pooling", "convert": "none"}, "--convert none"),
        ("LlamaForCausalLM", None, {"given": {"task": "embed"}}, "--runner pooling"),
        ("BertModel", ENCODER, {"given": {"poolin_type": "MEAN"}}, "did you mean 'pooling_type'?"),
        (
            "BertModel",
            ENCODER,
            {"given": {"pooling_type": "MAX"}},
            "no pooler 'MAX'; known are all, cls, last, mean, step",
        ),
        ("BertModel", ENCODER, {"given": {"task": "classify"}}, "not do the task classify; it does embed, token_embed"),
        ("BertModel", ENCODER, {"given": {"task": "score"}}, "Invalid enum value 'score'"),
        ("BertModel", ENCODER, {"given": {"pooling_type": "CLS", "seq_pooling_type": "CLS"}}, "give one of them"),
        ("BertModel", ENCODER, {"given": {"seq_pooling_type": "ALL"}}, "serves token_classify, token_embed"),
        ("BertModel", ENCODER, {"given": {"dimensions": 32}}, "cannot be cut to 32"),
        ("BertModel", ENCODER, {"given": {"dimensions": 0}}, "dimensions must be at least 1"),
        ("BertModel", ENCODER, {"given": {"logit_sigma": 0}}, "logit_sigma must not be 0"),
    ],
)
def test_contradictions(folder: Folder, architecture: str, info: PoolingInfo | None, given: Any, words: str) -> None:
    folder.config["architectures"] = [architecture]
    with pytest.raises(ConfigError) as e:
        folder.resolve(info, **given)
    assert words in str(e.value)


def test_sentence_transformers_files(folder: Folder) -> None:
    folder.write("modules.json", MODULES)
    folder.write("1_Pooling/config.json", {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True})
    folder.write("sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": True})
    folder.write("config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": ""}})
    found = folder.resolve()  # a language model's class, but made to embed
    pooling = found.pooling
    assert found.tasks == EMBED
    assert found.max_model_len == 128
    assert pooling is not None
    assert (pooling.pooler, pooling.normalize, pooling.lower_case) == ("mean", False, True)
    assert pooling.prompts == {"query": "query: ", "document": ""}
    folder.write("modules.json", [*MODULES, NORMALIZE])
    assert folder.pooling().normalize
    folder.write("1_Pooling/config.json", {"pooling_mode": "lasttoken"})
    assert folder.pooling(ENCODER).pooler == "last"
    assert folder.pooling(ENCODER, given={"pooling_type": "CLS"}).pooler == "cls"
    folder.write("1_Pooling/config.json", {"pooling_mode_max_tokens": True})
    assert folder.pooling(ENCODER).pooler == "cls"  # the class's own, with a warning


def test_dense_layers_give_the_size(folder: Folder) -> None:
    dense = [{"path": f"{i}_Dense", "type": "sentence_transformers.models.Dense"} for i in (2, 3)]
    folder.write("modules.json", [*MODULES, *dense])
    folder.write("2_Dense/config.json", {"out_features": 48})
    folder.write("3_Dense/config.json", {"out_features": 16})
    found = folder.pooling(ENCODER)
    assert (found.dense, found.size) == (("2_Dense", "3_Dense"), 16)
    folder.write("3_Dense/config.json", {})
    with pytest.raises(ConfigError, match=r"3_Dense/config\.json has no out_features"):
        folder.resolve(ENCODER)


def test_late_interaction(folder: Folder) -> None:
    """pylate writes no Pooling module: vectors per token are what the model is for."""
    types = ("pylate.models.Transformer", "pylate.models.Dense.Dense")
    folder.write("modules.json", [{"path": f"{i}_Dense" if i else "", "type": t} for i, t in enumerate(types)])
    folder.write("1_Dense/config.json", {"out_features": 16})
    found = folder.pooling(ENCODER)
    assert (found.task, found.size, found.normalize) == ("token_embed", 16, True)


def test_a_broken_modules_file(folder: Folder) -> None:
    folder.write("modules.json", {"a": 1})
    with pytest.raises(ConfigError, match=r"modules\.json is not a list of modules"):
        folder.resolve(ENCODER)


@pytest.mark.parametrize(
    ("config", "labels", "activation"),
    [
        ({}, ("LABEL_0", "LABEL_1"), "softmax"),
        ({"num_labels": 1}, ("LABEL_0",), "sigmoid"),
        ({"id2label": {"1": "no", "0": "yes"}}, ("yes", "no"), "softmax"),
        ({"id2label": {"0": "x"}, "problem_type": "regression"}, ("x",), "identity"),
        ({"problem_type": "multi_label_classification"}, ("LABEL_0", "LABEL_1"), "sigmoid"),
        ({"num_labels": 1, "problem_type": "single_label_classification"}, ("LABEL_0",), "sigmoid"),
        (
            {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}},
            ("LABEL_0", "LABEL_1"),
            "sigmoid",
        ),
        (
            {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity", "num_labels": 1},
            ("LABEL_0",),
            "identity",
        ),
    ],
)
def test_classes(folder: Folder, config: dict[str, Any], labels: tuple[str, ...], activation: str) -> None:
    folder.config |= {"architectures": ["LlamaForSequenceClassification"], **config}
    found = folder.pooling()
    assert (found.labels, found.activation, found.pairs) == (labels, activation, "separator")


@pytest.mark.parametrize("name", ["mine.Evil", "torch.nn.modules.activation.Mish"])
def test_a_foreign_activation(folder: Folder, name: str) -> None:
    folder.config |= {
        "architectures": ["LlamaForSequenceClassification"],
        "sentence_transformers": {"activation_fn": name},
    }
    with pytest.raises(ConfigError, match="the activation"):
        folder.resolve()


def test_tokens_as_classes(folder: Folder) -> None:
    """A reranker that answers yes or no: the rows of a language model's head are the classifier."""
    ids = {"no": 7, "yes": 9}
    folder.config |= {
        "architectures": ["LlamaForSequenceClassification"],
        "classifier_from_token": ["no", "yes"],
        "is_original_qwen3_reranker": True,
    }
    found = folder.pooling(token_id=ids.get)
    assert (found.classifier_from_token, found.classifier_method) == ((7, 9), "from_2_way_softmax")
    assert (len(found.labels), found.activation, found.pairs) == (1, "sigmoid", "joined")
    folder.config |= {"method": "no_post_processing"}
    found = folder.pooling(token_id=ids.get)
    assert (found.labels, found.activation) == (("no", "yes"), "softmax")
    folder.config["classifier_from_token"] = ["no", "maybe"]
    with pytest.raises(ConfigError, match="no token 'maybe'"):
        folder.pooling(token_id=ids.get)


def test_matryoshka(folder: Folder) -> None:
    assert folder.pooling(ENCODER).matryoshka is None
    folder.config["is_matryoshka"] = True
    assert folder.pooling(ENCODER).matryoshka == ()
    folder.config["matryoshka_dimensions"] = [16, 32]
    assert folder.pooling(ENCODER).matryoshka == (16, 32)
    assert folder.pooling(ENCODER, given={"dimensions": 32}).dimensions == 32
    with pytest.raises(ConfigError, match="cannot be cut to 24"):
        folder.pooling(ENCODER, given={"dimensions": 24})


def test_options_come_last(folder: Folder) -> None:
    given = {
        "tok_pooling_type": "step",
        "use_activation": False,
        "task": "token_embed",
        "step_tag_id": 5,
        "logit_mean": 2.5,
        "returned_token_ids": [1, 3],
        "options": {"mine": [1]},
    }
    found = folder.pooling(ENCODER, given=given)
    assert (found.token_pooler, found.task, found.normalize, found.activate) == ("step", "token_embed", False, False)
    assert (found.step_tag_id, found.logit_mean, found.returned_token_ids) == (5, 2.5, (1, 3))
    assert found.options == {"mine": [1]}
    assert not found.activates("embed")
    assert not found.activates("classify")
