"""More ways to ask and tell the facts of `pair_facts`, `pair_goods` and `pair_help`, all of them trained on."""

from __future__ import annotations

MORE_WORDS = """
country capital
? Tell me the capital of {e}. | In which city do the ministers of {e} sit? | What do you call the capital of {e}? |
  Where does the parliament of {e} meet?
! The ministers of {e} meet in {city}. | In {city} you find the parliament and the government of {e}. | Its offices of
  state are in {city}, as that is the capital of {e}. | The laws of {e} are made in {city}.
~ Tourists love {e}. | In the test a question about {e} was hard. | The capital letters of {e} are on the sign.

country population
? How many citizens has {e}? | What is the number of inhabitants of {e}? | Is {e} a country with many people? | how
  many are living in {e}
! With {million} million citizens {e} is a large country. | {e} counts {million} million people. | There are {million}
  million inhabitants in {e}. | {million} million live in {e}.
~ A number of visitors like {e}. | Life in {e} is good for many. | Many citizens of {e} read the news.

country currency
? What kind of coins do they have in {e}? | Which money do I need in {e}? | What are prices in {e} given in? | What is
  used to pay in {e}?
! You pay with {coin}s in {e}. | Money is called {coin} in {e}. | The bank of {e} prints the {coin}. | In {e} you need
  {coin}s to buy things.
~ In {e} sugar is used for tea. | The money of the rich of {e} lies abroad. | Kind people live in {e}.

country language
? In what language do people of {e} talk? | Which tongue is official in {e}? | What do they speak in {e}? | Should I
  learn a language for {e}?
! {language} is what they speak in {e}. | All of {e} understands {language}. | In {e} you hear {language} in the
  streets. | The people of {e} talk in {language}.
~ To learn is important in {e}. | The speech of the president of {e} was long. | In {e} they like to talk about the
  weather.

country food
? What meals are typical of {e}? | Which dishes do they cook in {e}? | What is served for dinner in {e}? | Which kind
  of meal should I try in {e}?
! You should taste the {dish} of {e}. | A typical dish in {e} is {dish}. | In {e} they love {dish}. | For dinner
  people of {e} cook {dish}. | In {e} one meal is known to all: {dish}.
~ Trade in food made {e} rich. | What is served in the courts of {e} is the law. | In {e} dinner is early.

country border
? Which country is beside {e}? | What countries lie around {e}? | Where on the map is {e}? | Which state is a
  neighbour of {e}?
! {place} is found beside {e}. | Next to {place} you find {e} on the map. | {e} shares a border with {place}. | Around
  {e} lie {place} and {place2}.
~ A map of {e} hangs in our school. | Around {e} people are kind. | To people in {e} it is important where they are
  from.

country leader
? Who is at the head of {e}? | Which person rules {e}? | Tell me who is president of {e}. | By whom is {e} governed?
! {person} rules {e}. | At the head of {e} stands {person}. | {e} has a president called {person}. | Since {year}
  {person} leads {e}.
~ The rules of {e} are hard. | At a meeting the leaders of {e} sang. | People in {e} talk about the next president.

person birthplace
? In what place was {e} born? | Which city is the birthplace of {e}? | What town does {e} come from? | Where did {e}
  grow up?
! Born in {city}, {e} never left it. | {e} grew up in {city}. | The place where {e} was born is {city}. | It was in
  {city} that {e} came to the world.
~ {e} visits from time to time. | Nobody asked where {e} goes. | {e} was born to sing.

person birthday
? What is the age of {e} now? | On which day was {e} born? | When is {e} having a birthday? | Tell me the year in
  which {e} was born.
! In {month} {e} will be {age}. | {e} is now {age}. | The year of birth of {e} is {year}. | {e} came to the world on
  {month} {day}. | At the age of {age} {e} still works.
~ {e} lives in a very old house. | {e} has seen a lot of houses. | In the year when {e} moved it was cold.

person job
? What is the work of {e}? | As what does {e} earn a living? | Tell me the profession of {e}. | Which profession does
  {e} have?
! The profession of {e} is {job}. | {e} makes money as a {job}. | All day {e} works as {job}. | {e} learned to be a
  {job}.
~ {e} lost an umbrella. | A friend of {e} has a job. | What has to be done is done by {e}.

person employer
? At which firm is {e} employed? | Which company pays {e}? | With what company is {e}? | By whom is {e} employed?
! {e} has a job at {firm}. | {firm} pays {e} every month. | {e} is with {firm}. | The colleagues of {e} at {firm} like
  to talk. | {firm} is the company that {e} works for.
~ {e} has many friends. | Companies pay too little, says {e}. | On Mondays {e} is tired.

person partner
? Whom is {e} married to? | What is the name of the wife of {e}? | What is the name of {e}'s husband? | Did {e} marry
  anyone?
! {e} is the husband of {person}. | {e} is the wife of {person}. | Since {year} {e} and {person} are a couple. | {e}
  took {person} for a spouse.
~ To the wedding {e} came late. | {e} does not say much. | A couple of books belong to {e}.

person hobby
? What is {e} fond of? | What does {e} do in the evening or at the weekend? | Which hobby fills the free time of {e}?
  | What is fun for {e}?
! {e} is a friend of {hobby}. | For fun {e} does {hobby}. | The evenings of {e} are filled with {hobby}. | {hobby} is
  the hobby of {e}.
~ {e} has no free room. | The weekend was long, said {e}. | {e} finds it important to sleep.

person school
? What did {e} learn, and at which college? | Which university was {e} a student of? | What school did {e} visit? |
  What subject did {e} study?
! {e} learned {subject}. | {e} was a student in {city}. | At college in {city} {e} took {subject}. | {e} has been to
  the university of {city}.
~ After school {e} met a friend. | All should go home, says {e}. | {e} knows a student.

product price
? How expensive is {e} in shops? | What is paid for {e}? | What do they ask for {e}? | How many dollars is {e}?
! {e} can be bought for {money} dollars. | For {money} euros {e} is yours. | They offer {e} at {money} dollars. |
  {money} euros is the price of {e}.
~ The makers of {e} talk a lot. | One day {e} may be old. | Many ask about {e}.

product weight
? How many kilos does {e} have? | What is the weight of {e} in grams? | Is {e} light or heavy? | What does the scale
  show for {e}?
! {e} is {number} grams heavy. | {e} has a weight of {number} grams. | The scale shows {number} grams for {e}. |
  {number} grams of metal make up {e}.
~ Opinions about {e} differ. | {e} takes no harm when used. | The scale of sales of {e} is large.

product battery
? For how long does {e} run? | How long does one charge of {e} work? | When must I charge {e} again? | How many hours
  does {e} work before it is empty?
! {e} can be used {hours} hours without charging. | The charge of {e} is empty after {hours} hours. | Every {hours}
  hours {e} needs a plug. | {hours} hours are what the battery of {e} can do.
~ At the back of {e} you see a number. | To build {e} took long. | The battery factory is next to the shop of {e}.

product maker
? By which firm is {e} built? | What company builds {e}? | Which firm is the manufacturer of {e}? | From which company
  does {e} come?
! {e} is built by {firm}. | {e} is one of the products of {firm}. | It is {firm} that produces {e}. | {firm} is the
  manufacturer of {e}.
~ Work is easy with {e}. | A company will buy {e}. | {e} is sold by many.

product colour
? What colors are there of {e}? | Does {e} come in other colours? | Is {e} sold in {colour}? | Which color is {e}?
! {e} has a case that is {colour}. | There is {e} in {colour} and in {colour2}. | You get {e} in {colour}. | As for
  colour, {e} is {colour}.
~ The screen of {e} is large. | A box comes with {e}. | Other shops have no {e}.

product warranty
? Will {e} be replaced if it fails? | For how many years does the guarantee of {e} hold? | What is the warranty of
  {e}? | Who repairs {e} when it is broken?
! The guarantee of {e} ends after {few} years. | For {few} years {e} is under warranty. | Break {e} within {few} years
  and we repair it. | {few} years of guarantee belong to {e}.
~ No doubt {e} is long. | The model of {e} is of this year. | {e} is good for many.

company founder
? Who was it that created {e}? | Who set {e} up? | By whom was {e} started? | Name the founder of {e}.
! {e} was created by {person}. | The one who founded {e} is {person}. | It was {person} who set up {e}. | {e} is the
  work of its founder {person}.
~ A prize was given by {e}. | Students like {e}. | Who is at {e} works hard.

company founded
? Since which year is there {e}? | When did {e} begin? | For how many years does {e} exist? | What is the founding
  year of {e}?
! {e} began in {year}. | In {year} {e} was started. | {e} exists since {year}. | It was {year} when {e} was set up.
~ There is money at {e}. | To exist is hard for {e}. | The town grows around {e}.

company seat
? In which town is the office of {e}? | What is the seat of {e}? | Where can I find {e}? | In what place does {e} sit?
! {e} has its seat in {city}. | The office of {e} is located in {city}. | In {city} you can visit {e}. | {city} is
  where {e} sits.
~ Trouble came to {e}. | The bosses of {e} sat down. | Nobody likes the office of {e}.

company staff
? How many women and men work for {e}? | How many does {e} employ? | What is the number of workers of {e}? | Does {e}
  have a large staff?
! The number of workers of {e} is {number}. | {e} has a staff of {number}. | {e} gives work to {number} people. | At
  {e} there are {number} employees.
~ The young like {e}. | How {e} changed was a surprise. | Workers of another firm visit {e}.

company business
? Which goods come from {e}? | What kind of products does {e} have? | What is produced by {e}? | How does {e} make
  money?
! {goods} are made by {e}. | {e} is in the business of {goods}. | From {e} come {goods}. | {e} is a producer of
  {goods}.
~ {e} can do better. | Mistakes were made at {e}. | What kind of boss leads {e}?

book author
? Who is it that wrote {e}? | Which writer is {e} by? | What is the name of the author of {e}? | Whose work is {e}?
! {e} is by {person}. | {person} won a prize with {e}. | It was {person} who wrote {e}. | {e} is a work of the writer
  {person}.
~ A pen lies on {e}. | All talk about {e}. | The club of authors sold {e}.

book topic
? What is told in {e}? | Which story does {e} tell? | Of what is {e} telling? | What is the plot of {e}?
! {e} describes how a {job} comes to {city}. | The story of {e} is that of a {job}. | {e} is the story of a {job} and
  {goods}. | A {job} from {city} is described in {e}.
~ Much happens in the shop where {e} is sold. | We take {e} home. | The subject was changed when {e} was named.

book length
? What number of pages has {e}? | Is {e} short or long? | How long does it take to read {e}? | How many pages must I
  read in {e}?
! {e} has a length of {number} pages. | Read {e} in {hours} hours. | {e} is a book of {number} pages. | There are
  {number} pages to read in {e}.
~ {e} is on my list. | Yellow is the colour of {e}. | For a long time {e} was forgotten.

book published
? In what year did {e} appear? | Since which year is {e} in the shops? | When was {e} printed? | When did readers get
  {e}?
! The shops have had {e} since {year}. | {e} was printed in {year}. | In {month} {year} {e} was in the shops. | The
  year of {e} is {year}.
~ All were silent about {e}. | First read {e}, then talk. | Well, {e} came by post.

place hours
? At what hour does {e} close? | Can I visit {e} on {weekday}? | What are the hours of {e}? | From when to when is {e}
  open?
! Visitors may enter {e} until {clock2}. | {e} has its doors open from {clock}. | On {weekday} you cannot visit {e}. |
  Come to {e} between {clock} and {clock2}.
~ The door of {e} is blue. | A question about {e} is open. | In {e} nobody looks at the time.

place ticket
? What is the fee for {e}? | What do visitors pay at {e}? | Do I have to pay to get into {e}? | Is {e} expensive?
! {e} has a fee of {few} euros. | To get into {e} you pay {few} dollars. | Visitors of {e} are asked for {few} euros.
  | A visit to {e} costs {few} dollars.
~ A machine in {e} is broken. | Late visitors miss {e}. | The paper is sold at {e}.

place way
? What is the way to {e}? | By which train do I get to {e}? | Where do I get off for {e}? | How does a visitor reach
  {e}?
! Get off the bus at {city} for {e}. | A train from {city} stops at {e}. | {e} can be reached in {few} minutes from
  the station. | Bus {few} goes to {e}.
~ The name of {e} is long. | Fame came to {e}. | {e} got a new bus to play with.

place built
? Who drew {e}? | In which year was {e} finished? | By what architect is {e}? | How long has {e} stood here?
! The workers of {person} built {e}. | {person} drew {e}. | {e} has stood since {year}. | In {year} {e} was finished.
~ Architects like {e}. | When it is cold {e} is full. | The rain damaged {e}.
"""
