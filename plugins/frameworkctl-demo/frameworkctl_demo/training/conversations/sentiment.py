"""Makes questions that ask whether a sentence is positive, negative or neutral."""

from __future__ import annotations

import random
import re

from frameworkctl_demo.training.words import sentiment_words as said
from frameworkctl_demo.training.words.augment import fill
from frameworkctl_demo.training.words.split import Phrasings, Split, lines

# Those that name a third class are told apart by the word "neutral".
ASK = Phrasings(
    train=lines(
        """
        Is this positive or negative: {text}
        Is this positive or negative? {text}
        Is it positive or negative: {text}
        Is this sentence positive or negative: {text}
        Is this sentence positive or negative? {text}
        Is the following sentence positive or negative? {text}
        Is this review positive or negative: {text}
        Is this review positive or negative? {text}
        Is the sentiment positive or negative: {text}
        Is the sentiment of this sentence positive or negative? {text}
        Is this text positive or negative? {text}
        Is "{text}" positive or negative?
        Is '{text}' a positive or a negative sentence?
        "{text}" - positive or negative?
        {text} - positive or negative?
        {text} Positive or negative?
        {text} Is that positive or negative?
        {text} Is this positive or negative?
        Positive or negative: {text}
        Positive or negative? {text}
        positive or negative, {text}
        Classify as positive or negative: {text}
        Classify this as positive or negative: {text}
        Classify this sentence as positive or negative: {text}
        Classify the sentence as positive or negative. {text}
        Classify the following review as positive or negative: {text}
        Classify the sentiment: {text}
        Classify the sentiment of this sentence: {text}
        Classify the sentiment of this review: {text}
        Classify the sentiment as positive or negative: {text}
        Classify "{text}" as positive or negative.
        What is the sentiment of this sentence: {text}
        What is the sentiment of this sentence? {text}
        What is the sentiment of: {text}
        What is the sentiment of "{text}"?
        What is the sentiment: {text}
        What's the sentiment here: {text}
        Sentiment: {text}
        Sentiment of: {text}
        Sentiment of "{text}"?
        sentiment? {text}
        Sentiment analysis: {text}
        Tell me the sentiment of this: {text}
        Tell me if this is positive or negative: {text}
        Tell me whether this sentence is positive or negative: {text}
        Give me the sentiment of this sentence: {text}
        Say positive or negative: {text}
        Answer with positive or negative: {text}
        Answer with one word, positive or negative: {text}
        Decide if this is positive or negative: {text}
        Decide whether the review is positive or negative: {text}
        Label this as positive or negative: {text}
        Label the sentiment: {text}
        Rate the sentiment as positive or negative: {text}
        Determine the sentiment of the sentence: {text}
        Determine if the following is positive or negative: {text}
        Analyze the sentiment: {text}
        Does this sound positive or negative: {text}
        Would you say this is positive or negative? {text}
        Is the mood of this sentence positive or negative? {text}
        Is this comment positive or negative: {text}
        Is this feedback positive or negative: {text}
        Is this tweet positive or negative: {text}
        A customer wrote "{text}". Is that positive or negative?
        Review: {text} Is it positive or negative?
        Review: {text} Sentiment:
        Text: {text} Sentiment?
        Is this positive, negative or neutral: {text}
        Is this sentence positive, negative or neutral? {text}
        Positive, negative or neutral? {text}
        Classify as positive, negative or neutral: {text}
        Classify this sentence as positive, negative, or neutral: {text}
        Classify the sentiment as positive, negative or neutral: {text}
        What is the sentiment (positive, negative, neutral): {text}
        Tell me if this is positive, neutral or negative: {text}
        Label this positive, negative or neutral: {text}
        Is "{text}" positive, negative or neutral?
        Please label this sentence as positive or negative: {text}
        How would you rate the sentiment of "{text}"?
        Does this sentence have a positive or negative sentiment? {text}
        In a word: is this positive or negative? {text}
        Classify the following text as positive, negative or neutral: {text}
        """
    ),
    held_out=lines(
        """
        Is the following positive or negative: {text}
        Would you call this positive or negative: {text}
        Please classify this review as positive or negative: {text}
        What sentiment does this sentence have? {text}
        Determine whether this is positive or negative: {text}
        How would you label the sentiment of "{text}"?
        Is the following review positive or negative? {text}
        Does "{text}" sound positive or negative?
        In one word, is this positive or negative: {text}
        Classify the following sentence as positive, negative or neutral: {text}
        """
    ),
)
# System messages that set the task, so that the user only sends the sentence.
SYSTEM_ASKS = Phrasings(
    lines(
        """
        Classify the sentiment of the user's message as positive or negative.
        You classify sentences as positive or negative.
        You are a sentiment classifier. Answer with positive or negative.
        Answer with one word: positive or negative.
        Say whether the message is positive or negative.
        You do sentiment analysis.
        Classify each message as positive, negative or neutral.
        """
    ),
    lines(
        """
        Classify the message of the user as positive or negative.
        You are a classifier of sentiment. Reply positive or negative.
        """
    ),
)


def sentence(rng: random.Random, split: Split, *, neutral: bool) -> tuple[str, str]:
    """Return a sentence and its class; without a third class there are no neutral ones."""
    label = rng.choice(("positive", "negative", "neutral") if neutral else ("positive", "negative"))
    while True:
        slots: dict[str, object] = {
            "thing": rng.choice(said.THINGS),
            "thing2": rng.choice(said.THINGS),
            "good": rng.choice(said.GOOD),
            "good2": rng.choice(said.GOOD),
            "bad": rng.choice(said.BAD),
            "bad2": rng.choice(said.BAD),
            "lov": rng.choice(said.GOOD_VERBS),
            "hat": rng.choice(said.BAD_VERBS),
        }
        if label == "neutral":
            text = fill(rng.choice(said.NEUTRAL), slots)
        else:
            good = label == "positive"
            whole = rng.choice(said.GOOD_WHOLE if good else said.BAD_WHOLE)
            form = rng.choice(said.GOOD_FORMS if good else said.BAD_FORMS)
            text = fill(form, {**slots, "whole": whole})
            text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text[:1].upper() + text[1:])
        # One sentence in twenty is never trained on.
        if (sum(text.lower().encode()) % 20 == 0) == (split == "held_out"):
            return text + rng.choice((".", ".", "", "!", "!" if label != "neutral" else "")), label


def question(rng: random.Random, split: Split) -> tuple[str, str, str]:
    """Return a whole question, its reply and its phrasing."""
    ask = rng.choice(ASK.of(split))
    text, label = sentence(rng, split, neutral="neutral" in ask)
    form = ask
    draw = rng.random()
    if draw < 0.2:
        # At the end of the request the sentence may stand in quotes or on a line of its own.
        for end in (": {text}", "? {text}"):
            if form.endswith(end):
                form = form.removesuffix(" {text}") + rng.choice((' "{text}"', " '{text}'", "\n{text}", "\n\n{text}"))
    elif draw < 0.3:
        form = f"{rng.choice(('Please', 'please', 'Hi!', 'Now', 'Ok,'))} {form[:1].lower()}{form[1:]}"
    if '"{text}" ' in form or form.startswith("{text} -"):
        text = text.rstrip(".")
    whole = fill(form, {"text": text})
    return whole.lower() if rng.random() < 0.12 else whole, label, ask
