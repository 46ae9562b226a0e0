"""What to predict before an experiment of the Raft lab, or one of its checks, is run.

Each question has one right answer, and the measurements say which. Sections are of the extended
Raft paper unless the thesis is named.
"""

from __future__ import annotations

from labs.kit.predict import Measured, Prediction, guaranteed

# ---------------------------------------------------------------------------- elections


def _slowest_phase(m: Measured) -> int:
    phases = (m["detection_ms"], m["election_ms"], m["first_write_ms"])
    return phases.index(max(phases))


LEADER_CRASH = Prediction(
    id="where-downtime-goes",
    about="leader-crash",
    question="The leader crashes under load. Where does most of the time go until the next write "
    "is acknowledged?",
    choices=(
        "into noticing: nobody campaigns yet",
        "into the election: candidates collect votes",
        "into the new leader's first write: it has to reach a majority",
    ),
    outcome=_slowest_phase,
    why="A follower cannot tell a dead leader from a slow one, so it waits for a whole election "
    "timeout (5.2), which is far longer than a message takes. The election and the first write "
    "are one round trip each: that is why 9.3 makes downtime shorter by shorter timeouts.",
)


def _narrow_against_wide(m: Measured) -> int:
    ratio = m["election_ms_150_155"] / m["election_ms_150_300"]
    return 0 if ratio < 0.8 else 1 if ratio <= 2 else 2


ELECTION_TIMEOUTS = Prediction(
    id="narrow-timeouts",
    about="election-timeouts",
    question="Election timeouts are drawn from 150-155 ms instead of 150-300 ms, so they are "
    "shorter on average. How long does the typical election (the median) take in comparison?",
    choices=(
        "less: the first timeout comes sooner",
        "about as long, up to twice as long",
        "more than twice as long",
    ),
    outcome=_narrow_against_wide,
    why="Timeouts that nearly coincide make several servers campaign before they hear of each "
    "other. Each votes for itself, nobody gets a majority, and all try again with timeouts that "
    "coincide again (5.2). The paper's Figure 16 (9.3) shows the same: a little randomness saves "
    "seconds.",
)


def _share_of_splits(m: Measured) -> int:
    share = m["split_share_3_tight"]
    return 0 if share < 10 else 1 if share <= 60 else 2


SPLIT_VOTE = Prediction(
    id="tight-timeouts-split",
    about="split-vote",
    question="Of three servers the leader crashes. Election timeouts differ by at most 10 ms, "
    "which is the time that one message takes. How many elections need more than one term?",
    choices=(
        "fewer than one in ten: the first to time out wins",
        "some: between one in ten and six in ten",
        "more than six in ten",
    ),
    outcome=_share_of_splits,
    why="A candidate wins undisturbed only if its request arrives before the other server times "
    "out as well. When timeouts differ by less than a message takes, both have voted for "
    "themselves by then. So 5.2 draws timeouts from a range, and 5.6 wants broadcasts to be far "
    "quicker than it.",
)

# ---------------------------------------------------------------------------- partitions


def _seen_by_majority(m: Measured) -> int:
    if m["leader_changes"] > 0:
        return 0
    return 2 if m["throughput_during"] < 0.5 * m["throughput_before"] else 1


PARTITION_MINORITY = Prediction(
    id="followers-cut-off",
    about="partition-minority",
    question="Two followers of five are cut off for a while. What do clients of the other three "
    "servers notice?",
    choices=(
        "an election, and no service until it is won",
        "hardly anything: the leader stays and serves on",
        "the leader stays, but throughput drops by more than half, since two servers do not answer",
    ),
    outcome=_seen_by_majority,
    why="The leader commits what is on a majority, and three of five are one; it waits for no "
    "other (5.3). Those cut off cannot be elected, since they are only two (5.2). The leader "
    "sends them what they missed once they are back.",
)


def _two_leaders(m: Measured) -> int:
    if m["acknowledged_in_minority"] > 0:
        return 2
    return 1 if m["two_leaders_ms"] > 0 else 0


PARTITION_LEADER = Prediction(
    id="two-leaders",
    about="partition-leader",
    question="The leader and one follower are cut off from the other three, and each side has "
    "clients. What happens typically?",
    choices=(
        "at no moment are there two leaders: the old one resigns first, and acknowledges nothing",
        "for a while two servers lead, and only the new one acknowledges writes",
        "for a while two servers lead, and both acknowledge writes",
    ),
    outcome=_two_leaders,
    why="Election Safety is about terms: one leader in each (5.2), and the old one leads an "
    "earlier one. It cannot commit, since its side is no majority (5.3), so its clients never "
    "hear yes. CheckQuorum (thesis 6.2) makes it step down, after about an election timeout.",
)


