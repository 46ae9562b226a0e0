"""Part 2: idempotency keys."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

KEYS = "saga-keys"

ADVICE: dict[str, Advice] = {
    "a-repetition-has-no-effect": Advice(
        3,
        "Helland 2012",
        (
            "Look at the beginning of work: what does it do with a key that it has seen?",
            "The result is remembered on disk, under the key, in the transaction of the effect. "
            "Whoever comes again gets it, marked as repeated.",
            "known = self.requests.get(request.key): return Work(known.result, known.reason, "
            'repeated=True). Else put pb.Request(result, reason) into work.rows as "requests/" + '
            "key.",
        ),
        KEYS,
    ),
    "a-repetition-has-the-first-result": Advice(
        3,
        "Helland 2012",
        (
            "Look at which results work remembers, and which it gives to a repetition.",
            "A client that asks again wants to know what became of its request, and not what would "
            "become of it today. That it was declined is a result, too.",
            "Remember every result but FAILED, also one without other rows; and return the "
            "remembered result with its reason.",
        ),
        KEYS,
    ),
    "what-failed-may-be-tried-again": Advice(
        2,
        "Helland 2012",
        (
            "Look at what work remembers of a request that met a semantic lock.",
            "FAILED says: not this time. If that were remembered, no repetition could succeed.",
            "Add the pb.Request to the rows only if request.key and work.result != "
            "pb.DoResponse.FAILED.",
        ),
        KEYS,
    ),
    "the-key-is-kept-with-the-effect": Advice(
        4,
        "Helland 2012; Sagas 1987, 3",
        (
            "A crash came between two things that must be one. Which of them does work save?",
            "Save the key first, and a crash loses the effect; save it last, and a crash doubles "
            "it. So both are rows of one transaction.",
            "work saves nothing: it returns the rows, with the key among them, and do commits them "
            "together.",
        ),
        KEYS,
    ),
    "lost-answers-charge-nobody-twice": Advice(
        3,
        "Helland 2012",
        (
            "Look at request_for: a step is asked for again. Is its key the same?",
            "The key names what is wanted, and not the attempt: nothing may go into it that is "
            "different after a repetition, or after a crash.",
            "The key is order, step and direction, for instance order.id + a colon + the step's "
            "name + a colon + do or undo; no counter and no time.",
        ),
        KEYS,
    ),
    "keys-tell-orders-and-directions-apart": Advice(
        3,
        "Sagas 1987, 2",
        (
            "Look at request_for: which two requests have the same key, and are not the same?",
            "A step and its compensation are two things to do, and so are the steps of two orders.",
            'The direction comes from back: "undo" if back else "do". Set compensation=back, too. '
            "Without self.idempotent the key is empty.",
        ),
        KEYS,
    ),
}
