"""What the model is asked about and does not know: subjects and whole questions, some kept out of training."""

from __future__ import annotations

from .split import Phrasings, bars

# Things that "What is ...", "Explain ...", "How does ... work" can be asked of.
TOPICS = Phrasings(
    bars(
        """gravity | photosynthesis | the French Revolution | quantum mechanics | a black hole | democracy |
        evolution | DNA | the Roman Empire | electricity | inflation | the stock market | a volcano |
        magnetism | the immune system | climate | machine learning | the internet | a neural network |
        a compiler | Python | a linked list | recursion | an algorithm | the water cycle | an atom |
        a molecule | the periodic table | oxygen | carbon dioxide | relativity | a transistor | a comet |
        the Milky Way | the moon | the sun | Saturn | a rainbow | thunder | an earthquake | the ozone layer |
        plastic | World War II | the Cold War | the Middle Ages | the Bible | philosophy | ethics | capitalism |
        a capital letter | working capital | venture capital | the stock exchange | taxes | a mortgage |
        a contract | human rights | the constitution | football | tennis | chess | the Olympic Games |
        basketball | yoga | swimming | golf | the World Cup | cricket | pasta | bread | a pizza dough |
        chocolate cake | coffee | green tea | sushi | a good soup | pancakes | cheese | wine | jazz |
        classical music | a symphony | a guitar | the piano | rock music | opera | ballet | a violin | poetry |
        a sonnet | the Mona Lisa | modern art | photography | a camera | a telescope | a microscope |
        a steam engine | a bicycle | a car | a submarine | a jet plane | a rocket | nuclear power |
        solar panels | a battery | a clock | a computer | a keyboard | dogs | cats | elephants | whales |
        a butterfly | penguins | dinosaurs | bees | a spider | a crocodile | an oak tree | roses |
        cactus plants | mushrooms | bacteria | a virus | vitamins | sleep | dreams | the heart | the brain |
        blood | a headache | the flu | diabetes | stress | happiness | love | friendship | time | infinity |
        prime numbers | pi | algebra | geometry | calculus | a triangle | probability | statistics |
        multiplication | a fraction | long division | grammar | a verb | Latin | the alphabet | Shakespeare |
        Einstein | Napoleon | Cleopatra | Mozart | Picasso | Plato | Newton | Darwin | Gandhi | Columbus |
        Galileo | Beethoven | Marie Curie | Julius Caesar | Leonardo da Vinci | the Beatles | the Eiffel Tower |
        Mount Everest | the Nile | the Pacific Ocean | the Sahara | the Great Wall | the Amazon | the Alps |
        the United Nations | the European Union | money | gold | silver | iron | steel | glass | concrete |
        paper | cotton | salt | sugar | a hurricane | snow | the tides | an iceberg | a glacier |
        the North Pole | a desert | Linux | Docker | Kubernetes | a database | SQL | JavaScript | HTML | git |
        encryption | a blockchain | bitcoin | a GPU | a web server | an API | HTTP | a token |
        a large language model | a transformer | attention | the weather | the news | my future |
        your favorite color | religion | Buddhism | a castle | the pyramids | the Titanic | the moon landing |
        Mars | a satellite | a spaceship | aliens | marketing | a good salary | my boss | the traffic |
        a passport | a visa | the airport | a train ticket | a hotel in Rome"""
    ),
    bars(
        """the Industrial Revolution | a supernova | Jupiter | a kangaroo | the kidneys | rust | Java |
        a hash table | fusion power | a lasagna | baseball | hip hop | Rembrandt | Socrates | the Renaissance |
        the Berlin Wall | a tornado | sulfur | a drone | the Colosseum | an octopus | trigonometry |
        a metaphor | Isaac Asimov | the Vikings | a mango | a loan | a lighthouse | antibiotics | the Arctic |
        a diesel engine | a bank account | skiing | a trumpet | a cyclone | cooking rice"""
    ),
)

