"""Client sessions: each write of a client takes effect once, however often it is sent.

Ongaro's thesis, 6.3. A session is opened through the replicated log, and expires by a rule that
looks only at the log, so that all replicas agree on which sessions there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from protos import kv_pb2 as kv


class Expired(Exception):
    """The session or the response is no longer known: nobody can say whether the request took
    effect earlier."""


class Sessions:
    """What is remembered of each client: its latest responses.

    At most `limit` sessions are kept; the one unused for longest is forgotten first.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._sessions: dict[int, kv.ClientSession] = {}  # least recently used first

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, session: int) -> None:
        """Starts a session under a number that was never used before."""
        self._sessions[session] = kv.ClientSession(session=session)
        while len(self._sessions) > self.limit:
            del self._sessions[next(iter(self._sessions))]

    def recall(self, id: kv.RequestId) -> kv.CommandResult | None:
        """The result of the request if it took effect already, else None.

        Raises Expired when its session, or its result, has been forgotten.
        """
        session = self._sessions.pop(id.session, None)
        if session is None:
            raise Expired(f"client session {id.session} has expired")
        self._sessions[id.session] = session  # now the most recently used
        if id.sequence in session.results:
            return session.results[id.sequence]
        if id.sequence < session.acknowledged_below:
            raise Expired(f"request {id.sequence} was acknowledged by its client long ago")
        return None

    def remember(self, id: kv.RequestId, result: kv.CommandResult) -> None:
        """Keeps the result until the client says that it has it. The session must exist."""
        session = self._sessions[id.session]
        session.results[id.sequence].CopyFrom(result)
        if id.acknowledged_below > session.acknowledged_below:
            session.acknowledged_below = id.acknowledged_below
            for sequence in sorted(session.results):
                if sequence < id.acknowledged_below:
                    del session.results[sequence]

    def dump(self) -> Iterable[kv.ClientSession]:
        """All sessions, least recently used first."""
        return self._sessions.values()

    def load(self, sessions: Iterable[kv.ClientSession]) -> None:
        """Replaces everything by what `dump` gave."""
        self._sessions = {}
        for session in sessions:
            self._sessions[session.session] = kv.ClientSession()
            self._sessions[session.session].CopyFrom(session)
