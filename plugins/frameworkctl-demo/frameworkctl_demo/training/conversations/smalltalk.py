"""Small talk: each intent, what the model answers to it, and ways to say it, some kept out of training."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from frameworkctl_demo.training.words.split import Phrasings, Split, bars


@dataclass(frozen=True)
class Intent:
    """One thing people say in passing, with the one reply to it."""

    reply: str
    phrasings: Phrasings


@dataclass(frozen=True)
class Remark:
    """Something said in passing, its slots still open, and the reply to it."""

    text: str
    reply: str


def remark(rng: random.Random, split: Split) -> Remark:
    """Draw a remark; those for training are also chained ("Hi! Who are you?") and addressed ("thanks, bot")."""
    intent = rng.choice(INTENTS)
    if split == "held_out":
        return Remark(rng.choice(intent.phrasings.held_out), intent.reply)
    text = _choose(rng.choice(intent.phrasings.train), rng)
    if rng.random() < 0.25:
        first, second = rng.choice(_CHAINS)
        intent = second
        start = _choose(rng.choice(first.phrasings.train), rng).rstrip("?!. ")
        end = _choose(rng.choice(second.phrasings.train), rng)
        keeps_case = end.startswith(("I ", "I'", "{")) or rng.random() < 0.4
        text = start + rng.choice((", ", "! ", ". ", " ", " and ")) + (end if keeps_case else end[:1].lower() + end[1:])
    if rng.random() < 0.12:
        text = text.rstrip("?!. ") + rng.choice((" ", ", ")) + rng.choice(_ADDRESSEES)
    return Remark(text, intent.reply)


def _choose(phrasing: str, rng: random.Random) -> str:
    """Settle each "[this/that]" in a phrasing."""
    return re.sub(r"\[([^]]*)]", lambda match: rng.choice(match.group(1).split("/")), phrasing)


def _intent(reply: str, train: str, held_out: str) -> Intent:
    """Build an intent from phrasings written one after the other, with " | " between them."""
    return Intent(reply, Phrasings(bars(train), bars(held_out)))


HELLO = _intent(
    "Hello! I am the frameworkctl demo model. How can I help?",
    """Hello | Hello! | Hi | Hi! | Hey | hey there | Hi there | Hello there | Hello, world! | hello world |
    Greetings | Good morning | Good afternoon | Good evening | good day | Good morning! | morning! | Howdy |
    hiya | yo | hey you | Hi bot | hello bot | hello computer | Hi friend | hey buddy | hello my friend |
    hello model | Hi assistant | Hello demo | say hello | Say hi! | say hi to me | hello hello | hi hi |
    hey hey | heya | Hello again | hi again | Hey, hello | Hi, hello there | hello? | hi? | anybody there? |
    is anyone there? | are you there? | test | testing | ping | Hello everyone | hi all | good to see you |
    nice to see you | Hello, can you hear me? | sup | hola | oh, hi | well hello | Hello dear model |
    hey robot | Hello mister robot | hi AI | greetings, machine | a good morning to you |
    I just wanted to say hello | I say hello | just saying hi | hello from Berlin | hi from London |
    hey from the office | good evening, bot | good afternoon, friend | Good morning, model | warm greetings |
    hello once more | I am back | hi, I am back | start | begin | let's start | let us begin |
    hey, are you awake? | wake up | knock knock | Hello, is this working? | does this work? |
    is this thing on? |
    [Hi/Hello/Hey/hey/hello/hi] [there/all/folks/team/buddy/pal/model/machine/demo/everybody/you/again/dear
    model/mate] |
    [a very/a/have a/and a] good [morning/afternoon/evening/day] to [you all/everybody/the bot/my friend] |
    good [morning/afternoon/evening/day] [to all/everybody/dear model/there/again/robot/computer/assistant] |
    [hi/hello/hey] from [Madrid/my phone/Italy/the kitchen/New York/my room/the train/me/Tokyo/home] |
    [hi/hello/hey] and good [morning/evening/afternoon] |
    [I only want to/I want to/let me/can I] say [hello/hi/good morning] |
    [hi/hey/hello] [hi/hey/hello] [hi/hey/hello] [there/you/bot] |
    [Hi/Hey/Hello], [anyone there/anybody home/are you listening/are you here]? |
    say [hello/hi/hey] to [us/my friend/the class/everybody/my sister]""",
    """Hello, my dear friend! | Hey, good morning | hi there, bot | Hello, robot | hey hello there |
    Good evening to you | Hi, are you there? | hello hello hello | hey assistant | Greetings, friend |
    hi computer | A good afternoon to you! | just wanted to say hi | say hello to me | Hi everyone | oh hello |
    Hello from Paris""",
)

HOW_ARE_YOU = _intent(
    "I am doing well, thank you! How can I help?",
    """How are you? | how are you doing? | How are you today? | how are you doing today? | How is it going? |
    how's it going today? | How do you do? | How do you feel? | how are you feeling? | how are things? |
    how are things going? | How have you been? | What's up? | what's new? | what is going on? | you ok? |
    are you ok? | Are you okay? | are you well? | are you doing well? | how is life? | how is everything? |
    Hope you are well | I hope you are doing well | how is your day? | How is your day going? |
    how was your day? | are you fine? | Hello, how are you? | Hi, how are you? | hey, how are you doing? |
    Hi there, how is it going? | and how are you? | And you? | I am fine, and you? | I'm good, how are you? |
    I am well, how about you? | Are you having a good day? | how's your morning? | how are you this morning? |
    how are you this evening? | How are you feeling right now? | Good morning, how are you? | everything ok? |
    Is everything all right? | all good? | are you happy? | how goes it? | how are you, bot? |
    how are you, my friend? | hello friend, how are you today? | you good? | how do you feel this morning? |
    are you feeling fine? | how is your week? | hope all is well with you | tell me how you are |
    tell me how you feel | I wonder how you are |
    [How are/how are/so how are] you [doing/feeling/doing now/this week/these days/now/tonight/my friend]? |
    how is your [day/week/evening/morning/life/weekend] [going/so far/today]? |
    [how's/how is] [work/it going/life/everything/the day] [with you/today/there]? |
    [are you/you are] [doing well/feeling good/having fun/well today/good today/doing fine/doing all right]? |
    I am [fine/good/well/great/ok/doing well/very well] [and you/and how are you/what about you/how are you doing]? |
    is everything [fine/good/going well/well/all right] [with you/today/there]? |
    how [have you been/do you feel] [today/lately/these days]?""",
    """Hello there, how are you? | how are you feeling today? | Hey, how's it going? | How are you right now? |
    how is your day so far? | are you doing ok? | Hi, how are things? | Are you feeling well? |
    How is everything going? | how are you doing this morning? | hey bot, how are you? |
    I am fine, how are you? | Is everything ok?""",
)

WHO = _intent(
    "I am the frameworkctl demo model, a tiny language model for trying out the server.",
    """Who are you? | what are you? | What is your name? | what's your name? | your name? | Do you have a name? |
    tell me your name | Tell me who you are | tell me about yourself | Introduce yourself |
    please introduce yourself | who am I talking to? | who am I speaking with? | Which model are you? |
    what model are you? | What model is this? | which model is this? | what kind of model are you? |
    Are you a bot? | are you a robot? | Are you human? | are you a human? | are you a real person? |
    Are you an AI? | are you a machine? | Are you ChatGPT? | are you GPT-4? | Are you Claude? | are you Llama? |
    Who made you? | who created you? | who built you? | who trained you? | Are you a language model? |
    what is this? | How should I call you? | what should I call you? | what do people call you? |
    say your name | Hi, who are you? | Hello, what is your name? | hey, what are you? |
    what kind of AI are you? | what sort of bot are you? | Are you the demo model? | are you frameworkctl? |
    What is frameworkctl? | what is the frameworkctl demo model? | who is this? | describe yourself |
    how big are you? | are you a large model? | are you small? | What are you called? | identify yourself |
    state your name | your identity? | are you a person or a machine? | are you alive? | who are you really? |
    what exactly are you? | may I know your name? | I want to know your name | I want to know who you are |
    with whom am I talking? | what is your model name? | which AI is this? | what language model is this? |
    are you real? |
    [are you/so are you/are you just] a [human/person/computer/program/machine/real human/chat bot/bot/real
    person/robot] [or not/or a robot/or a bot/or a program/or a person]? |
    [what/which] [sort of/type of/kind of] [model/program/machine/assistant/software/AI] are you? |
    [what/which] [AI/bot/assistant/program/software] [is this/are you exactly/am I using]? |
    [can you/could you/would you/may you] [tell me your name/describe yourself/say your name/tell me who you are]? |
    who [wrote/programmed/designed/invented/trained/owns] you? |
    are you [Gemini/Siri/Alexa/Mistral/GPT-5/Qwen/DeepSeek/a llama]? |
    [who/what] are you [exactly/anyway/then/called/supposed to be/really]? |
    [do/can] I [get to know your name/know who you are]? |
    [what/which] model [am I talking to/am I using/do you use/answers here]? |
    [with whom/to whom] [am I talking/am I speaking]?""",
    """what is your name, bot? | Can I know your name? | which AI are you? | What language model are you? |
    Are you a computer or a human? | who are you and what is your name? | hello, who am I talking to? |
    Could you introduce yourself? | are you a real human? | Who developed you? | what kind of bot are you? |
    Hey, who are you? | say who you are | Are you GPT?""",
)

WHAT_CAN = _intent(
    "I can chat a little, add and subtract small numbers, name capitals, turn sentences into JSON, tell positive from "
    "negative, and call a weather or calculator tool.",
    """What can you do? | what do you do? | What can you do for me? | help | Help! | Help me | I need help |
    can you help me? | Can you help? | how can you help me? | What are you able to do? | what are your skills? |
    What are your abilities? | what are your capabilities? | what do you know? | What can I ask you? |
    what can I ask? | what should I ask you? | What questions can you answer? |
    what kind of questions can you answer? | what are you good at? | What are you good for? |
    show me what you can do | tell me what you can do | How do you work? | what is your purpose? |
    why are you here? | what are you made for? | what is your job? | Do you know anything? |
    what topics do you know? | which topics do you know? | list your skills | what tasks can you do? |
    what else can you do? | Is there anything you can do? | can you do anything? | what can I do with you? |
    how do I use you? | how can I use you? | what may I ask you? | I need some help |
    could you help me with something? | can you answer questions? | can I ask you a question? |
    I have a question | What do you know about? | what subjects do you know? | Hi, what can you do? |
    hello, can you help me? | are you able to help me? | can you do math? | can you add numbers? |
    do you know capitals? | can you count? | Can you do sums? | do you know geography? |
    what were you trained for? | what were you trained to do? | give me an idea of what you can do |
    give me a list of your skills | what help do you offer? | usage | options |
    what [sort of/kind of/type of] [things/tasks/questions/help/stuff] [can you do/can you answer/do you offer/do
    you know/can you handle]? |
    what are you [able to do/trained for/useful for/capable of/meant to do/there for]? |
    [can you/could you/would you/will you] help me [out/a bit/today/with this/please]? |
    how [can/could/would/will] you [help/assist/be of help/assist me/support me]? |
    [list/show/describe/name/tell us] your [abilities/skills/capabilities/talents/functions] |
    [tell me/show me/I want to know/explain] what you [can do/know/are able to do/are good at/do] |
    what [is it you/do you actually/can you really/could you/things do you] do? |
    [I could use/I need/I want/I would like] [some/your/a bit of] help |
    which [things/topics/tasks/subjects] can [I ask/you do/you handle/you answer]?""",
    """What things can you do? | tell me your skills | Can you help me, please? | what can I ask you about? |
    Hello, what can you do? | what kinds of things do you know? | which questions can you answer? |
    I would like to know what you can do | what are you capable of doing? | how could you help me? |
    Show me your skills | what is it that you do? | I need your help""",
)

THANKS = _intent(
    "You are welcome!",
    """Thanks | Thank you | thanks! | Thank you! | thank you very much | Thanks a lot | many thanks | thx | ty |
    cheers | thanks so much | Thank you so much | thanks for your help | Thank you for your help |
    thanks for the help | thanks for that | thank you for that | Thanks for the answer |
    thank you for your answer | much appreciated | I appreciate it | I appreciate your help | that was helpful |
    that helps | that helped a lot | very helpful | You are very helpful | that is helpful, thank you |
    Great, thanks | ok thanks | okay, thank you | cool, thanks | perfect, thank you | Nice, thanks! |
    good, thank you | thanks, bot | thank you, model | thanks again | thank you again | thanks a million |
    thank you kindly | I thank you | thanks, that is all I needed | I am grateful | so kind of you |
    that is very kind | a thousand thanks | awesome, thanks a lot | yes, thank you | no, thanks | no thank you |
    thanks man |
    [thanks/thank you/many thanks/thx/thanks a lot] for [that/the help/your time/your
    answers/answering/this/everything/the reply/the info] |
    [thank you/thanks] [very much/so much/a lot/a bunch/again/kindly/indeed] |
    [that/this/it] [was/is] [so helpful/useful/very useful/really helpful/of great help/a big help] |
    I [really appreciate it/appreciate that/am thankful/thank you a lot/am very grateful] |
    [many/a thousand/so many/big] thanks | [wow/super/perfect/lovely/right], [thanks/thank you]""",
    """Thanks for helping | okay thanks | Thank you, bot | great, thank you! | thanks a lot for your help |
    thank you for the answer | many many thanks | That was very helpful | thanks, I appreciate it |
    Thanks, model | cool, thank you very much | thank you for helping me""",
)

BYE = _intent(
    "Goodbye! Have a nice day.",
    """Bye | Goodbye | bye bye | Bye! | Goodbye! | good bye | See you | see you later | See you soon | see ya |
    see you tomorrow | talk to you later | Good night | good night! | farewell | take care | cya | later! |
    I have to go | I have to go now | I must go | I need to leave | I am leaving | I am leaving now | gotta go |
    I'm off | Have a nice day | have a good day | Have a nice evening | have a great day | have a good night |
    thanks, bye | Thank you, goodbye | ok bye | okay, goodbye | that is all, bye | bye for now |
    until next time | until tomorrow | so long | catch you later | bye bot | goodbye my friend | exit | quit |
    stop | end | I am done | we are done | that is all for today | see you next week | sleep well |
    I am going home | time to go | I will go now | bye, model | good bye and thanks | enjoy your day |
    have a good weekend | see you again soon |
    I [have to/must/need to/should/got to/will] [go/run/leave/be going/go home/stop/sleep] [now/soon/then/today] |
    [goodbye/bye/good night/farewell/bye bye] [friend/robot/model/everyone/all/dear bot/assistant/my
    friend/then/and take care] |
    have a [nice/good/great/lovely/pleasant] [day/night/week/weekend/time/afternoon/trip] |
    see you [around/tonight/next time/on Friday/later/then/in a week/next month] |
    [until/till] [later/then/next week/Monday/tomorrow] |
    [time to/I want to/let me] [leave/say goodbye/say bye/end here/sleep] |
    [talk/speak] [later/soon/tomorrow/to you soon]""",
    """ok, goodbye | Bye, see you later | goodbye for now | Bye bye, bot | I have to leave now |
    thanks and goodbye | Have a good evening | see you later, friend | good night, bot | Well, bye |
    I need to go now | see you on Monday""",
)

PRAISE = _intent(
    "Great! Ask me a sum or a capital.",
    """ok | okay | OK! | cool | nice | great | Great! | good | wow | awesome | perfect | excellent | amazing |
    very good | well done | good job | nice work | great job | good work | that is great | that is right |
    that is correct | correct | right | you are right | I see | got it | understood | fine | alright |
    all right | sure | yes | yeah | yep | good answer | great answer | nice answer | good bot | you are smart |
    you are great | you are clever | I like you | I love you | that's good | that's cool | that is nice |
    sounds good | not bad | impressive | very nice | wonderful | fantastic | lol | haha | ha ha ha |
    interesting | how interesting | makes sense | ok cool | oh nice | super | good one | I am impressed |
    that was good | that was right | that was quick | you are fast | you are funny | you are nice | bravo |
    brilliant | ok great | okay, I see | yes, that is right | very well | I agree |
    [you are/you're/you are so/you are really] [good/cute/wonderful/the best/awesome/brilliant/right/fantastic/a
    genius/cool/great/correct] |
    [that is/that's/this is/it is/that was]
    [awesome/perfect/wonderful/excellent/true/fine/amazing/super/brilliant/fantastic/very good] |
    [good/great/nice/amazing/perfect/super/excellent/fantastic] [work/job/answer/stuff/one/reply/response/effort] |
    [oh/ah/ooh] [wow/nice/ok/I see/great/good/yes] |
    [ok/okay/yes/right/alright/yeah] [good/cool/fine/nice/great/I understand/I got it/that is
    it/perfect/understood/makes sense]""",
    """ok, nice | that is awesome | Great work! | very good answer | oh wow | okay, cool | ok, got it |
    yes, correct | That's quite right! | you are amazing | good job, bot | nice one""",
)

MEET = _intent(
    "Nice to meet you! I am the frameworkctl demo model.",
    """Nice to meet you | nice to meet you! | pleased to meet you | good to meet you | glad to meet you |
    It is nice to meet you | My name is {name} | My name is {name}. | I am {name} | Hi, I am {name} |
    Hello, my name is {name} | hi, my name is {name} | hello, I am {name} | Hello! I am {name}. |
    I'm {name}, nice to meet you | call me {name} | you can call me {name} | {name} is my name |
    hey, {name} here | this is {name} | people call me {name} | a pleasure to meet you | happy to meet you |
    lovely to meet you | my friends call me {name} | hi there, I am {name} |
    [hi/hello/hey/hello there/hey there/good morning], [my name is/I am/this is/call me] {name} |
    [so/I am so/very/it is] [nice/good/glad/happy/pleased/great] to meet you |
    [I am/my name is/I'm] {name}, [pleased to meet you/good to meet you/glad to meet you/hello/how nice to meet
    you] | [my name's/the name is/I am called/they call me] {name} |
    [hi/hello/hey], [nice/good/glad/lovely] to [meet/know] you""",
    """Hello, it is nice to meet you | hey, my name is {name} | Hi there, my name is {name} |
    I am happy to meet you | hey, I am {name} | my name is {name}, nice to meet you""",
)

INTENTS: tuple[Intent, ...] = (HELLO, HOW_ARE_YOU, WHO, WHAT_CAN, THANKS, BYE, PRAISE, MEET)

# What is said first and what the reply then answers.
_CHAINS = (
    (HELLO, HELLO),
    (HELLO, HOW_ARE_YOU),
    (HELLO, WHO),
    (HELLO, WHAT_CAN),
    (HELLO, MEET),
    (MEET, WHO),
    (MEET, HOW_ARE_YOU),
    (PRAISE, PRAISE),
    (PRAISE, THANKS),
    (THANKS, THANKS),
    (THANKS, BYE),
    (PRAISE, BYE),
    (BYE, BYE),
)
_ADDRESSEES = bars(
    "bot | robot | friend | my friend | model | computer | assistant | buddy | dear | please | machine | AI"
)