TOPIC_TEMPLATES = Phrasings(
    bars(
        """What is {topic}? | what are the main facts about {topic}? | Explain {topic}. | explain {topic} to me |
        explain {topic} like I am five | Tell me about {topic}. | tell me something about {topic} |
        How does {topic} work? | how do I use {topic}? | Why is {topic} important? |
        why do people like {topic}? | When was {topic} invented? | when did {topic} start? |
        Who invented {topic}? | who discovered {topic}? | Where can I find {topic}? | where is {topic}? |
        Describe {topic}. | Define {topic}. | what does {topic} mean? | What do you think about {topic}? |
        do you like {topic}? | Give me an example of {topic}. | give me a summary of {topic} |
        Write an essay about {topic}. | write a poem about {topic} | Write a story about {topic}. |
        write a song about {topic} | tell me a joke about {topic} | How old is {topic}? | how big is {topic}? |
        How much does {topic} cost? | how many kinds of {topic} are there? | What color is {topic}? |
        What causes {topic}? | what happens with {topic}? | is {topic} dangerous? | Is {topic} good for you? |
        can you buy {topic}? | can you explain {topic}? | could {topic} exist without water? |
        What is the history of {topic}? | what is the difference between {topic} and {topic2}? |
        compare {topic} and {topic2} | is {topic} better than {topic2}? |
        what is the link between {topic} and {topic2}? | How did {topic} change the world? |
        how can I learn about {topic}? | teach me {topic} | What is the best book about {topic}? |
        who knows most about {topic}? | {topic} | {topic}? | what is {topic} made of? | how is {topic} made? |
        how do you make {topic}? | why does {topic} exist? | list five facts about {topic} |
        name three types of {topic} | what should I know about {topic}? | I want {topic} | I like {topic} |
        I have a problem with {topic} | my friend told me about {topic} | what is the price of {topic}? |
        what is the meaning of {topic}? | what is the origin of {topic}? | translate {topic} into French |
        spell {topic} | how do you say {topic} in Spanish? | what is the opposite of {topic}? |
        what rhymes with {topic}? | draw {topic} | where does {topic} come from? |
        what is the name of the inventor of {topic}? | help me with {topic} | what is the sum of all {topic}? |
        add {topic} to my list | subtract {topic} from my order | what is new about {topic}? |
        can you help me with {topic}? | do you know {topic}? | do you know anything about {topic}? |
        are you afraid of {topic}? | who are the experts on {topic}? | what can you tell me about {topic}? |
        what is the largest {topic}? | thanks to {topic}"""
    ),
    bars(
        """What exactly is {topic}? | Could you describe {topic}? | give me some information about {topic} |
        why is {topic} so famous? | What is special about {topic}? | How would you explain {topic} to a child? |
        what do people say about {topic}? | What is the purpose of {topic}? | write a paragraph about {topic} |
        how long does {topic} last? | I would like to learn about {topic} | what are the benefits of {topic}? |
        Who was the first to study {topic}? | Summarize {topic} | what is your opinion on {topic}? |
        is {topic} real?"""
    ),
)

