"""Every Redis key, once: pattern, type, what is in it, how long it lives, who writes it.

``<p>`` is a partition's number. All keys of a partition share the hash tag ``{<prefix>:<p>}``, so that one
script may touch them. JSON is UTF-8. Times in keys are Unix milliseconds.

Shared by all (prefix ``interlock``):

==============================  ======  =================================================================
``<prefix>:commands``           stream  ingress; field ``command`` = the command's JSON, private data sealed where its
                                        publisher has the key. Anyone, and the commit
                                        what charts send; the pump trims
``<prefix>:result:<id>``        string  the result's JSON; expires. The commit
``<prefix>:command:<id>``       string  fingerprint of the body first seen under this id, or ``cancelled``;
                                        expires. The commit
``<prefix>:reply:<token>``      list    results for one waiting publisher; expires. The commit
``<prefix>:meta``               hash    ``partitions``: how many; ``secret_key_id``. First process to start
``<prefix>:charts``             hash    ``<machine>@<version>`` = the chart's YAML. Workers when they start
``<prefix>:pump``               string  token of the pump that leads; expires. The pump
``<prefix>:alive``              string  when a pump last led, Unix milliseconds. The pump
``<prefix>:outages``            list    ``[begin, end]`` JSON: when none led for a while; the last 1000. The pump
``<prefix>:counters``           hash    ``<status>`` or ``<status>:<class>`` = number of commands. The commit
``<prefix>:webhooks``           hash    ``<webhook id>`` = the subscription's JSON, secret encrypted. CLI, HTTP
``<prefix>:tokens``             hash    ``<key id>`` = a token's JSON, its secret hashed. CLI, ``interlock dev``
``<prefix>:audit``              stream  ``deed`` = JSON {at, actor, action, target, details}: what was done beside
                                        commands; the newest. CLI, HTTP, workers
``<prefix>:listeners:<tenant>:<kind>:<id>``  hash  ``<client id>`` = JSON of a session of a principal that listens
                                        by CometD: channels, place in the outboxes; expires. HTTP
``<prefix>:notices``            stream  ``event`` = JSON in the form of an event, for the sessions of one principal; the
                                        newest. HTTP
``<prefix>:invoke:wake``        string  an invoke job is on its way; expires. Whoever enqueues it
``<prefix>:deliver:wake``       string  a deliver job is on its way; expires. Whoever enqueues it
``<prefix>:webhook:<id>:health``  string  JSON of an endpoint that fails: how often, since when, until when its
                                        breaker is open; none where the last attempt succeeded. Deliver
``<prefix>:webhook:<id>:rate``  string  when its next attempt may begin at the earliest, microseconds; expires.
                                        Deliver
==============================  ======  =================================================================

Of a partition (prefix ``{<prefix>:<p>}``):

==============================  ======  =================================================================
``:inbox``                      stream  commands behind the cursor; ``c`` = command, ``x`` = one that holds
                                        its slot in ``:exclusive``, ``f`` = one that found the slot held,
                                        ``t`` = timer due, ``r`` = a message refused at the door. The pump;
                                        the commit trims
``:exclusive``                  hash    ``[machine, key, command]`` JSON = id of the exclusive command that is
                                        in the inbox. append sets; the commit that takes it out clears
``:meta``                       hash    ``ingress``: last ingress id taken in; ``token``: last fencing token;
                                        ``cursor``: last inbox id committed; ``dispatched``: last outbox id
                                        made into deliveries
``:lease``                      string  fencing token of the owner; expires. acquire, commit, release
``:deliver:lease``              string  the same for the deliveries
``:wake``                       string  a drain job is on its way; expires. append, the sweeper
``:instance:<machine>/<key>``   string  the snapshot's JSON, private fields sealed. The commit
``:history:<machine>/<key>``    list    one entry's JSON a version, private data sealed. The commit
``:timers``                     zset    ``[machine, key, timer id]`` JSON by due time. The commit; due moves
``:later``                      zset    commands with ``not_before`` by that time, private data sealed. The
                                        commit; due moves
``:runs``                       hash    ``<run id>`` = JSON of a run of an invoked function, its input sealed
                                        where the chart keeps anything private. The commit; settle
``:runs:attempts``              hash    ``<run id>`` = attempts begun. claim; the commit and settle remove
``:runs:due``                   zset    run ids by the time of their next attempt. The commit, claim, settle
``:outbox``                     stream  ``event`` = CloudEvents JSON, the partition's event log. The commit;
                                        the pump trims what is old and dispatched
``:dead``                       stream  ``letter`` = JSON {at, error, raw}: what could not be applied; ``raw`` is
                                        sealed where a chart keeps anything private. The commit
``:index:<machine>``            zset    all keys of a machine, score 0 (ordered by bytes). The commit
``:index:<machine>:state:<s>``  zset    keys that are in state ``s`` (every active state, not only atomic ones)
``:index:<machine>:tag:<t>``    zset    keys that are in a state with this tag. The commit
``:index:<machine>:by:<f>``     zset    ``<value><NUL><key>``, score 0: the value of an indexed context field, of
                                        ``$created_at``, ``$updated_at``, ``$chart_version`` (`ordering`). Same
``:index:<machine>:has:<f>``    zset    ``<value><NUL><key>``, score 0: each value in an indexed field that is an array
``:rows:<machine>``             hash    key = JSON of what lists see of the instance (`indexing.Row`). The commit
``:index:<machine>:<f>=<v>``    zset    keys whose private field ``f`` was ``v``, by versions before fields were sealed.
                                        The commit takes it away
``:delivery:<id>``              string  a delivery's JSON; expires when it is finished. Dispatch, deliver
``:delivery:<id>:attempts``     list    one attempt's JSON each; expires likewise. Deliver
``:deliveries:due``             zset    webhook ids by the time of their earliest attempt, 0 to cancel what
                                        waits. Dispatch, deliver, disable, remove
``:webhook:<id>:due``           zset    ids of its pending deliveries by the time of their next attempt. Likewise
``:webhook:<id>:deliveries``    zset    delivery ids of one webhook by creation time; expires after the
                                        last. Dispatch
``:webhook:<id>:lane:<lane>``   list    ids of the pending deliveries of one instance (``<machine>/<key>``) to
                                        an ordered webhook; only the first is in ``:due``. Dispatch, deliver
``:webhook:<id>:statistics``    hash    its deliveries by status, failed attempts, last success and failure in
                                        Unix milliseconds. Dispatch, deliver
``:resends``                    list    JSON {webhook, delivery, entry}: what an operator wants sent again.
                                        CLI, HTTP; deliver takes
==============================  ======  =================================================================
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import orjson

DEFAULT_PREFIX = "interlock"


@dataclass(frozen=True, slots=True)
class PartitionKeys:
    """The keys of one partition; ``tag`` is ``{<prefix>:<p>}``."""

    tag: str

    @property
    def inbox(self) -> str:
        return f"{self.tag}:inbox"

    @property
    def exclusive(self) -> str:
        return f"{self.tag}:exclusive"

    @property
    def meta(self) -> str:
        return f"{self.tag}:meta"

    @property
    def lease(self) -> str:
        return f"{self.tag}:lease"

    @property
    def deliver_lease(self) -> str:
        return f"{self.tag}:deliver:lease"

    @property
    def wake(self) -> str:
        return f"{self.tag}:wake"

    @property
    def timers(self) -> str:
        return f"{self.tag}:timers"

    @property
    def later(self) -> str:
        return f"{self.tag}:later"

    @property
    def runs(self) -> str:
        return f"{self.tag}:runs"

    @property
    def run_attempts(self) -> str:
        return f"{self.tag}:runs:attempts"

    @property
    def runs_due(self) -> str:
        return f"{self.tag}:runs:due"

    @property
    def outbox(self) -> str:
        return f"{self.tag}:outbox"

    @property
    def dead(self) -> str:
        return f"{self.tag}:dead"

    @property
    def due(self) -> str:
        return f"{self.tag}:deliveries:due"

    def instance(self, machine: str, key: str) -> str:
        return f"{self.tag}:instance:{machine}/{key}"

    def history(self, machine: str, key: str) -> str:
        return f"{self.tag}:history:{machine}/{key}"

    def index(self, machine: str) -> str:
        return f"{self.tag}:index:{machine}"

    def state_index(self, machine: str, state: str) -> str:
        return f"{self.tag}:index:{machine}:state:{state}"

    def tag_index(self, machine: str, tag: str) -> str:
        return f"{self.tag}:index:{machine}:tag:{tag}"

    def order_index(self, machine: str, name: str) -> str:
        return f"{self.tag}:index:{machine}:by:{name}"

    def member_index(self, machine: str, name: str) -> str:
        return f"{self.tag}:index:{machine}:has:{name}"

    def field_index(self, machine: str, name: str, value: object) -> str:
        """Written no longer: see the table."""
        value_text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        return f"{self.tag}:index:{machine}:{name}={value_text}"

    def rows(self, machine: str) -> str:
        return f"{self.tag}:rows:{machine}"

    def delivery(self, delivery_id: str) -> str:
        return f"{self.tag}:delivery:{delivery_id}"

    def attempts(self, delivery_id: str) -> str:
        return f"{self.tag}:delivery:{delivery_id}:attempts"

    def webhook_due(self, webhook_id: str) -> str:
        return f"{self.tag}:webhook:{webhook_id}:due"

    def webhook_deliveries(self, webhook_id: str) -> str:
        return f"{self.tag}:webhook:{webhook_id}:deliveries"

    def webhook_lane(self, webhook_id: str, lane: str) -> str:
        return f"{self.tag}:webhook:{webhook_id}:lane:{lane}"

    def webhook_statistics(self, webhook_id: str) -> str:
        return f"{self.tag}:webhook:{webhook_id}:statistics"

    @property
    def resends(self) -> str:
        return f"{self.tag}:resends"


def exclusive_slot(machine: object, key: object, command: object) -> bytes:
    """The field of ``:exclusive`` for one command of one instance."""
    return orjson.dumps([machine, key, command])


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one deployment. ``partitions``: how many there are, fixed when its data began."""

    prefix: str = DEFAULT_PREFIX
    partitions: int = 16

    @property
    def commands(self) -> str:
        return f"{self.prefix}:commands"

    @property
    def meta(self) -> str:
        return f"{self.prefix}:meta"

    @property
    def charts(self) -> str:
        return f"{self.prefix}:charts"

    @property
    def pump(self) -> str:
        return f"{self.prefix}:pump"

    @property
    def alive(self) -> str:
        return f"{self.prefix}:alive"

    @property
    def outages(self) -> str:
        return f"{self.prefix}:outages"

    @property
    def counters(self) -> str:
        return f"{self.prefix}:counters"

    @property
    def webhooks(self) -> str:
        return f"{self.prefix}:webhooks"

    @property
    def tokens(self) -> str:
        return f"{self.prefix}:tokens"

    @property
    def audit(self) -> str:
        return f"{self.prefix}:audit"

    def listeners(self, tenant: str, kind: str, principal_id: str) -> str:
        return f"{self.prefix}:listeners:{tenant}:{kind}:{principal_id}"

    @property
    def notices(self) -> str:
        return f"{self.prefix}:notices"

    @property
    def invoke_wake(self) -> str:
        return f"{self.prefix}:invoke:wake"

    @property
    def deliver_wake(self) -> str:
        return f"{self.prefix}:deliver:wake"

    def webhook_health(self, webhook_id: str) -> str:
        return f"{self.prefix}:webhook:{webhook_id}:health"

    def webhook_rate(self, webhook_id: str) -> str:
        return f"{self.prefix}:webhook:{webhook_id}:rate"

    def result(self, command_id: str) -> str:
        return f"{self.prefix}:result:{command_id}"

    def fingerprint(self, command_id: str) -> str:
        return f"{self.prefix}:command:{command_id}"

    def reply(self, token: str) -> str:
        return f"{self.prefix}:reply:{token}"

    def is_reply(self, key: str) -> bool:
        """Whether ``key`` is a list that a publisher may name in ``reply_to``."""
        start = f"{self.prefix}:reply:"
        return key.startswith(start) and len(key) > len(start)

    def partition_of(self, machine: str, key: str) -> int:
        """The partition of an instance: CRC-32 of ``machine/key`` in UTF-8, modulo the number of partitions."""
        return zlib.crc32(f"{machine}/{key}".encode()) % self.partitions

    def partition(self, number: int) -> PartitionKeys:
        return PartitionKeys(f"{{{self.prefix}:{number}}}")

    def of_instance(self, machine: str, key: str) -> PartitionKeys:
        return self.partition(self.partition_of(machine, key))
