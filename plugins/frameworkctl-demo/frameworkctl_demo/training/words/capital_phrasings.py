"""Ways to ask for a capital: those trained on, and those kept out to measure with."""

from __future__ import annotations

from .split import Phrasings, lines

CAPITAL = Phrasings(
    train=lines(
        """
        What is the capital of {country}?
        what is the capital city of {country}?
        What is the capital in {country}?
        which city is the capital of {country}?
        Which city is {country}'s capital?
        What is {country}'s capital?
        What is {country}'s capital city?
        capital of {country}
        the capital of {country}
        {country} capital
        {country} capital city
        capital city of {country}
        {country}'s capital
        the capital of {country} is
        The capital of {country} is?
        name the capital of {country}
        Name {country}'s capital.
        give me the capital of {country}
        tell me the capital of {country}
        do you know the capital of {country}?
        Do you know what the capital of {country} is?
        Where is the capital of {country}?
        {country} has which capital?
        I want to know the capital of {country}
        I need the capital of {country}
        what city is the capital of {country}?
        what would be the capital of {country}?
        say the capital of {country}
        What do you call the capital of {country}?
        capital: {country}
        what is the name of the capital of {country}?
        what is the name of {country}'s capital?
        Which is the capital of {country}?
        {country}: capital?
        I forgot the capital of {country}
        remind me of the capital of {country}
        I am going to {country}. What is its capital?
        For {country}, what is the capital?
        which town is the capital of {country}?
        my homework asks for the capital of {country}
        write down the capital of {country}
        In {country}, which city is the capital?
        what is the seat of government of {country}?
        what is the main city and capital of {country}?
        what capital city does {country} have?
        Which capital belongs to {country}?
        country {country}, capital city?
        what is the capital of the country {country}?
        which city was made the capital of {country}?
        I am in {country}. Which city is the capital?
        Let us talk about {country}. What is its capital city?
        can you name the capital of {country}?
        I would like to know what the capital of {country} is
        I am flying to {country}, what is its capital?
        We are travelling in {country}. Which city is its capital?
        I go to {country} tomorrow, which city is the capital?
        Do you maybe know the capital of {country}?
        Do you by chance know {country}'s capital?
        Which city acts as the capital of {country}?
        which place serves {country} as capital?
        give {country}'s capital
        tell me {country}'s capital
        the capital city of {country}
        country: {country}, capital city?
        """
    ),
    held_out=lines(
        """
        What city is {country}'s capital?
        Do you happen to know the capital of {country}?
        Which city serves as the capital of {country}?
        What's the name of the capital city of {country}?
        give me {country}'s capital
        the capital city of {country} is?
        Tell me what the capital of {country} is.
        I would like the capital of {country}
        name the capital city of {country}
        Could you name {country}'s capital city?
        what is the capital for {country}?
        remind me what the capital of {country} is
        country: {country}. capital?
        I am travelling to {country}, which city is its capital?
        What capital does {country} have?
        """
    ),
)

# The other direction, and questions that only make sense right after a capital was asked for.
COUNTRY_OF = Phrasings(
    train=lines(
        """
        {capital} is the capital of which country?
        Which country has {capital} as its capital?
        What country is {capital} the capital of?
        {capital} is the capital of
        which country's capital is {capital}?
        Of which country is {capital} the capital?
        {capital} is the capital of what country?
        {capital} is which country's capital?
        {capital}, the capital of which country?
        what country's capital is {capital}?
        which country does {capital} belong to as its capital?
        Which country is {capital} the capital of?
        name the country whose capital is {capital}
        what is the country with the capital {capital}?
        whose capital is {capital}?
        in which country is {capital} the capital city?
        tell me which country has {capital} as capital
        which country is it whose capital is {capital}?
        {capital} is the capital city of what country?
        what country has the capital {capital}?
        {capital} is a capital city. Of which country?
        """
    ),
    held_out=("What country has {capital} as its capital?", "{capital} is the capital city of which country?"),
)
FOLLOW_UP = Phrasings(
    train=lines(
        """
        And {country}?
        What about {country}?
        and of {country}?
        {country}?
        And for {country}?
        and the one of {country}?
        """
    ),
    held_out=("And what about {country}?", "now {country}?"),
)
