"""What customers ask a shop and what its help pages answer: no names to go by, only meaning; as in `pair_facts`."""

from __future__ import annotations

HELP = """
help password
? How do I reset my password? | I forgot my password | can't log in | change my password | My password does not work,
  what can I do? | how to get a new password
& I do not remember my password. | What if I cannot sign in? | lost password
! Click "forgot" on the sign-in page and follow the link that we send you. | To choose a new password, open the
  settings of your account. | If you cannot sign in, let us send you a link by email. | Passwords can be set anew on
  the login page.
& We send a link to everyone who cannot log in any more. | A new password is set under "security" in your account.
~ A password should be long and hard to guess. | My password is my secret, as the saying goes. | We reset our clocks
  in March.
& Do not tell your password to anyone. | Work on our new page is done.

help returns
? How do I return an item? | I want to send something back | return policy | Can I give back what I bought? | what if
  I do not like it? | how to get my money back
& How can I send an order back? | May I return a product? | I want a refund
! Within {few} days you can send everything back and get a refund. | Put the item in its box and bring it to the post
  office; we pay the money back. | Goods that you do not want can be sent back for free. | Returns are free for {few}
  weeks.
& You have {few} weeks to bring goods back. | When your parcel is back here, you are paid within {few} days.
~ Many happy returns of the day! | Our team will return from the holidays. | I bought what I like, says a customer.
& Give something back to your town: help a school. | Return to the first page.

help shipping
? How long does delivery take? | When will my order arrive? | shipping time | When do I get my parcel? | how many days
  until it is delivered? | delivery time
& When does my package come? | How fast is shipping? | How soon will I have my order?
! Parcels arrive within {few} days. | We ship orders on the same day, and the post needs {few} days. | Orders are at
  your door after {few} days. | Express delivery takes one day, the usual one {few}.
& Your package reaches you in {few} days. | What is ordered before noon is with you the next day.
~ Long orders are printed on two pages. | Delivery men have a hard job. | How many parcels we had last year is a
  secret.
& Ships need a long time to cross the sea. | When my order book is full I am happy, says our boss.

help cost
? How much is shipping? | What does delivery cost? | shipping costs | Is delivery free? | postage | do I pay for the
  delivery?
& What do you charge for shipping? | Is there a fee for delivery? | How expensive is delivery?
! Delivery costs {few} euros. | From {money} dollars on we deliver for free. | We charge {few} dollars for each
  parcel. | Shipping is {few} euros, for large orders nothing.
& Each delivery is charged with {few} dollars. | You pay {few} euros for shipping.
~ We pay our delivery staff well. | Free people need free shipping lanes. | Costs rise everywhere.
& Shipping is how the town became rich. | What we charge our phones with is solar power.

help cancel
? How do I cancel my order? | I want to cancel | stop my order | Can I still cancel what I ordered? | I ordered by
  mistake | cancel order
& May I cancel an order? | How can I stop an order? | I no longer want what I ordered
! Until it is sent, an order can be cancelled in your account. | Press "cancel" beside the order, as long as it has
  not left us. | Write to us within an hour and we stop the order. | You can call an order off until it is packed.
& Orders that are not packed yet can be called off. | Choose "cancel" in the list of your orders.
~ The concert was cancelled because of rain. | In order to stop smoking I eat apples. | Order your desk by topic.
& We cancel no party. | I want order in my kitchen, said the cook.

help payment
? How can I pay? | Which payment methods do you take? | Do you accept credit cards? | payment methods | can I pay
  later? | can I pay by card?
& What ways to pay are there? | Do you take cards? | With what can I pay?
! We accept credit cards and bank transfer. | You can pay with a card, by bill or by bank transfer. | Payment is by
  card, or within {few} days after a bill. | Cards of all banks are welcome; bills are paid in {few} days.
& Choose between card, bill and transfer. | All usual cards are taken at the checkout.
~ Pay attention to the small print. | We write cards to our friends. | Methods of research are our topic.
& It may pay to wait. | I can take your coat, said the waiter.

help contact
? How can I contact you? | What is your phone number? | customer service | How do I reach support? | can I talk to
  someone? | email address of support
& Where can I call you? | How do I get in touch? | Whom can I ask for help?
! Call us under 555-{number} from {clock} to {clock2}. | Write to our team at help@example.com. | Our support answers
  the phone every {weekday}. | There is a chat with our staff on every page.
& You get in touch with us under 555-{number}. | Our team answers emails within {few} hours.
~ Our service won a prize. | Contact lenses are in stock. | A number of customers reach old age.
& Customers talk about us. | What you can reach is up to you.

help invoice
? Where is my invoice? | I need a bill | How do I get an invoice? | download invoice | receipt for my order | can you
  send me the bill?
& Where do I find the bill? | I need a receipt for taxes | Please send an invoice
! Every invoice lies in your account, under "orders", as a PDF. | We send the bill by email when the parcel leaves. |
  The receipt is in the box with the goods. | You can print bills for each order in your account.
& Bills can be downloaded from the list of orders. | The invoice comes by email.
~ The bill of a duck is flat. | I need order, said the king. | Download our app for music.
& Bill is the name of our boss. | Where taxes are high people complain.

help address
? How do I change my address? | I moved to another street | change delivery address | new address | My address is
  wrong | can the parcel go to my office?
& I have moved, what do I do? | Please use another address | How can I correct where the parcel goes?
! Under "profile" you can tell us where you live now. | Another place of delivery can be chosen at the checkout. | If
  you have moved, edit the street in your profile. | Until it is sent, we can send the parcel elsewhere: write to us.
& Tell us in your profile where parcels should go. | Street and town are edited in your account.
~ The president gave an address to the nation. | What is wrong with our street was in the paper. | Change is good.
& A moving film is shown in our office. | New streets are built every year.

help delete
? How do I delete my account? | close my account | I want to leave | remove my data | delete all my data | how can I
  end my membership?
& Please delete my account | How do I close an account? | I want my data removed
! Choose "close account" in the settings, and all your data are erased. | We erase everything about you when you write
  to us. | An account is closed within {few} days after your message. | Members can leave at any time; a click in the
  settings is enough.
& Whoever leaves us has all data erased. | To close it, open the settings and click "end".
~ Our account of the journey is a long story. | Data about the weather are free. | The shop is close to the station.
& We want to end hunger. | On no account leave the door open.

help lost
? My parcel has not arrived | Where is my order? | lost parcel | track my order | nothing came | The package is late,
  what now?
& Where is my package? | My order never came | How can I track a parcel?
! With the number in our email you can follow the parcel. | If nothing has come after {few} days, we send the goods
  again. | The state of each order is shown in your account. | Late parcels are searched for by the post; write to us.
& Follow your parcel with the number that you got. | What the post has lost we send once more.
~ It is never too late to order your life. | The track of the train is new. | Parcels of land are for sale.
& We never came so far. | A lost dog was found in our shop.

help broken
? My item arrived broken | The product is damaged | it does not work | defective product | something is missing | I
  got the wrong item
& What I got is broken | The device does not turn on | A part is missing in the box
! We are sorry: send us a photo and we replace what is damaged. | Goods with faults are replaced for free. | If you
  got something else than you ordered, we send the right one. | Missing parts are sent to you at once.
& Faulty goods are exchanged at once. | Send us a picture of the damage and you get another.
~ He arrived with a broken heart, says the novel. | Something is always missing in life. | Wrong notes hurt the ear.
& Turn on the light before you work. | Our record was broken.

help discount
? Do you have discounts? | voucher | discount code | Is it cheaper for students? | where do I enter a coupon? | any
  special offers?
& Are there special offers? | Do students pay less? | How do I use a voucher?
! Students get {few} percent off. | Enter the code of your coupon at the checkout. | Who orders for {money} euros
  saves {few} percent. | Readers of our newsletter get a voucher of {few} euros.
& You save {few} percent with a coupon. | For students everything is {few} percent cheaper.
~ Students entered the hall. | The code of this page is free. | Cheap talk is not our style.
& Students pay attention in class. | Special people work here.

help gift
? Can you wrap it as a gift? | gift wrapping | I want to send a present | Can I add a card with a message? | is there
  a gift card? | present for a friend
& Do you wrap presents? | Can it be sent as a present? | I would like a greeting in the box
! For {few} euros we wrap it in fine paper with a greeting of yours. | Tick "present" at the checkout and write your
  message. | Gift cards are sold from {few} euros on. | We pack it nicely and leave the price out.
& We put it in nice paper with a ribbon. | Your greeting is printed on a card and put into the box.
~ At present we have no jobs. | She has a gift for music. | A friend of the house wrote a book.
& I would like to be present. | Greetings from our team.
"""
