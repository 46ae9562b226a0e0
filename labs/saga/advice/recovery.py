"""Part 3: the saga log, and what follows from it after a crash."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

LOG = "saga-log"
SAGAS = "saga-what"

ADVICE: dict[str, Advice] = {
    "an-order-is-carried-out": Advice(
        4,
        "Sagas 1987, 2",
        (
            "Look at advance: what comes after the step that is done, and what after the last one?",
            "The step at hand is put to those that are done; the next one of the plan is logged as "
            "the one at hand, and then asked for. After the last one the saga ends.",
            "saga.done.append(saga.step); place = PLAN.index(saga.step) + 1; if place == len(PLAN) "
            "then end(saga, pb.COMPLETED), else saga.step = PLAN[place], log, take_step.",
        ),
        SAGAS,
    ),
    "orders-do-not-wait-for-each-other": Advice(
        2,
        "Sagas 1987, 8",
        (
            "Look at where log puts a saga: are there several at once?",
            "Each order is a row of its own, and each of them goes on when its own answer comes.",
            "self.save(SAGAS + saga.order.id, saga): a slot for each order. For one that is "
            "undone, advance goes on with to_undo, until that is pb.NO_STEP.",
        ),
        LOG,
    ),
    "an-order-that-was-taken-is-not-forgotten": Advice(
        4,
        "Sagas 1987, 3, 4",
        (
            "Look at log and recover: what is left of an order after a power cut, and who goes on "
            "with it?",
            "What was saved before the answer is there after the crash. Nobody will ask for the "
            "step again unless the orchestrator does.",
            "log: crash_point, self.save(SAGAS + saga.order.id, saga), crash_point. recover: "
            "take_step for each of self.sagas.values() that is pb.RUNNING or pb.COMPENSATING.",
        ),
        LOG,
    ),
    "what-is-over-stays-over": Advice(
        2,
        "Sagas 1987, 4",
        (
            "Look at recover: which sagas does it take up?",
            "What is completed, compensated or stuck asks for nothing by itself.",
            "if saga.status in (pb.RUNNING, pb.COMPENSATING): self.take_step(saga); all others are "
            "left as they are.",
        ),
        LOG,
    ),
    "an-order-survives-its-orchestrator": Advice(
        4,
        "Sagas 1987, 4, 5",
        (
            "Look at the order of log and take_step in advance.",
            "First the intent, then the call: after a crash the log may be ahead of the services "
            "by one step, and never behind. That step is asked for again, under its old key.",
            "advance: saga.attempts = 0, change done and step, self.log(saga), and only then "
            "self.take_step(saga). recover asks for saga.step again.",
        ),
        LOG,
    ),
    "wherever-a-node-crashes": Advice(
        4,
        "Sagas 1987, 4, 5",
        (
            "Pass the other checks of this part first. Then look at which effect the crash was "
            "before: the failure shows it.",
            "Between any two effects a crash may fall. Ask of each pair: what does the disk say, "
            "and what will be asked for again?",
            "Everything that recover needs is in the pb.Saga, and it is saved as a whole: done and "
            "the next step together.",
        ),
        LOG,
    ),
}
