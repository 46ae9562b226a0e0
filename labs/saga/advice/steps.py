"""Part 1: local transactions and their compensations."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

COMPENSATION = "saga-compensation"
EARLY = "saga-early-compensation"
ISOLATION = "saga-isolation"
SAGAS = "saga-what"

ADVICE: dict[str, Advice] = {
    "what-is-taken-is-put-back": Advice(
        3,
        "Sagas 1987, 2",
        (
            "Look at release and refund: how much do they put back, and how often?",
            "What is put back is what is on record for this order, and the record changes in the "
            "same transaction, so that a second compensation finds that it is done.",
            "release: a pb.Stock of self.stock[held.item] + held.quantity, and the reservation "
            'with state "released"; if that is its state already, Work(pb.DoResponse.DONE) '
            "without rows. refund: the same with self.accounts[held.customer] + held.amount.",
        ),
        COMPENSATION,
    ),
    "what-is-not-there-is-declined": Advice(
        2,
        "Sagas 1987, 2",
        (
            "Look at what reserve and charge do before they take anything.",
            "What can never succeed is declined, without rows: an item or a customer that there is "
            "not, and more than there is. All that there is may be taken.",
            "before < order.quantity and balance < order.price are declined(reason); so is an item "
            "that is not in self.stock, and a customer who is not in self.accounts.",
        ),
        SAGAS,
    ),
    "what-was-done-survives-crashes": Advice(
        3,
        "Sagas 1987, 2",
        (
            "Look at the rows of a Work: is everything in them that a restart needs?",
            "Do not touch self.stock or self.accounts yourself: commit writes all rows as one "
            "transaction and takes them into memory then.",
            'reserve has two rows, "stock/" + item and "reservations/" + order; charge has '
            '"accounts/" + customer and "charges/" + order; their compensations the same two.',
        ),
        SAGAS,
    ),
    "a-compensation-may-come-first": Advice(
        3,
        "Richardson 2018, 4.2",
        (
            "Look at release and refund when there is nothing on record for the order.",
            "A request that was slow may come after the compensation that gave it up. So the "
            "compensation leaves a mark, and the step is declined when it meets it.",
            'release: if held is None, DONE with a pb.Reservation(state="refused") as its row; '
            'refund: likewise pb.Charge(state="refused"). reserve and charge look for this state '
            "first of all.",
        ),
        EARLY,
    ),
    "a-compensation-leaves-the-work-of-others": Advice(
        2,
        "Sagas 1987, 2; Frank and Zahle 1998",
        (
            "Look at the quantity that release puts into stock.",
            "A compensation does not bring back a former state, as others have gone on from it. It "
            "undoes what its own step did: it adds what was taken.",
            "With self.commutative the new quantity is self.stock[held.item] + held.quantity; "
            "held.before is for the setting that shows what goes wrong.",
        ),
        COMPENSATION,
    ),
    "nobody-touches-what-is-pending": Advice(
        3,
        "Frank and Zahle 1998; Richardson 2018, 4.3",
        (
            "Look at pending: which reservations of others are in the way, and which are not?",
            'A reservation is a lock on its item as long as its state is "pending". Who meets it '
            "fails this time, and may come again: that is not the same as declined.",
            "pending: the first other of self.reservations with this item and this state, else an "
            "empty string. reserve: if self.semantic_locks and there is one, "
            "Work(pb.DoResponse.FAILED, reason).",
        ),
        ISOLATION,
    ),
}
