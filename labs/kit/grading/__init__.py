"""Graded checks: what is promised, how it is judged, and by whom nobody is fooled."""
