"""Planted bugs in local transactions and their compensations."""

from __future__ import annotations

from nodes.cores.saga import OrderSaga
from nodes.cores.saga.services import Work, declined
from protos import saga_pb2 as pb


class ReleasesNothing(OrderSaga):
    """Takes an order's reservation off, and does not put the goods back on sale."""

    def release(self, order: pb.Order) -> Work:
        work = super().release(order)
        work.rows = {name: row for name, row in work.rows.items() if not isinstance(row, pb.Stock)}
        return work


class RefundsTwice(OrderSaga):
    """Gives the money back each time that it is asked to."""

    def refund(self, order: pb.Order) -> Work:
        held = self.charges.get(order.id)
        if held is not None and held.state == "refunded":
            balance = self.accounts[held.customer] + held.amount
            account = pb.Account(balance=balance, open=True)
            return Work(pb.DoResponse.DONE, rows={f"accounts/{held.customer}": account})
        return super().refund(order)


class KeepsTheLastOne(OrderSaga):
    """Declines an order for all that is left."""

    def reserve(self, order: pb.Order) -> Work:
        if self.stock.get(order.item) == order.quantity:
            return declined(f"only {order.quantity} of {order.item} in stock")
        return super().reserve(order)


class SellsShort(OrderSaga):
    """Takes what there is when there is too little."""

    def reserve(self, order: pb.Order) -> Work:
        left = self.stock.get(order.item, 0)
        if left < order.quantity:
            order = pb.Order(id=order.id, item=order.item, quantity=left)
        return super().reserve(order)


class ChargesOnCredit(OrderSaga):
    """Takes what a customer has when that is too little."""

    def charge(self, order: pb.Order) -> Work:
        balance = self.accounts.get(order.customer, 0)
        if balance < order.price:
            order = pb.Order(id=order.id, customer=order.customer, price=balance)
        return super().charge(order)


class ReservesInMemoryOnly(OrderSaga):
    """Takes goods off in memory, and saves only that there is a reservation."""

    def reserve(self, order: pb.Order) -> Work:
        work = super().reserve(order)
        stock = work.rows.pop(f"stock/{order.item}", None)
        if isinstance(stock, pb.Stock):
            self.stock[order.item] = stock.quantity
        return work


class ChargesWithoutRecord(OrderSaga):
    """Takes the money, and does not write down for which order."""

    def charge(self, order: pb.Order) -> Work:
        work = super().charge(order)
        work.rows.pop(f"charges/{order.id}", None)
        return work


class ForgetsEarlyReleases(OrderSaga):
    """Does not remember a compensation that found nothing to undo."""

    def release(self, order: pb.Order) -> Work:
        if order.id not in self.reservations:
            return Work(pb.DoResponse.DONE)
        return super().release(order)


class ChargesAfterTheRefund(OrderSaga):
    """Takes the money of an order whose compensation came first."""

    def charge(self, order: pb.Order) -> Work:
        if self.charges.get(order.id, pb.Charge()).state == "refused":
            del self.charges[order.id]
        return super().charge(order)


class RestoresWhatWasBefore(OrderSaga):
    """Puts back the number of goods that there was before, and with it what others took since."""

    def release(self, order: pb.Order) -> Work:
        self.commutative = False
        return super().release(order)


class IgnoresPendingOrders(OrderSaga):
    """Sells an item that another order is about to get or to give back."""

    def pending(self, order: pb.Order) -> str:
        return ""


class DeclinesWhatIsPending(OrderSaga):
    """Declines for good what only had to wait."""

    def reserve(self, order: pb.Order) -> Work:
        work = super().reserve(order)
        if work.result == pb.DoResponse.FAILED:
            return declined(work.reason)
        return work


class LocksTheWholeShop(OrderSaga):
    """Lets an order wait for one that has another item reserved."""

    def pending(self, order: pb.Order) -> str:
        for other, held in self.reservations.items():
            if other != order.id and held.state == "pending":
                return other
        return ""


class LocksForEver(OrderSaga):
    """Lets orders wait for one that is over."""

    def pending(self, order: pb.Order) -> str:
        for other, held in self.reservations.items():
            if other != order.id and held.item == order.item:
                return other
        return ""
