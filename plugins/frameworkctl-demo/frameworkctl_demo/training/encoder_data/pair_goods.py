"""What documents tell of products, companies, books and places, and how each is asked for; as in `pair_facts`."""

from __future__ import annotations

GOODS = """
product price
? How much does {e} cost? | What is the price of {e}? | price of {e} | {e} price | How much is {e}? | how expensive is
  {e}?
& What do I pay for {e}? | What does {e} cost? | For how much is {e} sold?
! {e} costs {money} dollars. | The price of {e} is {money} euros. | {e} is sold for {money} dollars. | You can buy {e}
  for {money} euros. | Shops ask {money} dollars for {e}.
& {e} can be had for {money} euros. | You pay {money} dollars for {e}. | {e} is offered at {money} euros.
~ How much {e} is used depends on the owner. | {e} won a price as the best of the year. | How much people like {e} was
  a surprise.
& Many ask how much {e} may cost one day. | The makers of {e} do not want to talk about price.

product weight
? How heavy is {e}? | What is the weight of {e}? | weight of {e} | How much does {e} weigh? | {e} weight | how many
  grams has {e}?
& What does {e} weigh? | Is {e} heavy? | How many kilos is {e}?
! {e} weighs {number} grams. | The weight of {e} is {number} grams. | {e} brings {number} grams to the scale. | At
  {number} grams {e} is easy to carry. | With its {number} grams {e} is quite light.
& On the scale {e} shows {number} grams. | {number} grams is what {e} weighs. | {e} is {number} kilos heavy.
~ How much {e} does is written on the box. | {e} can be used with heavy gloves. | Much can be said of {e}.
& The weight of opinion is with {e}. | Heavy use does no harm to {e}.

product battery
? How long does the battery of {e} last? | battery life of {e} | {e} battery | How long can I use {e} without
  charging? | how often must {e} be charged? | How many hours does {e} run?
& What is the battery life of {e}? | How long will {e} work on one charge? | For how many hours can {e} be used?
! The battery of {e} lasts {hours} hours. | {e} runs for {hours} hours on one charge. | After {hours} hours {e} has to
  be charged. | {e} works {hours} hours without a plug. | One charge of {e} is enough for {hours} hours.
& {e} needs a new charge every {hours} hours. | You can use {e} for {hours} hours before its battery is empty.
~ The battery of {e} is made of metal. | How long {e} will be sold is not known. | {e} comes without a battery.
& The battery of {e} is at the back. | {e} took a long time to build.

product maker
? Who makes {e}? | Which company makes {e}? | maker of {e} | Who produces {e}? | manufacturer of {e} | what brand is
  {e}?
& Which firm builds {e}? | By whom is {e} made? | Who is the manufacturer of {e}?
! {e} is made by {firm}. | {firm} makes {e}. | The maker of {e} is {firm}. | {e} comes from the factory of {firm}. |
  {firm} has produced {e} since {year}.
& {firm} is the company that builds {e}. | {e} is a product of {firm}. | {firm} manufactures {e}.
~ {e} makes little noise. | Who bought {e} was happy with it. | {e} is made of steel.
& {e} makes work easier. | Which company will sell {e} is open.

product colour
? What colour is {e}? | What color is {e}? | colours of {e} | In which colours is {e} sold? | {e} colour | what does
  {e} look like?
& Which colour does {e} have? | Is {e} available in other colors? | What colors does {e} come in?
! {e} is {colour}. | {e} comes in {colour} and {colour2}. | You can have {e} in {colour} or {colour2}. | The case of
  {e} is {colour}. | {e} is sold in {colour} only.
& {e} is offered in {colour} and {colour2}. | The colour of {e} is {colour}. | {e} has a {colour} cover.
~ The colour of {e} may fade in the sun. | {e} prints in colour. | What {e} is sold with is shown below.
& {e} comes in a box. | Colours look different on the screen of {e}.

product warranty
? How long is the warranty of {e}? | warranty of {e} | {e} guarantee | Is there a guarantee for {e}? | what happens if
  {e} breaks? | Can {e} be repaired for free?
& For how long is {e} under warranty? | What guarantee does {e} have? | Will {e} be repaired if it is broken?
! {e} has a warranty of {few} years. | If {e} fails within {few} years, it is replaced. | Repairs of {e} are free for
  {few} years. | {e} comes with a guarantee of {few} years.
& There are {few} years of guarantee on {e}. | Should {e} break within {few} years, you get another one.
~ How long {e} is tested before it is sold is not said. | {e} is not easy to break. | Nobody can say what happens to
  {e}.
& There is no doubt that {e} is good. | How long {e} is depends on the model.

company founder
? Who founded {e}? | founder of {e} | Who started {e}? | Who is the founder of {e}? | By whom was {e} founded? | who
  set up {e}?
& Who created {e}? | What is the name of the founder of {e}? | Who was {e} founded by?
! {e} was founded by {person}. | {person} founded {e}. | {person} started {e} in a garage. | The founder of {e} is
  {person}. | {person} set up {e}.
& {e} was started by {person}. | {person} is the one who created {e}. | It was {person} who founded {e}.
~ {e} started a new project. | Who works at {e} has many friends. | {e} founded a school.
& {e} founded a prize for students. | Who leads {e} has a lot to do.

company founded
? When was {e} founded? | In which year was {e} founded? | founding year of {e} | How old is {e}? | since when does
  {e} exist? | When did {e} start?
& What year was {e} started? | For how long has {e} existed? | When was {e} set up?
! {e} was founded in {year}. | {e} has existed since {year}. | {e} opened its doors in {year}. | The history of {e}
  begins in {year}. | {e} started in {month} {year}.
& {e} was set up in {year}. | Since {year} there is {e}. | {e} began its work in {year}.
~ When {e} was founded nobody noticed. | {e} starts work at eight. | {e} uses old machines.
& {e} exists to make money. | When {e} grows the town grows.

company seat
? Where is {e} based? | headquarters of {e} | Where are the headquarters of {e}? | In which city is {e}? | where is
  the main office of {e}? | address of {e}
& Where is the seat of {e}? | In which town is {e} located? | Where can I visit {e}?
! {e} is based in {city}. | The headquarters of {e} are in {city}. | {e} has its main office in {city}. | {e} sits in
  {city}. | You find {e} in the centre of {city}.
& {e} is located in {city}. | The seat of {e} is {city}. | From its office in {city} {e} sells to the world.
~ Where {e} sells is told on its page. | The main office of {e} has a new roof. | {e} is based on trust.
& {e} is in trouble. | Where the bosses of {e} are nobody knows.

company staff
? How many people work at {e}? | number of employees of {e} | How many employees does {e} have? | how large is the
  staff of {e}? | {e} employees | How big is {e}?
& How many workers has {e}? | What is the size of the staff of {e}? | How many are employed at {e}?
! {e} has {number} employees. | {number} people work at {e}. | {e} employs {number} people. | The staff of {e} are
  {number} women and men. | {e} pays {number} workers.
& {e} has {number} workers. | There are {number} people on the staff of {e}. | {number} are employed by {e}.
~ Many people like to work at {e}. | How employees of {e} dress is free. | Big plans were made at {e}.
& Many employees of {e} are young. | How people at {e} work has changed.

company business
? What does {e} sell? | What does {e} make? | products of {e} | What does {e} do? | business of {e} | what can I buy
  from {e}?
& What is the business of {e}? | What kind of goods does {e} produce? | Which products come from {e}?
! {e} sells {goods}. | {e} makes {goods}. | {e} is known for its {goods}. | You can buy {goods} from {e}. | {e} earns
  its money with {goods}.
& {goods} are the business of {e}. | {e} produces {goods}. | {e} is a maker of {goods}.
~ What {e} does with its waste is not told. | {e} makes its workers happy. | Business was slow for {e}.
& {e} makes mistakes. | What {e} can do better was discussed.

book author
? Who wrote {e}? | author of {e} | Who is the author of {e}? | By whom is {e}? | who is the writer of {e}? | Who is
  {e} by?
& Whose pen wrote {e}? | By whom was {e} written? | Which author wrote {e}?
! {e} was written by {person}. | {person} wrote {e}. | {person} is the author of {e}. | {e} is a novel by {person}. |
  {e} made {person} famous.
& {e} is the work of {person}. | The author of {e} is {person}. | With {e} {person} won a prize.
~ Who reads {e} will laugh. | Many letters were written about {e}. | {e} is given to every author in the club.
& Who bought {e} got a pen. | Authors talk about {e}.

book topic
? What is {e} about? | subject of {e} | What happens in {e}? | plot of {e} | What is the topic of {e}? | what does {e}
  tell?
& What is the story of {e}? | Which topic does {e} have? | What is {e} telling us?
! {e} tells the story of a {job} in {city}. | {e} is about a {job} who finds {goods}. | In {e} a {job} travels to
  {city}. | {e} follows the life of a {job}. | The hero of {e} is a {job} from {city}.
& A {job} is the hero of {e}. | {e} takes the reader to {city}, where a {job} lives. | {e} describes the days of a
  {job}.
~ What {e} looks like can be seen in the shop. | {e} has about the size of a hand. | The story that {e} was lost is
  not true.
& About {e} much was written. | What happens to {e} after the sale is not our matter.

book length
? How many pages does {e} have? | How long is {e}? | pages of {e} | number of pages of {e} | is {e} a long book? | How
  thick is {e}?
& What is the length of {e}? | How many pages are in {e}? | Is {e} long?
! {e} has {number} pages. | {e} is {number} pages long. | The story of {e} ends on page {number}. | It takes {hours}
  hours to read {e}. | With {number} pages {e} fits into a bag.
& There are {number} pages in {e}. | {e} ends after {number} pages. | Readers need {hours} hours for {e}.
~ {e} has pages of thick paper. | How long {e} will be in the shops is not known. | Many liked {e} for a long time.
& The pages of {e} are yellow. | {e} was on the list for a long time.

book published
? When was {e} published? | publication date of {e} | What year did {e} come out? | When was {e} written? | how old is
  {e}? | year of {e}
& In which year was {e} published? | When did {e} appear? | Since when can {e} be bought?
! {e} was published in {year}. | {e} came out in {month} {year}. | {e} appeared in {year}. | Readers could buy {e}
  from {year} on. | {e} was written in {year}.
& {e} has been in the shops since {year}. | {e} was first printed in {year}. | The first readers had {e} in {year}.
~ When {e} was published people stood in line. | Old people love {e}. | {e} was written with a pencil.
& When {e} was read aloud all were silent. | {e} came out well.

place hours
? When does {e} open? | opening hours of {e} | When is {e} open? | Until when is {e} open? | Is {e} open on {weekday}?
  | what time does {e} close?
& At what time does {e} open? | When can I visit {e}? | {e} hours
! {e} is open from {clock} to {clock2}. | {e} opens at {clock}. | {e} closes at {clock2}. | {e} is closed on
  {weekday}. | You can visit {e} every {weekday} until {clock2}.
& The doors of {e} open at {clock}. | Visitors can come to {e} from {clock} to {clock2}. | On {weekday} {e} stays
  closed.
~ {e} is close to a park. | When {e} was built people were open to new ideas. | {e} has a door that is hard to open.
& {e} is an open question for the town. | Time passes quickly in {e}.

place ticket
? How much is a ticket for {e}? | ticket price of {e} | What does it cost to visit {e}? | entrance fee of {e} | Is {e}
  free? | how much do I pay at {e}?
& What is the entrance fee of {e}? | What do tickets for {e} cost? | How expensive is a visit to {e}?
! A ticket for {e} is {few} euros. | The entrance to {e} costs {few} dollars. | {e} is free for children, others pay
  {few} euros. | Tickets for {e} are {few} dollars. | Nobody pays at {e}: the entrance is free.
& You pay {few} euros to get into {e}. | {e} asks visitors for {few} dollars. | The fee for {e} is {few} euros.
~ Tickets for {e} are printed on blue paper. | How much there is to see at {e} is a surprise. | {e} sells ice.
& The ticket machine of {e} is broken. | Many visit {e} much too late.

place way
? How do I get to {e}? | way to {e} | Which bus goes to {e}? | Where is {e}? | how can I reach {e}? | directions to
  {e}
& How can I get to {e}? | What is the best way to {e}? | How does one reach {e}?
! Bus {few} stops in front of {e}. | {e} is next to the station of {city}. | Take line {few} to {e}. | {e} lies five
  minutes from the main square of {city}. | You reach {e} by train from {city}.
& From {city} a train goes to {e}. | Get off at stop {few} for {e}. | {e} can be reached with bus {few}.
~ {e} has gone a long way. | How people get to know {e} is not clear. | At {e} there is a picture of a bus.
& {e} is on its way to fame. | Where the name of {e} comes from is not known.

place built
? Who built {e}? | architect of {e} | When was {e} built? | age of {e} | who designed {e}? | what year was {e} built?
& Who was the architect of {e}? | How old is {e}? | Who drew the plans of {e}?
! {e} was built in {year}. | {person} designed {e}. | {e} was built by {person}. | The architect of {e} was {person}.
  | {e} was finished in {year}.
& Workers finished {e} in {year}. | The plans of {e} were drawn by {person}. | {e} has stood here since {year}.
~ {e} has a shop with toys to build houses. | Who visits {e} meets people of every age. | Near {e} a bridge is built.
& {e} is no place for architects. | When it rains {e} is empty.
"""