def _one_link(m: Measured) -> int:
    if m["leader_changes_neither"] == 0:
        return 0
    return 2 if m["throughput_neither"] < 0.1 * m["throughput_both"] else 1


ASYMMETRIC_PARTITION = Prediction(
    id="one-broken-link",
    about="asymmetric-partition",
    question="One link of ten breaks: that between the leader and one of four followers. All "
    "others work. What does plain Raft do, without PreVote and CheckQuorum?",
    choices=(
        "nothing: four servers hear the leader, so it stays",
        "that one follower deposes the leader, and clients see an election, but service goes on",
        "the cluster hardly serves until the link is mended",
    ),
    outcome=_one_link,
    why="The follower hears no leader, so it campaigns in a higher term; the others may hear "
    "their leader, but a higher term makes any server a follower (5.1). PreVote asks first "
    "whether an election could be won (thesis 9.6): servers that hear a leader say no, and terms "
    "stay.",
)

# ---------------------------------------------------------------------------- reads


def _stale_modes(m: Measured) -> int | None:
    seen = [m[f"stale_reads_{mode}"] > 0 for mode in ("stale", "lease_skew", "readindex")]
    # The more a kind of read checks, the fewer of its answers are stale; else nobody can tell.
    return sum(seen) if seen == sorted(seen, reverse=True) else None


STALE_READ = Prediction(
    id="stale-reads",
    about="stale-read",
    question="A leader is cut off and replaced, and clients go on reading from it. It serves "
    "reads in one of three ways: from what it has (plain), by a lease while its wall clock runs "
    "at a tenth of its speed, or by ReadIndex. Which return values that were overwritten before "
    "they were asked?",
    choices=(
        "none: a leader that is cut off answers no read",
        "plain reads only",
        "plain reads and lease reads",
        "all three",
    ),
    outcome=_stale_modes,
    why="A leader must hear from a majority before it answers, since it may have been deposed "
    "(8); ReadIndex does that (thesis 6.4), so cut off it answers nothing. A lease replaces the "
    "round of messages by a clock (thesis 6.4.1), and is as good as that clock.",
)


def _requests(m: Measured) -> int:
    sent = m["requests_readindex"]
    return 0 if sent < 0.5 else 1 if sent < 2 else 2


READ_COST = Prediction(
    id="readindex-requests",
    about="read-cost",
    question="One client reads from the leader of five servers, one read after the other, by "
    "ReadIndex. How many requests does the leader send for each, beyond its usual heartbeats?",
    choices=(
        "none: it has the value",
        "about one: it asks whether it still leads",
        "two or more: it asks all others, and waits for a majority",
    ),
    outcome=_requests,
    why="To know that it still leads, the leader exchanges a heartbeat with a majority before it "
    "answers (8, thesis 6.4), and it asks all four since it cannot know who is quick. That is as "
    "many requests as a write costs, without the fsync; reads that wait together share a round.",
)

# ---------------------------------------------------------------------------- slowness


def _extra_delays(m: Measured) -> int:
    extra = m["extra_delays_one_slow"]
    return 0 if extra < 0.5 else 1 if extra < 1.5 else 2


SLOW_FOLLOWER = Prediction(
    id="one-slow-follower",
    about="slow-follower",
    question="Messages from and to one of four followers are late, each by the same delay. How "
    "much longer does a write take?",
    choices=(
        "hardly longer: by less than half a delay",
        "about one delay longer",
        "about two delays longer: there and back",
    ),
    outcome=_extra_delays,
    why="A write is committed once a majority holds it (5.3), that is the leader and the two "
    "quickest of four followers. A minority of slow servers slows nobody down (2); only when "
    "three are slow does every write wait for one.",
)


def _under_loss(m: Measured) -> int:
    if m["acknowledged_writes_lost"] > 0:
        return 0
    if m["leader_changes_40_percent"] >= 1:
        return 1
    return 2 if m["throughput_kept_40_percent"] < 60 else 3


