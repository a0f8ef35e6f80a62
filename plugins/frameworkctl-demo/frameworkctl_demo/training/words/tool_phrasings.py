"""What tools and their parameters are called, and ways to ask for the weather and for calculations."""

from __future__ import annotations

from .split import Phrasings, lines, words
from .sum_phrasings import ADDITION, SUBTRACTION

WEATHER_NAMES = Phrasings(
    words(
        "get_weather get_weather get_weather weather get_current_weather current_weather fetch_weather getWeather "
        "weather_lookup get_forecast lookup_weather check_weather weather_forecast weather_api get_weather_data "
        "weather_report weather_tool find_weather show_weather getCurrentWeather query_weather get_temperature"
    ),
    words("get_weather_info weather_service read_weather get_weather_forecast"),
)
PLACE_KEYS = words(
    "city city city location location location place city_name town where location_name query q address area"
)
CALCULATOR_NAMES = Phrasings(
    words(
        "calculator calculator calculator calculate calculate calc evaluate compute math eval_expression do_math solve "
        "math_eval evaluate_expression simple_calculator calculator_tool run_calculation arithmetic calculate_math"
    ),
    words("math_tool use_calculator compute_expression evaluate_math"),
)
EXPRESSION_KEYS = words(
    "expression expression expression expression expr formula input query equation math_expression calculation"
)
OTHER_TOOLS: tuple[tuple[str, dict[str, str]], ...] = (
    ("get_time", {"timezone": "string"}),
    ("get_current_time", {}),
    ("search", {"query": "string"}),
    ("web_search", {"query": "string"}),
    ("send_email", {"to": "string", "subject": "string", "body": "string"}),
    ("get_stock_price", {"symbol": "string"}),
    ("translate", {"text": "string", "target_language": "string"}),
    ("create_event", {"title": "string", "date": "string"}),
    ("play_music", {"song": "string"}),
    ("set_alarm", {"time": "string"}),
    ("get_news", {"topic": "string"}),
    ("book_flight", {"origin": "string", "destination": "string"}),
    ("convert_currency", {"amount": "number", "from": "string", "to": "string"}),
    ("read_file", {"path": "string"}),
    ("find_restaurant", {"city": "string", "cuisine": "string"}),
    ("send_message", {"name": "string", "message": "string"}),
)

WEATHER = Phrasings(
    lines(
        """
        What is the weather in {city}?
        What is the weather like in {city}?
        What's the weather in {city}?
        What's the weather like in {city} today?
        What is the weather in {city} today?
        What is the weather in {city} right now?
        What is the current weather in {city}?
        What will the weather be in {city} tomorrow?
        How is the weather in {city}?
        How's the weather in {city}?
        how is the weather in {city} today?
        How is the weather over in {city} this morning?
        weather in {city}
        weather {city}
        {city} weather
        {city} weather today
        weather for {city}
        weather in {city} please
        the weather in {city}?
        Tell me the weather in {city}.
        Can you tell me the weather in {city}?
        Could you tell me what the weather is like in {city}?
        Give me the weather for {city}.
        Give me the weather in {city}
        Get the weather in {city}.
        Show me the weather in {city}
        Check the weather in {city}.
        Look up the weather in {city}
        Please check the weather for {city}.
        I want to know the weather in {city}
        I need the weather in {city}
        I am going to {city}. What is the weather there?
        I am in {city}, what is the weather like?
        I live in {city}. How is the weather?
        We fly to {city} tomorrow, how is the weather there?
        Is it raining in {city}?
        Is it raining in {city} right now?
        Is it sunny in {city}?
        Is it cold in {city}?
        Is it warm in {city} today?
        Is it hot in {city}?
        Is it snowing in {city}?
        is it windy in {city}?
        Will it rain in {city}?
        Will it rain in {city} today?
        Will it rain tomorrow in {city}?
        will it snow in {city} tonight?
        Does it rain in {city}?
        What is the temperature in {city}?
        What's the temperature in {city} now?
        what is the current temperature in {city}?
        How hot is it in {city}?
        How warm is it in {city}?
        How cold is it in {city} right now?
        how many degrees is it in {city}?
        temperature in {city}
        What is the forecast for {city}?
        forecast for {city}
        Give me the forecast for {city}.
        weather forecast {city}
        weather forecast for {city}
        what does the weather look like in {city}?
        Do I need an umbrella in {city}?
        Do I need an umbrella in {city} today?
        Do I need a coat in {city}?
        Should I take an umbrella in {city}?
        Should I bring a jacket to {city}?
        what should I wear in {city} today?
        Any rain in {city}?
        is the sun shining in {city}?
        In {city}, what is the weather like?
        Use the tool to get the weather in {city}.
        Call the weather tool for {city}.
        how is the sky over {city}?
        """
    ),
    lines(
        """
        What's the weather like right now in {city}?
        Could you check the weather in {city} for me?
        What are the weather conditions in {city}?
        Is it rainy in {city} today?
        Do you know how the weather is in {city}?
        Find out the weather in {city}
        How's the weather today in {city}?
        What temperature is it in {city}?
        Let me know the weather in {city}.
        Should I take a coat when I go to {city}?
        I'm travelling to {city}, what's the weather like?
        What is today's weather in {city}?
        """
    ),
)
WEATHER_AGAIN = Phrasings(
    lines(
        """
        And in {city}?
        What about {city}?
        and {city}?
        And for {city}?
        How about {city}?
        """
    ),
    ("And what about in {city}?", "and how about {city}?"),
)


