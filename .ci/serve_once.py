"""Serves from an installed wheel, asks the demo model and both sample plugins one question each, and stops."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request

import openai

PORT = 8731


def main(program: str) -> None:
    command = [program, "serve", "--port", str(PORT), "--plugins", "word-boost,summaries"]
    server = subprocess.Popen(command)
    try:
        wait()
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{PORT}/v1", api_key="none")
        question = [{"role": "user", "content": "What is the capital of France?"}]
        stream = client.chat.completions.create(model="demo", messages=question, stream=True, temperature=0)
        answer = "".join(c.choices[0].delta.content or "" for c in stream)
        print("demo:", answer)
        assert "Paris" in answer
        banned = {"extra_args": {"word_boost": {"ban": ["Paris"]}}}
        other = client.chat.completions.create(model="demo", messages=question, temperature=0, extra_body=banned)
        print("without Paris:", other.choices[0].message.content)
        assert "Paris" not in other.choices[0].message.content
        body = json.dumps({"text": "Hello there.", "max_tokens": 8}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}/v1/summaries", body, headers)
        print("summary:", json.load(urllib.request.urlopen(request)))
    finally:
        server.terminate()
        assert server.wait(20) == 0


def wait() -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health")
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not become healthy")


main(sys.argv[1])
