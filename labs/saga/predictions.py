"""What to predict before an experiment of the saga lab, or one of its checks, is run.

Each question has one right answer, and the measurements say which. "Sagas" is the paper of
Garcia-Molina and Salem (1987), "Richardson" is Microservices Patterns (2018).
"""

from __future__ import annotations

from labs.kit.predict import Measured, Prediction, guaranteed

# ------------------------------------------------------------------------------------ experiments


def _wherever_it_dies(m: Measured) -> int:
    styles = ("orchestrated", "choreographed")
    if any(m[f"half_done_{style}"] or m[f"books_off_{style}"] for style in styles):
        return 0
    return 2 if all(m[f"as_expected_{style}"] == 100 for style in styles) else 1


CRASHES = Prediction(
    id="dead-between-two-steps",
    about="crash-matrix",
    question="An order that can be carried out is under way. The orchestrator, or a service, dies "
    "at any point of it, and is back before anybody's patience is over. How does the order end?",
    choices=(
        "at some points half done: goods without a charge, or a charge without goods",
        "as a whole, but at some points undone, as nobody can know what had happened",
        "carried out, once, wherever the node died",
    ),
    outcome=_wherever_it_dies,
    why="What was about to be done is in the log, so it is asked for again (Sagas 4, 5); if it had "
    "been done, its key tells, as key and effect are one transaction (Helland 2012).",
)


def _charged_twice(m: Measured) -> int:
    if m["charges_twice_without_keys"] == 0:
        return 0
    return 1 if m["completed_without_keys"] < 100 else 2


REPLIES = Prediction(
    id="lost-replies-without-keys",
    about="duplicate-and-lost-replies",
    question="Steps have no idempotency keys, and a part of the answers gets lost, so that the "
    "orchestrator asks again. What do customers and the orchestrator notice?",
    choices=(
        "nothing: a repetition has no effect, as the order is the same",
        "some orders are not carried out, as a service finds them done already",
        "all orders are completed, and some customers have paid twice",
    ),
    outcome=_charged_twice,
    why="To the service the repetition is a request like any other; each answer the orchestrator "
    "gets is a yes, so every order is completed (Helland 2012). Only the books show it.",
)


def _money_back(m: Measured) -> int:
    if m["reported_early_retry"] > 0:
        return 0
    return 1 if m["stuck_retry"] == 100 and m["compensated_retry"] == 100 else 2


COMPENSATION = Prediction(
    id="a-refund-that-cannot-be-made",
    about="compensation-fails",
    question="An order turns back, and the payment service is down for longer than the "
    "orchestrator asks. What does a client hear that asks how its order is?",
    choices=(
        "that it is undone: the refund will follow",
        "that it is stuck, until an operator lets it try again",
        "that it is completed, as it cannot be undone",
    ),
    outcome=_money_back,
    why="A compensation cannot be declined and has no compensation of its own, so if it fails "
    "somebody has to be called (Sagas 6). Until then the order is not over, and nothing says so.",
)


def _what_others_lose(m: Measured) -> int:
    if m["refused_in_vain_commutative"] == 0:
        return 0
    return 1 if m["refused_in_vain_locks"] == 0 else 2


ISOLATION = Prediction(
    id="what-commuting-does-not-help",
    about="isolation-anomalies",
    question="Compensations add what was taken, so that no update is lost. One order has reserved "
    "the last goods and will turn back; another one asks for them meanwhile. What becomes of it?",
    choices=(
        "it gets them, once they are back",
        "it is declined for goods that come back a moment later; a semantic lock would prevent it",
        "it is declined for goods that come back, with a semantic lock as well",
    ),
    outcome=_what_others_lose,
    why="Each step is isolated, the saga is not: what it has done so far is seen, though it will "
    "not last (Sagas 1). A lock of the application lets others wait (Richardson 4.3).",
)


def _who_says_why(m: Measured) -> int:
    if m["carried_out_choreographed"] < 100:
        return 2
    return 0 if m["says_why_choreographed"] < m["says_why_orchestrated"] else 1


STYLES = Prediction(
    id="a-service-is-down-and-nobody-conducts",
    about="orchestration-vs-choreography",
    question="A service is down for a while, and orders come in. What is different in a "
    "choreography?",
    choices=(
        "its orders wait until the service has read on; nobody can say why they take so long",
        "nothing: its orders wait, and their status says for whom",
        "its orders are lost, as nobody asks the service again",
    ),
    outcome=_who_says_why,
    why="Events stay in the log, and the service reads on from its place. But no node knows how an "
    "order stands beyond the events that it has heard (Richardson 4.2).",
)