PACKET_LOSS = Prediction(
    id="many-lost-calls",
    about="packet-loss",
    question="For some seconds, 40 % of all requests between servers get lost, and 40 % of all "
    "responses. What shows most?",
    choices=(
        "writes that were acknowledged get lost",
        "leaders: in a typical trial at least one is replaced",
        "throughput: less than 60 % of it remains, but the leader mostly stays and nothing is lost",
        "hardly anything: more than 60 % of the throughput remains",
    ),
    outcome=_under_loss,
    why="Requests are repeated until they succeed, and repeating one does no harm (5.5), so loss "
    "costs time and not correctness. A follower gives its leader up only when every heartbeat of "
    "a whole election timeout gets lost (5.2), which is rare as long as several fit into one "
    "(5.6).",
)

# ---------------------------------------------------------------------------- safety, logs


def _figure_8(m: Measured) -> int:
    if m["majority_entries_overwritten_overwritten"] == 0:
        return 0
    return 1 if m["majority_entries_overwritten_own_entry"] == 0 else 2


FIGURE_8 = Prediction(
    id="majority-of-an-old-term",
    about="figure-8",
    question="A leader copies an entry of an earlier term until three of five servers hold it, "
    "and crashes before it has copied an entry of its own term. Can another leader overwrite "
    "that entry?",
    choices=(
        "no: it is on a majority, so whoever gets elected has it",
        "yes, but not if an entry of the leader's own term had reached a majority behind it",
        "yes, and an entry of the leader's own term behind it would change nothing",
    ),
    outcome=_figure_8,
    why="Votes go to logs whose last term is as late as the voter's (5.4.1), and an entry of an "
    "old term does not make a log later: a server with one of a later term may still win. So "
    "leaders count copies only of entries of their own term, and older ones are committed with "
    "them (5.4.2).",
)


def _sent_one_by_one(m: Measured) -> int:
    share = m["entries_by_log_snapshot"] / m["missed_entries_snapshot"]
    if share == 0:
        return 3
    return 0 if share >= 0.95 else 1 if share >= 0.5 else 2


SNAPSHOT_CATCH_UP = Prediction(
    id="entries-behind-a-snapshot",
    about="snapshot-catch-up",
    question="A follower is cut off while the others take many hundred writes and a snapshot "
    "every 100 entries. How many of the entries that it missed are sent to it one by one "
    "afterwards?",
    choices=(
        "all, since a log has no gaps",
        "about half of them or more",
        "fewer than half: those behind the last snapshots",
        "none: the snapshot is the state",
    ),
    outcome=_sent_one_by_one,
    why="What a snapshot covers is discarded from the log, so the leader sends the snapshot "
    "instead (7), and then the entries behind it. What is sent depends on how often snapshots "
    "are taken and no longer on how long the follower was away.",
)


def _lost_without_fsync(m: Measured) -> int:
    lost = m["acknowledged_writes_lost_fsync_off"]
    if lost == 0:
        return 0
    return 1 if lost < m["acknowledged_writes_fsync_off"] else 2


LOST_FSYNC = Prediction(
    id="majority-without-fsync",
    about="lost-fsync",
    question="Two of five servers are down, and the other three acknowledge writes without "
    "fsync. Then those three lose power at once, and all restart. What becomes of acknowledged "
    "writes?",
    choices=(
        "none is lost: each was on three servers",
        "some are lost",
        "all are lost",
    ),
    outcome=_lost_without_fsync,
    why="Servers must have the log on stable storage before they answer (Figure 2): that is what "
    "commitment counts on. Copies in memory protect from crashes that happen one at a time, and "
    "a power cut takes all of them together; only what the system happened to write before "
    "stays.",
)

# ---------------------------------------------------------------------------- the checks

SPLIT_VOTES_SETTLED = Prediction(
    id="leaders-of-one-term",
    about="check:split-votes-are-settled",
    question="Several servers campaign at the same moment, in the same term. How many leaders "
    "can that term have?",
    choices=("two, until one of them hears of the other", "always exactly one", "one or none"),
    outcome=guaranteed(2),
    why="Each server votes once a term, and two majorities share a server, so no two win (5.2). "
    "But votes can split so that nobody wins; then the term has no leader, and the next one "
    "begins.",
)

