"""Ways to ask for a sum or a difference: those trained on, and those kept out to measure with."""

from __future__ import annotations

from .split import Phrasings, lines, words

ADDITION = Phrasings(
    train=lines(
        """
        What is {a} + {b}?
        What is {a}+{b}?
        {a} + {b}
        {a}+{b}
        {a} + {b} =
        {a}+{b}=
        {a} + {b} = ?
        {a} +{b}?
        what does {a} + {b} equal?
        How much is {a} + {b}?
        Calculate {a} + {b}.
        compute {a}+{b}
        solve {a} + {b}
        evaluate {a} + {b}
        What is {a} plus {b}?
        {a} plus {b}
        {a} plus {b} is?
        {a} plus {b} equals
        How much is {a} plus {b}?
        What does {a} plus {b} make?
        What do {a} plus {b} equal?
        what do you get when you add {a} and {b}?
        What do you get if you add {b} to {a}?
        Add {a} and {b}.
        Add {b} to {a}.
        add {a} {b}
        add the numbers {a} and {b}
        add up {a} and {b}
        What is the sum of {a} and {b}?
        the sum of {a} and {b}
        sum {a} and {b}
        Sum of {a} + {b}
        find the sum of {a} and {b}
        What is the total of {a} and {b}?
        total of {a} and {b}
        What is {a} and {b} together?
        How much are {a} and {b} together?
        what is {a} added to {b}?
        What is {b} more than {a}?
        increase {a} by {b}
        {a} increased by {b}
        what is the result of {a} + {b}?
        What is the answer to {a} + {b}?
        work out {a} + {b}
        work out {a} plus {b}
        do the math: {a} + {b}
        I have {a} {things} and buy {b} more. How many {things} do I have?
        I have {a} {things} and get {b} more. How many {things} do I have now?
        If I have {a} {things} and find {b} more, how many do I have?
        {one} has {a} {things} and {two} has {b}. How many do they have together?
        {one} has {a} {things}. {two} has {b} {things}. How many {things} is that in all?
        {one} has {a} {things} and gets {b} more from {two}. How many {things} does {one} have now?
        {one} buys {a} {things} and {two} buys {b} {things}. How many did they buy?
        {one} had {a} {things} and found {b} more. How many {things} are there now?
        {a} {things} and {b} {things}, how many {things} is that?
        {a} {things} plus {b} {things}
        There are {a} {things} in one box and {b} in another. How many {things} are there in total?
        what number is {a} + {b}?
        give me the sum of {a} and {b}
        put {a} and {b} together
        what is the value of {a} + {b}?
        Let me see: {a} + {b} makes?
        can you add {a} and {b}?
        can you add {b} to {a}?
        how much does {a} plus {b} make?
        my homework says {a} + {b}
        If you add {a} and {b}, what is the result?
        If I add {a} to {b}, how much is it?
        when you add {a} and {b}, what do you get?
        if {a} and {b} are added, what is the total?
        suppose you add {a} to {b}. What is the result?
        What do {a} and {b} make?
        how much would {a} plus {b} be?
        What will {a} + {b} be?
        {a} plus {b} gives what?
        {a} and {b} make what?
        I want to add {a} and {b}
        Could you sum {a} and {b}?
        First {one} gets {a} {things}, then {b} more. How many {things} is that?
        How many {things} do {one} and {two} have if {one} has {a} and {two} has {b}?
        """
    ),
    held_out=lines(
        """
        What's the result of adding {a} and {b}?
        How much do {a} and {b} make?
        {a} + {b} equals what?
        what is the result of {a} plus {b}?
        Compute the sum of {a} and {b}.
        Calculate {a} plus {b}
        Could you work out the sum of {a} and {b}?
        solve this: {a} + {b}
        I need to add {a} and {b}
        if you add {a} to {b}, what do you get?
        {a} and {b} added together
        Please sum {a} + {b}
        {a} plus {b} makes what?
        What would {a} + {b} be?
        total {a} + {b}
        Count them: {one} has {a} {things} and {two} has {b}. How many {things} do they have in total?
        """
    ),
)