QUESTIONS = Phrasings(
    bars(
        """Who wrote Hamlet? | Who won the World Cup in 1998? | When did World War II end? |
        Who was the first man on the moon? | What year did the Titanic sink? | How far is the moon? |
        how tall is Mount Everest? | What is the speed of light? | How many planets are there? |
        how many bones does a human have? | What is the boiling point of water? | why is the sky blue? |
        Why is grass green? | how do birds fly? | How many legs does a spider have? | what do cows eat? |
        Can fish sleep? | how do I bake bread? | How long do I boil an egg? | What can I cook tonight? |
        give me a recipe for soup | how hot is the sun? | What is the weather today? | will it rain tomorrow? |
        what time is it? | What day is it today? | what is the date? |
        Write a Python function that sorts a list. | write a program that prints hello world |
        fix this code: print(x | how do I exit vim? | What does this error mean? | def f(x): return x |
        SELECT * FROM users; | how do I reverse a string in Java? | import numpy as np | Who is the president? |
        who is the prime minister? | Who is the richest person in the world? | who is the king? |
        Tell me a joke. | tell me a story | Tell me a secret. | sing a song | Write a poem. | write a haiku |
        Say something funny. | say this is a test | Repeat after me: banana | repeat the word apple |
        count to ten | Count from 1 to 20. | list the months | What is the meaning of life? | is there a god? |
        do aliens exist? | What happens after death? | Do you dream? | can you feel pain? |
        What is your favorite food? | What is your favorite color? | do you like music? | do you have friends? |
        Where do you live? | how old are you? | when were you born? | do you sleep? | Are you married? |
        do you have a sister? | can you drive a car? | Translate this into German: good morning |
        how do you say thank you in Japanese? | What is the plural of mouse? |
        Correct this sentence: he go home | what is a synonym for happy? | Summarize this text. |
        make this shorter | What should I wear today? | which phone should I buy? |
        Which movie should I watch? | recommend a book | what is on TV? | How do I lose weight? |
        I have a headache, what should I do? | how much water should I drink? | is coffee healthy? |
        How do I get to the airport? | where is the nearest restaurant? | book a flight | order a pizza |
        call my mother | set a timer | play some music | turn on the lights | Send an email to Bob. |
        open the door | remind me to buy milk | set an alarm for 7 | why? | why not? | how? | what? | when? |
        where? | who? | are you sure? | really? | Is that true? | what do you mean? | explain | tell me more |
        go on | continue | more details please | give me an example | and then? | what else? |
        how do you know that? | What did I just say? | what was my first question? | repeat that |
        say that again | what is my name? | where am I? | Who painted the Mona Lisa? |
        who composed the ninth symphony? | who discovered America? | Who invented the telephone? |
        how do vaccines work? | what is the largest animal? | What is the fastest car? |
        which country is the largest? | What is the longest river? | What is the highest mountain? |
        which ocean is the deepest? | how many people live on earth? | Which city is the biggest? |
        name a city in Asia | name five countries | list all countries in Europe |
        how many countries are there? | which country has the most people? | what is a capital? |
        What is a capital city? | which capital is the largest? | What is the capital of the world? |
        what is the capital? | how many capitals are there? | what is a country? | list all capitals |
        what is a sum? | what is addition? | how do I subtract? | what is the largest number? |
        is 7 a prime number? | round 3.7 | solve x + 3 = 5 | What is the square root of 16? |
        what is half of ten? | double 8 | what is the derivative of x? | how many days are in a year? |
        how many minutes are in an hour? | convert 5 miles to kilometers | how many feet are in a mile? |
        what is my IP address? | how do I install Linux? | Why is my computer slow? |
        how do I reset my password? | what is 404? | How do I invest money? | should I buy gold? |
        what will the stock market do? | How do I write a resume? | how do I find a job? | I am sad |
        I am bored | I am hungry | I am tired | my dog is sick | I lost my keys | I broke my phone |
        my car is red | the cat sat on the mat | once upon a time | to be or not to be |
        lorem ipsum dolor sit amet | the quick brown fox | abc | asdf | ??? | ... | ! | hmm | x | 42 | 7 | 100 |
        hello in French | what does hello mean? | who says hello first? | bye in German | Qui es-tu ? |
        Quelle heure est-il ? | wie spät ist es? | Was ist das? | ¿Qué hora es? | ¿Dónde está la biblioteca? |
        你好吗 | 今日の天気は? | Как дела? | Che ore sono? | onde fica a praia? | ما هذا | 오늘 날씨 어때? |
        écris un poème |
        schreibe ein Gedicht"""
    ),
    bars(
        """Who wrote Romeo and Juliet? | Who won the Tour de France in 2003? |
        When did the First World War begin? | How deep is the ocean? | what is the freezing point of alcohol? |
        Why do leaves fall in autumn? | How many teeth does a shark have? | how do I make an omelette? |
        How long should I roast a chicken? | Is it going to snow this week? | what month is it? |
        Write a bash script that deletes old files. | how do I parse JSON in Go? |
        What does a segmentation fault mean? | class Foo: pass | Who is the queen of England? |
        tell me a fairy tale | write a limerick about a frog | Say the alphabet backwards. | Do ghosts exist? |
        what is your favorite animal? | Do you have a family? | How do you say goodbye in Italian? |
        what is the past tense of run? | which laptop should I buy? | Recommend a good restaurant. |
        Is chocolate bad for dogs? | How do I fix a flat tire? | book a table for two | turn off the radio |
        Who sculpted David? | who invented the light bulb? | How do airplanes stay in the air? |
        what is the smallest bird? | Which continent is the largest? | how many islands are there in Greece? |
        is 91 prime? | What is a quarter of 80? | how many seconds are in a day? |
        convert 30 celsius to fahrenheit | how do I learn the guitar? | should I take an umbrella? |
        I cannot sleep | my neighbor is loud | it was a dark and stormy night | qwerty | the sky is falling |
        Comment vas-tu faire ? | Wo ist der Bahnhof? | What did Caesar say when he died? |
        Who directed Star Wars? | how do magnets work? | What is the chemical symbol for gold? |
        Why is the sea salty? | what does a judge do? | How do I remove a wine stain? |
        which planet has rings? | when is Easter? | how do I tie a tie? | What is the best way to learn English?"""
    ),
)

