"""The guide: its questions read, checked, held against runs, and asked."""
