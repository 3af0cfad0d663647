"""Interlock: lifecycles of conversations as declarative statecharts on Redis.

Publish a command: exactly one step is applied, recorded in history and announced by a signed webhook.
The packages, in the order in which they may import one another:
``engine`` <- ``statecharts`` <- ``workers`` <- ``cli``.
"""

__version__ = "0.1.0"