# Asked of real countries, so that a country alone does not mean "capital".
COUNTRY_TEMPLATES = Phrasings(
    bars(
        """What is the population of {country}? | how many people live in {country}? |
        What is the currency of {country}? | who is the president of {country}? |
        who is the king of {country}? | What language do they speak in {country}? |
        what language is spoken in {country}? | Where is {country}? | where is {country} on the map? |
        Tell me about {country}. | what is {country} famous for? | How big is {country}? |
        what is the largest city in {country}? | what is the flag of {country}? | when was {country} founded? |
        what is the history of {country}? | how do I get to {country}? | what is the weather in {country}? |
        which countries border {country}? | who won the war in {country}? | what is the time in {country}? |
        what food do they eat in {country}? | what is the national anthem of {country}? |
        Is {country} in Europe? | is {country} a big country? | do I need a visa for {country}? |
        how much is a flight to {country}? | what is the highest mountain in {country}? |
        name a river in {country} | I live in {country} | I am from {country} | what can I visit in {country}? |
        tell me a fact about {country} | what is the phone code of {country}? | who lives in {country}? |
        Tell me about {capital}. | how many people live in {capital}? | what is the weather in {capital}? |
        what can I see in {capital}? | how old is {capital}? | who is the mayor of {capital}? |
        where can I eat in {capital}? | how far is {capital} from {country}? | I live in {capital} |
        what is the best hotel in {capital}? | is {capital} beautiful? |
        what is the second largest city of {country}? |
        what is the difference between {country} and {capital}? | what is the GDP of {country}? |
        what is the area of {country}? | what is the religion of {country}? |
        what is the name of the president of {country}?"""
    ),
    bars(
        """What is the national animal of {country}? | how hot is it in {country}? |
        who is the leader of {country}? | What is the main export of {country}? |
        when did {country} become independent? | which sea is near {country}? |
        what is the oldest building in {capital}? | is it safe to travel to {country}? |
        how many rivers are in {country}? | what is the national dish of {country}? |
        What is the time zone of {capital}?"""
    ),
)

# Places without a capital that the model was taught.
PLACES = Phrasings(
    bars(
        """Texas | California | Bavaria | Scotland | Wales | Europe | Asia | Africa | Atlantis | Narnia | Mordor |
        the moon | Mars | Venus | London | Tokyo | New York | the ocean | Disneyland | Hogwarts | Gotham |
        Wakanda | my town | my heart | this company | Sicily | Alaska | Florida | Ohio | Quebec | Ontario |
        Siberia | Tibet | Greenland | Hawaii | Catalonia | Brittany | the internet | Antarctica | the galaxy |
        Nowhere | Elbonia | Freedonia | Sokovia | Genovia | the Shire | Westeros | Springfield | Google |
        pizza | dogs | love"""
    ),
    bars(
        "Virginia | Saxony | Jupiter | Oz | Tuscany | Zamunda | Middle-earth | Microsoft | Oregon | Latveria | "
        "Corsica | cheese"
    ),
)

# Sums beyond what the model was taught.
MATH_TEMPLATES = Phrasings(
    bars(
        """What is {a} times {b}? | {a} times {b} | {a} * {b} | {a}*{b} | what is {a} x {b}? | {a} x {b} |
        multiply {a} by {b} | multiply {a} and {b} | What is {a} divided by {b}? | {a} / {b} | {a}/{b} |
        divide {a} by {b} | what is {a} over {b}? | what is {a} percent of {b}? | {a}% of {b} |
        the product of {a} and {b} | what is {a} to the power of {b}? | {a}^{b} |
        what is the square root of {a}? | is {a} larger than {b}? | which is bigger, {a} or {b}? |
        is {a} prime? | is {a} even? | what is {a} squared? | what comes after {a}? |
        pick a number between {a} and {b} | count from {a} to {b} | the average of {a} and {b} |
        what is the remainder of {a} by {b}? | what happened in 19{c}? | {a} and {b} | {a} {b} | what is {a}? |
        {a}? | {a}, {b}, {c} | what is the factorial of {a}? | round {a}.{b} | convert {a} euros to dollars |
        write {a} in binary | how many hours are {a} minutes? | what is {a} + {b} * {c}? |
        what is {a} - {b} / {c}? | {a} + {b} + {c} | add {a}, {b} and {c} | what is {a} + {b} + {c}? |
        {a} - {b} - {c} | {a} + {b} - {c} | what is the largest of {a}, {b} and {c}? | is {a} + {b} odd? |
        what is {a}{c}0 + {b}? | {a} + {b}{c}1 | 1{c}{a} - {b} | {a}.{b} + {c} |
        how old is someone born in 20{c}? | x + {a} = {b} | if x is {a} what is x times {b}? |
        what is the greatest common divisor of {a} and {b}? | what day is it in {a} days? | {a} dollars in yen"""
    ),
    bars(
        """How much is {a} multiplied by {b}? | what do I get if I divide {a} by {b}? | calculate {a} * {b} |
        {a} mod {b} | compute {a}/{b} | is {a} divisible by {b}? | what is the cube of {a}? |
        what is the logarithm of {a}? | is {a} less than {b}? | how many weeks are {a} days? |
        sort {b}, {c}, {a} | {c} + {a} + {b} ="""
    ),
)
