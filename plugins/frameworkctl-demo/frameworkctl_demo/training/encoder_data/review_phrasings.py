"""Ways to praise, to complain and to say neither: those trained on beside `sentiment_words`, and those kept out."""

from __future__ import annotations

from frameworkctl_demo.training.words.split import Phrasings, bars, words

# Slots as in `sentiment_words`, and {very}. Not one of these is said in `sentiment_words`.
POSITIVE = Phrasings(
    bars(
        """I have never had a {good} {thing} like this | The {thing} turned out {good} | We found the {thing}
        {very} {good} | To my surprise the {thing} was {good} | I could not have asked for a more {good}
        {thing} | Thanks to the {good} {thing} we had a {good2} time | My friends {lov} the {thing} as well |
        The {thing} was anything but {bad} | There was nothing {bad} about the {thing} | I did not find the
        {thing} {bad} | The {thing} is {good} and the price is fair | I bought the {thing} last week and I
        {lov} it | First I thought it would be {bad}, but the {thing} was {good} | Even my mother {lov} the
        {thing} | You have to see this {thing}, it is {very} {good} | The {thing} deserves five stars | I am
        glad that I chose this {thing} | {good} and {good2}, what more do you want | Nobody could call this
        {thing} {bad} | The {thing} was never {bad} | A {very} {good} {thing} with a {good2} {thing2} | I
        would choose this {thing} again at once | Whoever made this {thing} did a {good} job | The {thing} has
        become my favorite | The {thing} saved my day | Both the {thing} and the {thing2} were {good} | The
        {thing} runs without any problems | The {thing} feels {very} {good} | Wow, what a {thing} | The
        {thing} was worth the wait | I smile whenever I see my {thing} | It never gets {bad} | {good} in every
        way | {good}, simply {good} | {good} throughout | {good}, and {good2} as well | Just {good} | We were
        surprised, such a {good} {thing} is rare | I had not hoped for a {good} {thing}, but got one | Nothing
        could be more {good} than the {thing} | You will not find a better {thing} anywhere | No other {thing}
        is better | The {thing} gets better and better | The {thing} is far from {bad} | The {thing} was not
        {bad}, quite {good} in fact | It would be wrong to call the {thing} {bad} | The {thing} beats every
        other {thing} | Without doubt a {good} {thing} | The {thing} did everything right | I have no
        complaints about the {thing}"""
    ),
    bars(
        """I must say that the {thing} was {very} {good} | If you want a {good} {thing}, take this one | My
        sister {lov} this {thing}, and so do I | The {thing} did not turn out {bad}, it was {good} | We were
        happy to find the {thing} so {good} | Hardly anything could be more {good} than this {thing} | Their
        {thing} is {good}, their {thing2} even better | After a week I can say that the {thing} is {good} |
        All in all a {very} {good} {thing} | The {thing} won me over, {good} and {good2} | I did not expect
        such a {good} {thing} | I keep telling my friends how {good} the {thing} is | The {thing} could hardly
        be any better | The {thing} is not {bad}, on the contrary | No problems with the {thing}, it is {good}
        | {good} from start to end | There is no better {thing} in town | My compliments for the {good}
        {thing} | The {thing} made a {good} impression on all of us | Our guests praised the {thing} | I would
        give the {thing} ten points | What we got was a {good} {thing} | The {thing} is as {good} as they say
        | Both of us {lov} the {thing} | We left with a smile, the {thing} was {good} | The {thing} is {good},
        and I do not say that often"""
    ),
)
NEGATIVE = Phrasings(
    bars(
        """I have never had a {bad} {thing} like this | The {thing} turned out {bad} | We found the {thing}
        {very} {bad} | To my surprise the {thing} was {bad} | I expected more of the {thing} | I could not
        have got a more {bad} {thing} | Because of the {bad} {thing} we had a {bad2} time | My friends {hat}
        the {thing} as well | The {thing} was anything but {good} | There was nothing {good} about the {thing}
        | I did not find the {thing} {good} | The {thing} is {bad} and the price is too high | I bought the
        {thing} last week and I {hat} it | First I thought it would be {good}, but the {thing} was {bad} |
        Even my mother {hat} the {thing} | Do not go near this {thing}, it is {very} {bad} | The {thing}
        deserves no star | I am sorry that I chose this {thing} | {bad} and {bad2}, who needs that | Nobody
        could call this {thing} {good} | The {thing} was never {good} | A {very} {bad} {thing} with a {bad2}
        {thing2} | I would never choose this {thing} again | Whoever made this {thing} did a {bad} job | The
        {thing} has become a problem | The {thing} spoiled my day | Both the {thing} and the {thing2} were
        {bad} | The {thing} has nothing but problems | The {thing} feels {very} {bad} | Oh no, what a {thing}
        | The {thing} was not worth the wait | I am angry whenever I see my {thing} | It never gets {good} |
        The {thing} was not {very} {good} | {bad} in every way | {bad}, simply {bad} | {bad} throughout |
        {bad}, and {bad2} as well | Just {bad} | We were surprised, such a {bad} {thing} is rare | I had hoped
        for a {good} {thing}, but got none | Nothing could be more {bad} than the {thing} | You will not find
        a worse {thing} anywhere | No other {thing} is worse | The {thing} gets worse and worse | The {thing}
        is far from {good} | The {thing} was not {good}, quite {bad} in fact | It would be wrong to call the
        {thing} {good} | Every other {thing} beats this one | Without doubt a {bad} {thing} | The {thing} did
        everything wrong | I have many complaints about the {thing}"""
    ),
    bars(
        """I must say that the {thing} was {very} {bad} | If you want a {good} {thing}, do not take this one | My
        sister {hat} this {thing}, and so do I | The {thing} did not turn out {good}, it was {bad} | We were
        sorry to find the {thing} so {bad} | Hardly anything could be more {bad} than this {thing} | Their
        {thing} is {bad}, their {thing2} even worse | After a week I can say that the {thing} is {bad} | All
        in all a {very} {bad} {thing} | The {thing} let me down, {bad} and {bad2} | I did not expect such a
        {bad} {thing} | I keep telling my friends how {bad} the {thing} is | The {thing} could hardly be any
        worse | The {thing} is not {good}, on the contrary | Only problems with the {thing}, it is {bad} |
        {bad} from start to end | There is no worse {thing} in town | My complaint is about the {bad} {thing}
        | The {thing} made a {bad} impression on all of us | Our guests complained about the {thing} | I would
        give the {thing} zero points | What we got was a {bad} {thing} | The {thing} is as {bad} as they say |
        Both of us {hat} the {thing} | We left early, the {thing} was {bad} | The {thing} is {bad}, and I do
        not say that often"""
    ),
)
NEUTRAL = Phrasings(
    bars(
        """The {thing} costs ten dollars | Where is the {thing}? | What time does the {thing} start? | Is there a
        {thing}? | I will bring the {thing} tomorrow | Please send me the {thing} | The {thing} is made of
        wood | Can you call me back? | My brother has a {thing} too | The {thing} comes with a {thing2} | We
        moved the {thing} to another room | The {thing} is open from nine to five | She asked about the
        {thing} | He paid for the {thing} with a card | The {thing} was on Monday | I need a {thing} | Which
        {thing} do you mean? | There are two kinds of {thing} | The {thing} stands between the {thing2} and
        the wall | The {thing} has the usual size | They changed the {thing} in May | I have not seen the
        {thing} yet | I do not know the {thing} | Tomorrow we look at the {thing} | The {thing} is new | It
        was a {thing} like any other | The {thing} is fine | I have no opinion about the {thing} | The {thing}
        was as expected | Some like the {thing}, others do not | It is raining | I live in a small town | The
        number is 42 | See you on Friday | The {thing} and the {thing2} arrived today | I am writing about the
        {thing} | My order has a {thing} and a {thing2} | The {thing} is one meter long | I am from Spain |
        This page is about the {thing} | Put the {thing} on the table"""
    ),
    bars(
        """How long is the {thing}? | The {thing} was moved to Thursday | Do you still have the {thing}? | I am
        waiting for the {thing} | The {thing} can be seen in room four | A {thing} and a {thing2} are in the
        bag | The {thing} is like every other {thing} | I will look at the {thing} next week | We have the
        {thing} in green | They asked me to bring a {thing} | The {thing} belongs to my uncle | The {thing}
        takes half an hour | On the left you see the {thing} | The {thing} begins after the break | I put the
        {thing} under the {thing2} | She lives near the {thing} | Our {thing} has the number seven | The
        {thing} was neither cheap nor expensive"""
    ),
)
VERY = words("really very so truly extremely quite incredibly rather absolutely totally pretty")
# Opinions whose words are not in training at all.
UNSEEN_GOOD = words("splendid fabulous magical phenomenal stellar adorable refreshing generous")
UNSEEN_BAD = words("horrid abysmal gross shameful lousy soggy tedious inedible")
UNSEEN_THINGS = bars(
    """camera | soup | hotel | teacher | song | delivery | museum | jacket | website | pizza | concert |
        garden | lamp | flight"""
)
EMPHASIS = bars(
    """Honestly, | Well, | To be honest, | In my opinion | For me | As far as I can tell | I think | I would
        say | So, | Last week we went there and | My review: | Yesterday | Once again |"""
)