def _published_before(m: Measured) -> int:
    if m["events_lost_publish_before"] > 0:
        return 0
    return 1 if m["events_phantom_publish_before"] > 0 else 2


OUTBOX = Prediction(
    id="send-first-and-save-then",
    about="outbox-vs-dual-write",
    question="To lose no event a service sends it first, and saves its effect then. It dies "
    "between the two. What comes of it?",
    choices=(
        "the event is lost after all",
        "others act upon something that has not happened: goods are shipped that nobody paid for",
        "nothing: the service is asked again, and does it then",
    ),
    outcome=_published_before,
    why="Two things that are not one transaction are parted by a crash, whichever is first "
    "(Richardson 3.3). Sent last, the event is lost; sent first, it is a lie.",
)


def _under_partition(m: Measured) -> int:
    if m["accepted_during_saga"] < 100:
        return 0
    if m["accepted_during_two_pc"] > 0:
        return 2
    return 1 if m["dirty_reads_saga"] > 0 else 3


TWO_PHASES = Prediction(
    id="the-price-of-going-on",
    about="saga-vs-2pc",
    question="One of three services is cut off, and orders come in: as sagas, and with two-phase "
    "commit. Which of them are accepted, and at what price?",
    choices=(
        "neither: without all services there is no order",
        "the sagas, and others see orders that are half done",
        "both, and two-phase commit has the others wait a little",
        "the sagas, at no price but time",
    ),
    outcome=_under_partition,
    why="A saga gives back its locks after each step, and waits with the rest of the order (Sagas "
    "1). Two-phase commit needs every vote. What the saga gives for it is isolation.",
)

# ------------------------------------------------------------------------------------------ checks

EARLY = Prediction(
    id="undo-what-was-not-done",
    about="check:a-compensation-may-come-first",
    question="The payment service is asked to refund an order for which it has never charged "
    "anybody. What is right?",
    choices=(
        "to do nothing, remember it, and decline the charge if it comes",
        "to do nothing at all, as there is nothing to undo",
        "to answer with an error, so that somebody looks into it",
    ),
    outcome=guaranteed(0),
    why="The request to charge may still be on its way. Were it done when it comes, nobody would "
    "undo it any more (Richardson 4.2).",
)

WITH_EFFECT = Prediction(
    id="when-to-save-the-key",
    about="check:the-key-is-kept-with-the-effect",
    question="A service does each step once for its key. When does it save the key?",
    choices=(
        "before the effect, so that nobody can come in between",
        "after the effect, when it is sure that it was done",
        "with the effect, in one transaction",
    ),
    outcome=guaranteed(2),
    why="A crash after the first loses the effect, as the repetition is taken for done; one after "
    "the second doubles it (Helland 2012).",
)

INTENT = Prediction(
    id="log-first-or-call-first",
    about="check:wherever-a-node-crashes",
    question="The orchestrator is about to ask for a step. Why does it log that first, and not "
    "when the step is done?",
    choices=(
        "so that the services can read in the log what to do",
        "so that after a crash no step may have been done of which the log knows nothing",
        "so that no step is ever asked for twice",
    ),
    outcome=guaranteed(1),
    why="The log may be a step ahead, which a repetition under the same key heals; were it behind, "
    "nobody would finish or undo that step (Sagas 4).",
)

SILENCE = Prediction(
    id="silence-and-turning-back",
    about="check:what-may-have-been-done-is-undone",
    question="The charge was asked for six times and never answered; the order turns back. What is "
    "undone?",
    choices=(
        "the reservation: the charge was not done",
        "the charge first, as if it had been done, and then the reservation",
        "nothing, until it is known what became of the charge",
    ),
    outcome=guaranteed(1),
    why="No answer is not no. A compensation that finds nothing does nothing, so that to ask for "
    "it is always right (Sagas 4).",
)

AT_LEAST_ONCE = Prediction(
    id="twice-in-the-log",
    about="check:what-comes-twice-is-taken-once",
    question="An outbox sends each event until the log has acknowledged it. How often is an event "
    "in the log?",
    choices=(
        "at least once: whoever reads it has to know what it has taken",
        "exactly once: that is what the acknowledgement is for",
        "at most once: a lost event is sent by the next one",
    ),
    outcome=guaranteed(0),
    why="The acknowledgement may get lost, and then the event is sent again, which is right "
    "(Richardson 3.3). The inbox makes it once, in the transaction of the effect.",
)

PREDICTIONS: tuple[Prediction, ...] = (
    CRASHES,
    REPLIES,
    COMPENSATION,
    ISOLATION,
    STYLES,
    OUTBOX,
    TWO_PHASES,
    EARLY,
    WITH_EFFECT,
    INTENT,
    SILENCE,
    AT_LEAST_ONCE,
)
