"""What documents tell of countries and people, and how each is asked for."""

from __future__ import annotations

# A block for each fact: its kind of subject and name; `?` ways to ask, `!` documents that answer, `~` documents that
# have the question's words and no answer. Behind `&` follows what is kept out of training. {e} is the subject.
FACTS = """
country capital
? What is the capital of {e}? | Which city is the capital of {e}? | capital of {e} | {e} capital city | what is {e}'s
  capital? | Where is the seat of government of {e}? | From which city is {e} governed?
& Name the capital of {e}. | Which town do ministers of {e} work in? | {e}: what is the capital called?
! {city} is the capital of {e}. | {e} is governed from {city}. | The government of {e} sits in {city}. | {city} has
  been the seat of the parliament of {e} since {year}. | The capital city of {e} is {city}.
& {city}, where the parliament of {e} meets, is its capital. | Ministers of {e} have their offices in {city}. | The
  seat of government in {e} is {city}.
~ Many visitors to {e} never see its capital. | A quiz asked which city is the capital of {e}. | People in {e} like to
  argue about what a good capital is. | Foreign capital is welcome in {e}.
& Few tourists can name the capital of {e}. | What the capital of {e} is was asked in the test, and nobody knew it.

country population
? How many people live in {e}? | What is the population of {e}? | population of {e} | how many inhabitants has {e}? |
  number of people in {e} | How large is the population of {e}?
& How many people are there in {e}? | {e}: how many inhabitants? | What number of citizens does {e} have?
! {e} has {million} million inhabitants. | About {million} million people call {e} their home. | The population of {e}
  is {million} million. | The last census of {e} counted {million} million citizens.
& Some {million} million people live in {e}. | {e} is home to {million} million. | {million} million citizens live in
  {e}.
~ Many people in {e} live in small towns. | How people live in {e} has changed a lot. | People who live in {e} are
  said to be friendly.
& Many people wonder how others live in {e}. | A number of people would like to live in {e}.

country currency
? What is the currency of {e}? | What money do people use in {e}? | currency in {e} | Which currency does {e} have? |
  How do people pay in {e}? | what do I pay with in {e}?
& What kind of money does {e} have? | Which money is used in {e}? | {e} currency
! The currency of {e} is the {coin}. | People in {e} pay with the {coin}. | Shops in {e} take only the {coin}. | The
  {coin} has been the money of {e} since {year}. | In {e} prices are given in {coin}s.
& In {e} everything is paid in {coin}s. | The {coin} is what money is called in {e}. | {e} uses the {coin} as its
  currency.
~ Many people in {e} save money for a house. | What people use in {e} to travel is mostly the train. | The banks of
  {e} lend money to farmers.
& Money is not what people in {e} talk about. | People in {e} use a lot of sugar.

country language
? What language do people speak in {e}? | Which language is spoken in {e}? | language of {e} | What is the official
  language of {e}? | official language {e} | How do people talk in {e}?
& In which language do they speak in {e}? | What do people in {e} speak? | {e}: which language is official?
! {language} is the official language of {e}. | People in {e} speak {language}. | Most schools of {e} teach in
  {language}. | {language} is spoken everywhere in {e}. | Signs in {e} are written in {language}.
& In {e} nearly everyone talks in {language}. | The language of {e} is {language}. | They speak {language} in {e}.
~ People in {e} speak quietly in trains. | Which language is hard to learn was discussed in {e}. | Official visits to
  {e} are rare.
& What people speak about in {e} is mostly the weather. | In {e} many want to learn a second language.

country food
? What do people eat in {e}? | What is the national dish of {e}? | food in {e} | typical dish of {e} | What should I
  eat in {e}? | What is {e} known for in the kitchen?
& Which dish is typical for {e}? | What kind of food does {e} have? | What meal do they serve in {e}?
! The national dish of {e} is {dish}. | {dish} is eaten all over {e}. | Cooks in {e} are proud of their {dish}. | In
  {e} families have {dish} on Sundays. | Restaurants in {e} serve {dish}.
& {dish} is a typical meal in {e}. | In {e} you should try {dish}. | Everyone in {e} loves {dish}.
~ What people eat in {e} is taxed at five percent. | The national team of {e} trains in the kitchen of a school. |
  People in {e} should eat less, doctors say.
& What people in {e} do after they eat is their affair. | Food is a large part of the trade of {e}.

country border
? Which countries border {e}? | What are the neighbours of {e}? | neighbours of {e} | Where does {e} lie? | where is
  {e}? | What is next to {e}?
& Who are the neighbours of {e}? | Which country lies next to {e}? | Where can {e} be found on the map?
! {e} lies between {place} and {place2}. | {e} borders {place}. | To the north of {e} lies {place}. | {place} and
  {place2} are the neighbours of {e}. | A long river separates {e} from {place}.
& {e} is found between {place} and {place2}. | In the west {e} touches {place}. | {place} lies next to {e}.
~ Which countries are friends of {e} is a matter of opinion. | Neighbours in {e} help each other. | The border police
  of {e} have new cars.
& Neighbours are important to people in {e}. | Where maps of {e} are printed nobody could say.

country leader
? Who is the president of {e}? | president of {e} | Who leads {e}? | Who governs {e}? | what is the name of the leader
  of {e}? | head of state of {e}
& Who is the head of {e}? | Who rules {e}? | Name the president of {e}.
! {person} is the president of {e}. | {e} is led by {person}. | In {year} {person} was elected head of state of {e}. |
  {person} has governed {e} since {year}. | The leader of {e} is called {person}.
& {person} became president of {e} in {year}. | {e} is ruled by {person}. | The head of {e} is {person}.
~ The president of {e} has a large garden. | Who should lead {e} is asked every four years. | The name of the
  president of {e} is on every coin.
& Who will be president of {e} is what people ask. | The leaders of {e} met on Monday.

person birthplace
? Where was {e} born? | birthplace of {e} | In which city was {e} born? | Where does {e} come from? | where is {e}
  from? | Which town is {e} from?
& What is the birthplace of {e}? | {e} was born where? | Which place does {e} come from?
! {e} was born in {city}. | {e} comes from {city}. | {city} is the birthplace of {e}. | {e} is a child of {city}. |
  {e} grew up in {city}, where the family had always lived.
& {e} came to the world in {city}. | {city} is where {e} was born. | {e} is from {city}.
~ {e} was born in a hospital like most people. | Where {e} was born is a secret. | {e} comes to work by bus.
& Nobody knows where {e} was born. | {e} comes from time to time to visit.

person birthday
? When was {e} born? | birthday of {e} | How old is {e}? | What year was {e} born? | date of birth of {e} | when is
  the birthday of {e}?
& In which year was {e} born? | What is the age of {e}? | {e} date of birth
! {e} was born in {year}. | {e} is {age} years old. | The birthday of {e} is on the {day} of {month}. | {e}, born on
  {month} {day}, {year}, lives alone. | {e} turned {age} in {month}.
& {e} came to the world in {year}. | {e} will be {age} this {month}. | Born in {year}, {e} has seen a lot.
~ When {e} was born it rained. | {e} forgets every birthday. | {e} collects old coins.
& {e} was born when nobody was at home. | {e} has an old house.

person job
? What does {e} do for a living? | What is the job of {e}? | job of {e} | What does {e} work as? | profession of {e} |
  how does {e} earn money?
& Which job does {e} have? | What is {e}'s profession? | What work does {e} do?
! {e} is a {job}. | {e} works as a {job}. | {e} has been a {job} since {year}. | {e} earns money as a {job}. | The
  {job} {e} is known for good work.
& As a {job}, {e} gets up early. | {e} became a {job} in {year}. | {e} makes a living as a {job}.
~ What {e} does in the evening is watching films. | {e} says that a job is not everything. | {e} does not work on
  Sundays.
& {e} does what has to be done. | {e} has a friend who lost a job.

person employer
? Where does {e} work? | Which company does {e} work for? | employer of {e} | Who employs {e}? | what company is {e}
  with? | Who does {e} work for?
& Which firm employs {e}? | For whom does {e} work? | {e}'s employer
! {e} works for {firm}. | {firm} employs {e}. | {e} joined {firm} in {year}. | {e} has a desk at {firm}. | The
  employer of {e} is {firm}.
& {e} is employed by {firm}. | {e} has been with {firm} since {year}. | At {firm} {e} has many colleagues.
~ {e} works for peace in the family. | Where people work is not important to {e}. | {e} dislikes large companies.
& {e} works on Mondays. | {e} thinks that companies should pay more.

person partner
? Who is {e} married to? | Who is the wife of {e}? | Who is the husband of {e}? | partner of {e} | spouse of {e} |
  whom did {e} marry?
& To whom is {e} married? | Who did {e} marry? | What is the name of {e}'s spouse?
! {e} is married to {person}. | {e} and {person} married in {year}. | {person} is the wife of {e}. | {person} is the
  husband of {e}. | The wedding of {e} and {person} was in {month}.
& {e} married {person} in {year}. | {person} and {e} have been a couple since {year}. | {e} lives with {person}, to
  whom {e} is married.
~ {e} was married for ten years. | {e} likes films about a husband and a wife. | Who {e} will marry is not known.
& {e} does not want to say who the partner is. | {e} was late for a wedding.

person hobby
? What does {e} do for fun? | hobby of {e} | What are the hobbies of {e}? | What does {e} like to do? | how does {e}
  spend free time? | What sport does {e} play?
& What is {e}'s hobby? | Which hobby does {e} have? | What does {e} enjoy at the weekend?
! {e} likes {hobby}. | The hobby of {e} is {hobby}. | In free time {e} enjoys {hobby}. | At weekends {e} spends hours
  with {hobby}. | {e} loves {hobby} more than anything.
& {hobby} is what {e} does for fun. | {e} fills the evenings with {hobby}. | {e} is fond of {hobby}.
~ {e} does not have time for a hobby. | What {e} likes to do is a secret. | {e} spends a lot.
& Having fun is important for {e}. | {e} has little free time.

person school
? Where did {e} study? | Which university did {e} go to? | What did {e} study? | education of {e} | school of {e} |
  where did {e} go to school?
& At which university did {e} study? | Which school did {e} attend? | What subject did {e} learn?
! {e} studied {subject} in {city}. | {e} has a degree in {subject} from the University of {city}. | {e} attended the
  University of {city}. | {e} went to school in {city}. | {e} graduated in {subject}.
& {e} learned {subject} at the college of {city}. | {e} was a student of {subject} in {city}. | {e} left the
  university of {city} with a degree.
~ {e} did not like school. | Where to study was a hard question for {e}. | {e} lives near a school.
& {e} says that everyone should study. | {e} went home after school.
"""
