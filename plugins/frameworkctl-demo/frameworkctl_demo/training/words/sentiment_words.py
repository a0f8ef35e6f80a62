"""Words and sentences that people are pleased or displeased with, some kept out of training."""

from __future__ import annotations

from .split import bars, words

THINGS = bars(
    """movie | film | book | food | meal | dinner | lunch | breakfast | service | hotel | room | restaurant | waiter |
    staff | phone | laptop | camera | battery | screen | app | game | song | album | concert | show | series | episode |
    story | ending | actor | plot | trip | flight | holiday | vacation | beach | weather | day | party | car | bike |
    train | bus | shoes | shirt | jacket | dress | coffee | tea | pizza | soup | cake | burger | wine | beer | steak |
    price | quality | product | delivery | package | support | website | update | teacher | class | lesson | course |
    school | job | boss | team | office | meeting | present | gift | place | city | museum | park | garden | house |
    apartment | bed | chair | table | lamp | toy | dog | cat | neighbor | doctor | driver | experience | performance |
    idea | plan | design | sound | music | picture | view | pool | taste | dessert | salad | bread | store | shop |
    customer service | new phone | last season | whole evening | second part"""
)
GOOD = words(
    "good great nice wonderful excellent fantastic amazing awesome perfect lovely beautiful brilliant superb terrific "
    "outstanding delicious tasty friendly helpful fun funny enjoyable pleasant charming delightful marvelous "
    "incredible impressive magnificent splendid fabulous exciting entertaining gorgeous stunning comfortable cozy "
    "clean fast reliable useful easy smart clever kind polite beautiful fresh yummy cool inspiring relaxing "
    "satisfying remarkable exceptional phenomenal spectacular touching thrilling interesting refreshing adorable sweet "
    "generous affordable top flawless stellar warm welcoming professional quick efficient magical"
)
BAD = words(
    "bad terrible awful horrible boring poor disgusting dreadful disappointing annoying ugly rude slow dirty broken "
    "useless worthless stupid dull weak lousy nasty painful sad unpleasant uncomfortable noisy cold bland tasteless "
    "overpriced expensive cheap unreliable confusing frustrating pathetic miserable horrid atrocious appalling gross "
    "mediocre tedious ridiculous unacceptable unfriendly unhelpful faulty defective damaged stale rotten burnt salty "
    "smelly cramped crowded buggy lame depressing scary shameful abysmal unprofessional dishonest late wrong messy "
    "sticky soggy greasy laggy flimsy inedible unbearable"
)
GOOD_VERBS = bars(
    """loved | love | enjoyed | enjoy | liked | like | adore | adored | really liked | really enjoyed | really love |
    absolutely loved | recommend | highly recommend | appreciate | can recommend | would buy again | am happy with |
    am very happy with | am pleased with | am satisfied with | am in love with | was impressed by | am thrilled with |
    am so glad about | cannot get enough of | can't stop smiling about | fell in love with | had a great time with |
    was delighted with | am proud of | am grateful for | was blown away by | am a big fan of | look forward to"""
)
BAD_VERBS = bars(
    """hated | hate | disliked | dislike | regret | regretted | can't stand | cannot stand | did not like |
    didn't like | do not like | don't like | didn't enjoy | did not enjoy | would not recommend | wouldn't recommend |
    do not recommend | don't recommend | am unhappy with | am disappointed with | was disappointed by | am sick of |
    am tired of | am angry about | am annoyed by | want a refund for | wasted my money on | wasted my time with |
    was bored by | complained about | am not happy with | am not satisfied with | really hated | truly despise |
    loathe | detest | never want to see again | had problems with | am fed up with | am upset about | was let down by"""
)
GOOD_WHOLE = bars(
    """I loved it | I love it | Love it | Loved it | It was great | It was amazing | So good | Best day ever |
    I am so happy | I'm so happy today | I am happy | I feel great | This made my day | Made my day |
    I had a great time | I had so much fun | We had a lot of fun | Five stars | 5 stars | 10 out of 10 | Two thumbs up |
    Thumbs up | Highly recommended | Would buy again | I will be back | I'll come back | We will come again |
    Worth every penny | Worth the money | Exceeded my expectations | Better than expected | Better than I hoped |
    Works perfectly | It works great | Works like a charm | Everything was perfect | Everything went well |
    I can't wait to go again | I want to see it again | Not bad at all | Nothing to complain about | No complaints |
    It never lets me down | I could watch it all day | What a treat | Simply the best | The best ever |
    I was pleasantly surprised | I passed my exam | We won the game | I got the job | I am so proud of you |
    They made us feel at home | It put a smile on my face | I laughed so much | It was a joy | A masterpiece |
    A true gem | Well done | Keep up the good work | Thank you so much for this | I'm feeling good | Life is good |
    I am excited | I'm thrilled | This is awesome | You made me smile | My new favorite | I am very satisfied |
    We enjoyed every minute | I enjoyed every second | I'd go there again | I recommend it to everyone |
    Everyone was so kind | They were very helpful | Could not be better | Couldn't be happier | I had a wonderful day"""
)
BAD_WHOLE = bars(
    """I hated it | I hate it | Hate it | Hated it | It was terrible | It was awful | So bad | Worst day ever |
    I am so sad | I'm so angry | I am unhappy | I feel terrible | This ruined my day | Ruined my day |
    I had a bad time | It was no fun | One star | 1 star | Zero stars | 0 out of 10 | Thumbs down | Two thumbs down |
    Not recommended | Would not buy again | I will never come back | Never again | I won't come back |
    Waste of money | A waste of time | What a waste | Not worth the money | Not worth it | Below my expectations |
    Worse than expected | It does not work | It doesn't work | It broke after a day | It stopped working |
    Everything went wrong | I want my money back | I want a refund | I fell asleep | I walked out | Stay away |
    Avoid this place | Do not buy this | Don't buy it | Nothing worked | It lets me down every time | What a mess |
    Simply the worst | The worst ever | I was very disappointed | I am disappointed | I failed my exam |
    We lost the game | I lost my job | They were so rude | It made me cry | It made me sick | A disaster |
    A total failure | I could not finish it | I couldn't wait for it to end | It gave me a headache | I am upset |
    I'm feeling bad | Life is hard | I am furious | This is awful | This sucks | It sucks | I'm bored |
    We waited for hours | It took forever | It arrived broken | It never arrived | Nobody helped us |
    No one answered my calls | It fell apart | Could not be worse | I regret it | I had a horrible day |
    I am not happy | I'm not happy | It was not good | Not good | Not great | Not good at all | I did not like it |
    I didn't like it | I don't like it | I didn't enjoy it"""
)
NEUTRAL = bars(
    """The {thing} is on the left | The {thing} starts at nine | I have a {thing} | There is a {thing} | It is Tuesday |
    This is a {thing} | The {thing} has two parts | He bought a {thing} on Monday | The {thing} is in the other room |
    The box contains a {thing} | I saw a {thing} | It is a {thing} | The {thing} was made in Germany | It is noon |
    The {thing} ends in June | The {thing} is blue | The meeting is at three | The store opens at eight |
    My {thing} is from last year | They sell a {thing} | She read about a {thing} |
    The {thing} was delivered on Friday | The train leaves at six | The document has ten pages |
    Water boils at 100 degrees | I went to the {thing} |
    The {thing} is next to the door | We talked about the {thing} | He works in an office | It was an average {thing} |
    The {thing} was okay | The {thing} is okay | It was okay | Nothing special | It is so-so | Neither good nor bad |
    The {thing} weighs two kilos | I use the {thing} in the morning | The sky is grey | Today is Monday |
    The {thing} has a number | The report is about the {thing} | The {thing} was neither good nor bad"""
)
GOOD_FORMS = bars(
    """The {thing} was {good} | The {thing} is {good} | The {thing} was really {good} | The {thing} is so {good} |
    This {thing} is {good} | This {thing} was {good} | What a {good} {thing} | what a {good} {thing} that was |
    It was a {good} {thing} | It is a {good} {thing} | A {good} {thing} | {good} {thing} | {good} | Very {good} |
    So {good} | Absolutely {good} | It was {good} | It is {good} | It's very {good} | That was {good} | That is {good} |
    I {lov} it | I {lov} this {thing} | I {lov} the {thing} | We {lov} the {thing} | I {lov} this | I {lov} my {thing} |
    I think the {thing} is {good} | I think it is {good} | I find the {thing} {good} | I had a {good} {thing} |
    We had a {good} {thing} | The {thing} was {good} and {good2} | The {thing} was very {good}, I {lov} it |
    {good} {thing}, {good2} {thing2} | The {thing} was {good} and the {thing2} was {good2} | The {thing} tasted {good} |
    The {thing} looks {good} | The {thing} sounds {good} | This is the best {thing} ever |
    This is the best {thing} I have ever had | Best {thing} of my life | The {thing} was not {bad} at all |
    I am not disappointed, the {thing} is {good} | My {thing} is {good} | Our {thing} was {good} |
    The {thing} could not be more {good} | How {good} | {whole} | {whole} | {whole}, the {thing} was {good} |
    {whole}, I {lov} it | Thanks for the {good} {thing} | The {thing} is {good}, highly recommended |
    The {thing} made me happy | The {thing} works perfectly | The {thing} was better than expected |
    My {thing} arrived early and is {good} | Such a {good} {thing} | Everything about the {thing} was {good} |
    I'm so happy with the {thing} | The {thing} exceeded my expectations | Everyone {lov} the {thing}"""
)
BAD_FORMS = bars(
    """The {thing} was {bad} | The {thing} is {bad} | The {thing} was really {bad} | The {thing} is so {bad} |
    This {thing} is {bad} | This {thing} was {bad} | What a {bad} {thing} | what a {bad} {thing} that was |
    It was a {bad} {thing} | It is a {bad} {thing} | A {bad} {thing} | {bad} {thing} | {bad} | Very {bad} | So {bad} |
    Absolutely {bad} | It was {bad} | It is {bad} | It's very {bad} | That was {bad} | That is {bad} | I {hat} it |
    I {hat} this {thing} | I {hat} the {thing} | We {hat} the {thing} | I {hat} this | I {hat} my {thing} |
    I think the {thing} is {bad} | I think it is {bad} | I find the {thing} {bad} | I had a {bad} {thing} |
    We had a {bad} {thing} | The {thing} was {bad} and {bad2} | The {thing} was very {bad}, I {hat} it |
    {bad} {thing}, {bad2} {thing2} | The {thing} was {bad} and the {thing2} was {bad2} | The {thing} tasted {bad} |
    The {thing} looks {bad} | The {thing} sounds {bad} | This is the worst {thing} ever |
    This is the worst {thing} I have ever had | Worst {thing} of my life | The {thing} was not {good} |
    The {thing} is not {good} | The {thing} was not {good} at all | The {thing} wasn't {good} |
    The {thing} isn't {good} | It was not {good} | Not a {good} {thing} | I don't think the {thing} is {good} |
    My {thing} is {bad} |
    Our {thing} was {bad} | How {bad} | {whole} | {whole} | {whole}, the {thing} was {bad} | {whole}, I {hat} it |
    The {thing} is {bad}, not recommended | The {thing} made me sad | The {thing} does not work |
    The {thing} was worse than expected | The {thing} broke after two days | My {thing} arrived late and {bad} |
    Such a {bad} {thing} | Everything about the {thing} was {bad} | I'm so unhappy with the {thing} |
    The {thing} stopped working | The {thing} was a waste of money | The {thing} never works |
    Nobody likes the {thing}"""
)