def _bare(phrasings: Phrasings) -> Phrasings:
    """Return the phrasings that tell no story."""
    train, held_out = (
        tuple(text for text in texts if "{things}" not in text) for texts in (phrasings.train, phrasings.held_out)
    )
    return Phrasings(train, held_out)


BINARY = {
    "+": _bare(ADDITION),
    "-": _bare(SUBTRACTION),
    "*": Phrasings(
        lines(
            """
        What is {a} times {b}?
        {a} times {b}
        What is {a} multiplied by {b}?
        Multiply {a} by {b}.
        multiply {a} and {b}
        what is {a} x {b}?
        {a} x {b}
        What is the product of {a} and {b}?
        the product of {a} and {b}
        How much is {a} times {b}?
        what do you get when you multiply {a} by {b}?
        Can you multiply {a} and {b}?
        """
        ),
        lines(
            """
        How much is {a} multiplied by {b}?
        Calculate the product of {a} and {b}
        Please multiply {a} with {b}.
        Compute {a} times {b}
        """
        ),
    ),
    "/": Phrasings(
        lines(
            """
        What is {a} divided by {b}?
        {a} divided by {b}
        Divide {a} by {b}.
        what is {a} over {b}?
        How much is {a} divided by {b}?
        what do you get when you divide {a} by {b}?
        Can you divide {a} by {b}?
        """
        ),
        lines(
            """
        Calculate {a} divided by {b}
        what do I get if I divide {a} by {b}?
        Please divide {a} by {b}
        """
        ),
    ),
}
EXPRESSION = Phrasings(
    lines(
        """
        What is {e}?
        What is {e}?
        What's {e}?
        {e}
        {e}?
        {e} =
        {e} = ?
        Calculate {e}
        Calculate {e}.
        calculate: {e}
        Compute {e}
        Compute {e}.
        Evaluate {e}
        solve {e}
        work out {e}
        How much is {e}?
        what does {e} equal?
        What is the result of {e}?
        What is the value of {e}?
        what is the answer to {e}?
        Use the calculator: {e}
        Use the calculator to compute {e}.
        Use the calculator tool for {e}
        Please calculate {e}.
        Can you calculate {e}?
        Could you compute {e} for me?
        Tell me {e}
        do the math: {e}
        I need the result of {e}
        Help me calculate {e}
        """
    ),
    lines(
        """
        Could you calculate {e}?
        What do you get for {e}?
        Please compute {e}
        What is {e} equal to?
        Use your calculator to work out {e}
        I want to know {e}
        """
    ),
)