MINORITY_COMMITS_NOTHING = Prediction(
    id="commits-of-a-minority",
    about="check:minority-leader-commits-nothing",
    question="A leader of five keeps one follower, and clients write to it. What happens to "
    "their writes while the partition lasts?",
    choices=(
        "they are committed, and sent to the others after the heal",
        "they stay in two logs, uncommitted, and nobody is told that they happened",
        "the leader does not even append them, since it knows that it has no majority",
    ),
    outcome=guaranteed(1),
    why="An entry is committed once a majority holds it, and two of five are none (5.3). The "
    "leader appends first and counts afterwards: it cannot know whether the others are slow or "
    "gone.",
)

DEPOSED_ENTRIES_VANISH = Prediction(
    id="entries-of-a-deposed-leader",
    about="check:deposed-leaders-entries-vanish",
    question="A leader that was cut off holds entries that no majority has. It comes back, and "
    "another server leads by now. What becomes of those entries?",
    choices=(
        "they are appended behind the new leader's entries",
        "they are overwritten, and their clients never hear that they happened",
        "the new leader takes them over, since they are older than its own",
    ),
    outcome=guaranteed(1),
    why="A leader never changes its own log; followers drop what conflicts with it (5.3). That "
    "harms nobody: no majority held the entries, so they were never committed, nor acknowledged "
    "(5.4).",
)

VOTES_SURVIVE = Prediction(
    id="vote-after-a-restart",
    about="check:votes-survive-crashes",
    question="A server votes in term 5, crashes and restarts. Another candidate of term 5, with "
    "as good a log, asks for its vote. What does it say?",
    choices=(
        "yes: after a restart it has not voted",
        "no: it knows that it voted for another one in this term",
        "no: after a restart it votes for nobody until it has heard from a leader",
    ),
    outcome=guaranteed(1),
    why="The current term and the vote are on stable storage before the answer goes out (Figure "
    "2). With a second vote in one term, two candidates could have a majority each, and both "
    "lead (5.2).",
)

LAGGING_FOLLOWER = Prediction(
    id="discarded-entries",
    about="check:lagging-follower-gets-snapshot",
    question="A follower needs an entry that the leader discarded, since a snapshot covers it. "
    "How does the follower catch up?",
    choices=(
        "the leader sends its snapshot, and then the log behind it",
        "another follower, which still has the entry, sends it",
        "the leader asks clients for the commands again",
    ),
    outcome=guaranteed(0),
    why="Entries flow from leaders to followers only (5), and where they are gone, "
    "InstallSnapshot takes their place (7, Figure 13). The follower then goes on with "
    "AppendEntries as usual.",
)

LOST_RESPONSES = Prediction(
    id="a-write-sent-twice",
    about="check:lost-responses-repeat-nothing",
    question="A write takes effect, its response gets lost, and the client sends it again with "
    "the same number. What happens?",
    choices=(
        "it takes effect twice: the log cannot know",
        "the client gets the first response, and nothing is done a second time",
        "it is refused with an error, since its number is used up",
    ),
    outcome=guaranteed(1),
    why="The state machine remembers, for each client, the last number and its response (8, "
    "thesis 6.3). The log may well hold the command twice: what counts is that it is applied "
    "once.",
)

LEADER_REMOVES_ITSELF = Prediction(
    id="a-leader-without-a-vote",
    about="check:leader-removes-itself",
    question="A leader appends the configuration in which it is no longer a member. What does it "
    "do until that is committed?",
    choices=(
        "it steps down at once: it is no member",
        "it leads on and counts itself, as it did when the change began",
        "it leads on, but does not count itself in majorities",
    ),
    outcome=guaranteed(2),
    why="A configuration holds as soon as it is in a log (thesis 4.1), so majorities are counted "
    "without the leader. Somebody has to replicate it nevertheless, so the leader manages a "
    "cluster that it is no part of, and steps down once the entry is committed (thesis 4.2.2).",
)

PREDICTIONS: tuple[Prediction, ...] = (
    LEADER_CRASH,
    ELECTION_TIMEOUTS,
    SPLIT_VOTE,
    PARTITION_MINORITY,
    PARTITION_LEADER,
    ASYMMETRIC_PARTITION,
    STALE_READ,
    READ_COST,
    SLOW_FOLLOWER,
    PACKET_LOSS,
    FIGURE_8,
    SNAPSHOT_CATCH_UP,
    LOST_FSYNC,
    SPLIT_VOTES_SETTLED,
    MINORITY_COMMITS_NOTHING,
    DEPOSED_ENTRIES_VANISH,
    VOTES_SURVIVE,
    LAGGING_FOLLOWER,
    LOST_RESPONSES,
    LEADER_REMOVES_ITSELF,
)
