"""Bounded exhaustive exploration: every order of deliveries, losses, timers and crashes."""
