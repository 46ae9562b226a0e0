"""Sagas, orchestrated and choreographed. Read services.py first, then the layers in its order."""

from nodes.cores.saga.service import OrderSaga

__all__ = ["OrderSaga"]
