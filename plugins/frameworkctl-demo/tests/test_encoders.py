"""The shipped reranker and classifier on what they were not trained on, and how they are trained."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from frameworkctl_demo.training import encoder_tasks, encoders, evaluate_encoders
from frameworkctl_demo.training.encoder_data import pairs, reviews
from frameworkctl_demo.training.optimizers import Optimizers
from frameworkctl_demo.training.wordpieces import save_wordpieces, train_wordpieces
from frameworkctl_demo.training.words.augment import overlap
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpieces(0, samples=300)


def test_the_reranker_is_as_good_as_published_and_better_than_words_alone():
    groups = pairs.held_out_groups(60, 2)
    found = evaluate_encoders.ranking(evaluate_encoders.by_model(evaluate_encoders.RERANKER), groups)
    words = evaluate_encoders.ranking(evaluate_encoders.by_words, groups)
    assert found.first > 0.65, found
    assert found.first > words.first + 0.1
    assert found.reciprocal > words.reciprocal + 0.05


def test_the_classifier_is_as_good_as_published():
    found = evaluate_encoders.confusion(evaluate_encoders.CLASSIFIER, reviews.held_out_reviews(150, 2))
    assert evaluate_encoders.accuracy(found) > 0.72, found


def test_what_is_kept_out_is_kept_out():
    for fact in pairs.ALL_FACTS:
        for said in (fact.ask, fact.tell, fact.near):
            assert said.train
            assert said.held_out
            assert not overlap(said.train, said.held_out), fact.name
    for label in reviews.LABELS:
        assert not overlap(reviews.TRAINED[label], reviews.HELD_OUT[label])
    rng = random.Random(0)
    trained = " ".join(reviews.review(rng, "train").text.lower() for _ in range(3000))
    assert not [word for word in (*reviews.GOOD.held_out, *reviews.BAD.held_out) if word in trained.split()]


def test_one_document_of_a_group_answers():
    rng = random.Random(1)
    for split in ("train", "held_out"):
        for _ in range(300):
            made = pairs.group(rng, split)
            right = made.documents[made.right]
            assert right.tells is made.fact
            assert right.same_subject
            others = [one for place, one in enumerate(made.documents) if place != made.right]
            assert not [one for one in others if one.tells is made.fact and one.same_subject]
            assert "{" not in made.query + "".join(one.text for one in made.documents)


def test_words_alone_are_a_sensible_ranking():
    asked = pairs.held_out_groups(1, 0)[0]
    texts = ("the fox jumps over the dog", "a dog sleeps", "nothing of the kind")
    documents = tuple(replace(asked.documents[0], text=text) for text in texts)
    made = replace(asked, query="who jumps over a dog?", documents=documents, right=0)
    [scores] = evaluate_encoders.by_words([made])
    assert scores[0] > scores[1] > scores[2] == 0
    assert evaluate_encoders.ranking(evaluate_encoders.by_words, [made]).first == 1
    same = replace(made, documents=(documents[0], documents[0]))
    assert evaluate_encoders.ranking(evaluate_encoders.by_words, [same]).reciprocal == 0.5


@pytest.mark.parametrize("make", [encoder_tasks.Reranker, encoder_tasks.Classifier])
def test_training_learns(tokenizer, make, monkeypatch):
    monkeypatch.setattr(encoder_tasks, "_GROUPS", 4)
    monkeypatch.setattr(encoder_tasks, "_REVIEWS", 24)
    torch.manual_seed(0)
    task = make(tokenizer)
    parameters = [*task.model.parameters(), *task.heads()]
    matrices = [p for p in parameters if p.dim() > 1 and p.shape[0] != p.shape[1] and p.shape[0] not in (128, 256)]
    optimizers = Optimizers(parameters, matrices, 0.02)
    before = task.loss(random.Random(5)).item()
    for step in range(12):
        loss = task.loss(random.Random(5))
        for parameter in optimizers.parameters:
            parameter.grad = None
        loss.backward()
        optimizers.step(step + 30, 0.0)
    assert task.loss(random.Random(5)).item() < 0.8 * before


@pytest.mark.parametrize(("name", "labels"), [("reranker", 1), ("classifier", 3)])
def test_what_is_saved_is_read_by_transformers(tokenizer, tmp_path, name, labels):
    torch.manual_seed(1)
    model = encoders.build_encoder(tokenizer, name)
    save_wordpieces(tokenizer, tmp_path)
    encoders.save(model, tmp_path)
    read = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    texts = [("what does it cost?", "It costs 12 dollars."), ("a", "b c d")]
    given = AutoTokenizer.from_pretrained(tmp_path)(
        *map(list, zip(*texts, strict=True)), padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        theirs = read(**given).logits
        ours = encoders.logits_of(model, encoders.states_of(model, tokenizer.encode_batch(texts)))
    assert theirs.shape == (2, labels)
    assert torch.allclose(theirs, ours, atol=0.05)  # bfloat16 on the way
    wanted = list(reviews.LABELS) if labels == 3 else ["relevance"]
    assert [read.config.id2label[place] for place in range(labels)] == wanted


@pytest.mark.parametrize("folder", [evaluate_encoders.RERANKER, evaluate_encoders.CLASSIFIER])
def test_weights_are_small_and_in_the_package(folder):
    assert folder.parent.name == "frameworkctl_demo"
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_500_000
