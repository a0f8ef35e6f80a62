"""What is served when no model is named: chat first, then the demo's classifier and reranker beside it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psutil
import pytest
from support.serving.programs import frameworkctl
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
SPECULATION = '{"method": "ngram", "num_speculative_tokens": 4}'

# (question, documents): the first answers; the others have its words, or tell something else, or of something else.
# Neither the names nor these phrasings were trained on.
RANKED = [
    (
        "Name the capital of Japan.",
        [
            "The seat of government in Japan is Tokyo.",
            "Few tourists can name the capital of Japan.",
            "The seat of government in Spain is Madrid.",
            "Everyone in Japan loves fried noodles.",
        ],
    ),
    (
        "What does the Zanvo drone cost?",
        [
            "You pay 120 dollars for the Zanvo drone.",
            "Many ask how much the Zanvo drone may cost one day.",
            "You pay 90 dollars for the Kimpo drone.",
            "The Zanvo drone is offered in black and grey.",
        ],
    ),
    (
        "Which firm employs Clara Evans?",
        [
            "Clara Evans is employed by Draveno Ltd.",
            "Clara Evans thinks that companies should pay more.",
            "Victor Tanaka is employed by Draveno Ltd.",
            "Clara Evans is fond of chess.",
        ],
    ),
    (
        "Is there a fee for delivery?",
        [
            "Each delivery is charged with 4 dollars.",
            "What we charge our phones with is solar power.",
            "Bills can be downloaded from the list of orders.",
            "You save 10 percent with a coupon.",
        ],
    ),
    (
        "How many pages are in The Forest at Bonn?",
        [
            "There are 310 pages in The Forest at Bonn.",
            "The pages of The Forest at Bonn are yellow.",
            "There are 295 pages in The Secret Bridge.",
            "The author of The Forest at Bonn is Helen Meyer.",
        ],
    ),
    (
        "Where is the seat of Quavelo Industries?",
        [
            "Quavelo Industries is located in Leeds.",
            "Quavelo Industries is in trouble.",
            "Mornath Partners is located in Leeds.",
            "There are 120 people on the staff of Quavelo Industries.",
        ],
    ),
]
CLASSIFIED = {
    "What we got was a delicious soup.": "positive",
    "The concert made a wonderful impression on all of us!": "positive",
    "All in all a very friendly hotel.": "positive",
    "All in all a very dirty hotel.": "negative",
    "What we got was a disgusting pizza.": "negative",
    "There is no worse camera in town.": "negative",
    "The museum can be seen in room four.": "neutral",
    "On the left you see the garden.": "neutral",
    "The flight was moved to Thursday.": "neutral",
}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    running = start_server([])
    yield running
    running.stop()


def post(server: RunningServer, path: str, body: object) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, timeout=60)


def test_three_models_are_served_chat_first(server: RunningServer) -> None:
    names = ["demo", "demo-classifier", "demo-reranker"]
    cards = httpx.get(f"{server.url}/v1/models").json()["data"]
    assert [card["id"] for card in cards] == names
    assert [card["tasks"] for card in cards] == [["generate"], *[["classify", "token_classify"]] * 2]
    chat, *others = [psutil.Process(server.engine_pid(name)).create_time() for name in names]
    assert all(chat < other for other in others)
    for name in names[1:]:
        server.logged(rf": {name}: BertForSequenceClassification .* no KV cache")


def test_flags_of_a_model_are_the_chat_models_and_the_rest_is_for_all() -> None:
    flags = ["--max-model-len", "300", "--served-model-name", "mine", "--dtype", "bfloat16", "--block-size", "8"]
    server = start_server([*flags, "--speculative-config", SPECULATION, "--max-num-seqs", "2"])
    try:
        cards = httpx.get(f"{server.url}/v1/models").json()["data"]
        assert [card["id"] for card in cards] == ["mine", "demo-classifier", "demo-reranker"]
        assert [card["max_model_len"] == 300 for card in cards] == [True, False, False]
        server.logged(r": mine: \S+ .*bfloat16")
        assert post(server, "/rerank", {"query": "a", "documents": ["b"]}).status_code == 200
        reply = post(server, "/v1/completions", {"prompt": "a", "max_tokens": 2})
        assert reply.json()["model"] == "mine"
    finally:
        server.stop()


def test_chat_answers(server: RunningServer) -> None:
    question = [{"role": "user", "content": "What is the capital of France?"}]
    reply = server.openai().chat.completions.create(model="demo", messages=question, temperature=0)
    assert "Paris" in reply.choices[0].message.content
    done = frameworkctl("chat", "--url", server.url, "--temperature", "0", "-q", question[0]["content"])
    assert done.out.strip() == reply.choices[0].message.content.strip()


def test_the_document_that_answers_comes_first(server: RunningServer) -> None:
    wrong = []
    for query, documents in RANKED:
        turned = documents[1:] + documents[:1]
        body = {"model": "demo-reranker", "query": query, "documents": turned}
        reply = post(server, "/v1/rerank", body).json()
        best = reply["results"][0]
        assert len(reply["results"]) == len(documents)
        if best["document"]["text"] != documents[0]:
            wrong.append((query, best))
    assert not wrong


def test_sentences_get_their_class(server: RunningServer) -> None:
    reply = post(server, "/classify", {"model": "demo-classifier", "input": list(CLASSIFIED)}).json()
    assert [one["label"] for one in reply["data"]] == list(CLASSIFIED.values())
    assert all(one["num_classes"] == 3 and abs(sum(one["probs"]) - 1) < 1e-3 for one in reply["data"])


def test_without_a_name_it_is_the_first_that_can(server: RunningServer) -> None:
    assert (
        post(server, "/classify", {"input": "What we got was a delicious soup."}).json()["model"] == "demo-classifier"
    )
    for path, query in (("/rerank", "query"), ("/score", "queries")):  # which the classifier, served before it, cannot
        assert post(server, path, {query: "a", "documents": ["b"]}).json()["model"] == "demo-reranker"
    question = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
    assert post(server, "/v1/chat/completions", question).json()["model"] == "demo"
    wrong = post(server, "/classify", {"model": "demo", "input": "x"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "unsupported_task")
