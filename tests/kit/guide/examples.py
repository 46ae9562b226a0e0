"""A page of two questions that nothing is wrong with."""

from __future__ import annotations

SHORT = "word " * 70
QUESTION = f"""\
### Why so? {{#why-so}}

**Short answer.** {SHORT.strip()}

**Reasoning.** Because, and see [the other](#why-not).

**Trade-off.** It costs.

**In practice.** Somebody did it [Raft 5.4].

**Wrong answer.** "No."

**Follow-ups.** What then?

**See it.** `lab run raft leader-crash`.

```expect
experiment: raft/leader-crash
measurement: acknowledged_writes_lost
equals: 0
```
"""
OTHER = QUESTION.replace("why-so", "why-not").replace("Why so?", "Why not?")
GOOD = f"# Page\n\n## Part\n\n{QUESTION}\n{OTHER}"
READING = "# Reading list\n\n- **[Raft]** Ongaro and Ousterhout.\n"