SUBTRACTION = Phrasings(
    train=lines(
        """
        What is {a} - {b}?
        What is {a}-{b}?
        {a} - {b}
        {a}-{b}
        {a} - {b} =
        {a}-{b}=
        {a} - {b} = ?
        {a} -{b}?
        what does {a} - {b} equal?
        How much is {a} - {b}?
        Calculate {a} - {b}.
        compute {a}-{b}
        solve {a} - {b}
        evaluate {a} - {b}
        What is {a} minus {b}?
        {a} minus {b}
        {a} minus {b} is?
        {a} minus {b} equals
        How much is {a} minus {b}?
        What does {a} minus {b} make?
        What does {a} minus {b} leave?
        Subtract {b} from {a}.
        what do you get when you subtract {b} from {a}?
        What is {b} subtracted from {a}?
        subtract {b} from the number {a}
        Take {b} away from {a}.
        Take {b} from {a}.
        what is {a} take away {b}?
        {a} take away {b}
        {a} less {b}
        What is {a} less {b}?
        what is {b} less than {a}?
        What is the difference between {a} and {b}?
        the difference of {a} and {b}
        difference between {a} and {b}
        find the difference between {a} and {b}
        decrease {a} by {b}
        {a} decreased by {b}
        reduce {a} by {b}
        remove {b} from {a}
        what is left if you take {b} from {a}?
        what is the result of {a} - {b}?
        What is the answer to {a} - {b}?
        work out {a} - {b}
        work out {a} minus {b}
        do the math: {a} - {b}
        I have {a} {things} and give away {b}. How many {things} do I have?
        I have {a} {things} and lose {b}. How many {things} do I have left?
        If I have {a} {things} and eat {b}, how many are left?
        {one} has {a} {things} and gives {b} to {two}. How many does {one} have left?
        {one} has {a} {things} and loses {b}. How many {things} does {one} have left?
        {one} had {a} {things} and gave away {b}. How many are left?
        {one} had {a} {things}. {two} took {b} of them. How many {things} remain?
        {one} has {a} {things} and sells {b}. How many {things} are left?
        {a} {things} minus {b} {things}
        There are {a} {things} in a box. I take out {b}. How many {things} remain?
        what number is {a} - {b}?
        give me the difference between {a} and {b}
        what is the value of {a} - {b}?
        can you subtract {b} from {a}?
        can you take {b} from {a}?
        how much does {a} minus {b} make?
        my homework says {a} - {b}
        deduct {b} from {a}
        how much is left of {a} without {b}?
        If you subtract {b} from {a}, how much is left?
        if I take {b} from {a}, how much do I have?
        when you take {b} away from {a}, what is it?
        if {b} is taken from {a}, what is left?
        suppose you take {b} away from {a}. What is left?
        What will {a} - {b} be?
        how much would {a} minus {b} be?
        {a} minus {b} gives what?
        I want to subtract {b} from {a}
        Could you subtract {b} from {a}?
        If {one} has {a} {things} and gives {b} away, how many are left?
        """
    ),
    held_out=lines(
        """
        What's the result of subtracting {b} from {a}?
        {a} - {b} equals what?
        what is the result of {a} minus {b}?
        Compute the difference between {a} and {b}.
        Calculate {a} minus {b}
        Could you work out the difference between {a} and {b}?
        solve this: {a} - {b}
        I need to subtract {b} from {a}
        if you subtract {b} from {a}, what do you get?
        if I take {b} away from {a}, what is left?
        {a} minus {b} makes what?
        What would {a} - {b} be?
        what remains when you take {b} from {a}?
        how much is {a} take away {b}?
        Suppose {one} has {a} {things} and gives away {b}. How many {things} does {one} have left?
        """
    ),
)

THINGS = Phrasings(
    train=words("apples pears books coins cards eggs cats pens stamps balls cookies cars dollars stickers"),
    held_out=words("oranges marbles pencils candies"),
)
