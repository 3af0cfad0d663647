"""The house rules that imports and calls can show, read from the source with `ast`; a break names
file:line.

Each rule is a function from a module's source to its breaks, and each has a wrong source that it must catch.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "interlock"

LAYERS = ("engine", "statecharts", "workers", "gateway", "cli")
"""Each imports only from its left."""

SHELL = {
    "interlock.engine.settings": "reads the environment and the settings file",
    "interlock.engine.schemas": "makes the configuration's schema out of the settings",
    "interlock.engine.asyncapi": "embeds the schemas",
    "interlock.engine.clients": "builds the Redis clients; the only module that does",
    "interlock.engine.fencing": "runs the Lua scripts of lease and commit",
    "interlock.engine.store": "reads and writes what the keys hold",
    "interlock.engine.listing": "reads lists from the indexes",
    "interlock.engine.publishing": "puts commands on the ingress stream, and makes their ids",
    "interlock.engine.subscription": "a webhook's record, which opens its secrets",
    "interlock.engine.subscription_options": "seals the secrets of a new webhook",
    "interlock.engine.subscriptions": "keeps the webhooks",
    "interlock.engine.subscription_changes": "changes what is kept of a webhook, makes new secrets",
    "interlock.engine.delivery_log": "keeps deliveries and attempts",
    "interlock.engine.redelivery": "finds what was missed, leaves wishes",
    "interlock.engine.webhook_health": "keeps how endpoints fail",
    "interlock.engine.webhook_statistics": "reads what the commits have counted",
    "interlock.engine.tokens": "keeps the tokens' hashes",
    "interlock.engine.dead_letters": "publishes anew, throws away",
    "interlock.engine.audit": "keeps what was done beside commands, by the clock",
    "interlock.engine.secrets": "reads the key file, encrypts with fresh nonces",
    "interlock.engine.vault": "finds the key, and asks which one the deployment uses",
    "interlock.engine.embedded": "runs a server process",
    "interlock.engine.lifeline": "ties a child process to its parent",
    "interlock.engine.logs": "writes logs",
    "interlock.engine.diagrams.render": "runs Graphviz",
    "interlock.engine.diagrams": "offers render beside the pure ones",
}
"""Modules of the engine that touch the world. Whatever is not named here is pure."""

LIBRARIES = {
    "redis": {
        "interlock.engine.clients": "builds the clients",
        "interlock.engine.fencing": "scripts and their errors",
        "interlock.engine.store": "the state",
        "interlock.engine.listing": "the indexes",
        "interlock.engine.publishing": "the ingress stream and replies",
        "interlock.engine.subscriptions": "the webhooks' hash, changed under WATCH",
        "interlock.engine.subscription_changes": "the type of the client that it is given",
        "interlock.engine.delivery_log": "deliveries and attempts",
        "interlock.engine.redelivery": "the outboxes, and lists of wishes",
        "interlock.engine.webhook_health": "one string an endpoint, changed under WATCH",
        "interlock.engine.webhook_statistics": "one hash an endpoint and partition",
        "interlock.engine.tokens": "the tokens' hash",
        "interlock.engine.audit": "one stream",
        "interlock.engine.secrets": "which key the deployment's secrets are under",
        "interlock.engine.vault": "the same, for private fields",
    },
    "rq": {"interlock.workers.rq_adapter": "one major version pinned, behind one module"},
    "transitions": {
        "interlock.engine.machine": "its objects carry the machine; its event dispatch is replaced"
    },
    "yaml": {"interlock.engine.yaml_source": "the composer only, under our own constructor"},
    "aiohttp": {
        "interlock.workers.http_client": "the one way out: total deadline, no redirects",
        "interlock.workers.vetted_connections": "and to vetted addresses only",
        "interlock.cli.demo.receiver": "the demo's customer: a server, it makes no requests",
    },
    "fastapi": {},
    "starlette": {},
    "jwt": {
        "interlock.gateway.jwt_tokens": "the algorithm is given by our key, never by the token",
        "interlock.gateway.key_sets": "reads JSON Web Keys",
    },
    "uvicorn": {"interlock.gateway.server": "the one that runs it"},
}
"""Libraries with sharp edges, and the modules that may import them."""

LIBRARIES_OF_A_LAYER = {
    "redis": {
        "workers": "type names and errors of the client they are given",
        "gateway": "type names and errors of the client it is given",
    },
    "fastapi": {"gateway": "what it is made of"},
    "starlette": {"gateway": "what FastAPI is made of"},
}
"""Layers in which every module may import a library."""

ENVIRONMENT_READERS = {
    "interlock.engine.settings": "reads what is configured",
    "interlock.cli.demo.stage": "makes the environment of the demo's own processes",
}
"""Modules that may look at the environment."""

IMPURE_MODULES = frozenset(
    (
        "redis",
        "rq",
        "time",
        "random",
        "secrets",
        "os",
        "socket",
        "subprocess",
        "threading",
        "asyncio",
        "aiohttp",
    )
)
LOCKING_MODULES = {
    "interlock.engine.expressions": "Python's parser and its warnings are one for all threads",
}
"""Pure modules that take a lock of their own around what is not theirs alone."""
CLOCK_CALLS = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "uuid.uuid4", "uuid4"}
)
ENVIRONMENT = frozenset({"os.environ", "os.getenv", "os.putenv"})
CODE_FROM_DATA = frozenset(
    {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle", "imp"}
)
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "import_attribute"}
FORBIDDEN_CALLS |= {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "import_string"}
IMPORT_BY_NAME = frozenset({"importlib.import_module", "import_module"})


@dataclass(frozen=True)
class Module:
    """A module's dotted name, the file it stands in, its syntax tree."""

    name: str
    file: str
    tree: ast.Module
    is_package: bool = False

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @property
    def layer(self) -> str:
        return self.name.split(".")[1] if "." in self.name else ""

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of each import, wherever it stands; of `from a import b`, ``a.b``."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = node.module or ""
                if node.level:
                    parents = self.name.split(".")[: None if self.is_package else -1]
                    kept = parents[: len(parents) - node.level + 1]
                    start = ".".join([*kept, start] if start else kept)
                yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, dotted(node.func)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of such an expression; the empty string of any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := dotted(node.value)):
        return f"{start}.{node.attr}"
    return ""


def parse(name: str, source: str, file: str = "<source>", *, is_package: bool = False) -> Module:
    return Module(name, file, ast.parse(source, file), is_package)


@cache
def modules() -> dict[str, Module]:
    """All modules of the package by name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        relative = path.relative_to(ROOT)
        parts = relative.with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name] = parse(name, path.read_text("utf-8"), str(relative), is_package=is_package)
    return found


Rule = Callable[[Module], Iterator[str]]


def imports_flow_one_way(module: Module) -> Iterator[str]:
    allowed = LAYERS[: LAYERS.index(module.layer) + 1] if module.layer in LAYERS else ()
    for line, name in module.imports():
        target = name.split(".")
        if target[0] == PACKAGE and len(target) > 1 and target[1] in LAYERS and target[1] not in allowed:
            yield f"{module.file}:{line}: {module.layer or PACKAGE} imports {name}, which is not to its left"


def pure_modules_touch_nothing(module: Module) -> Iterator[str]:
    if module.layer != "engine" or module.name in SHELL:
        return
    for line, name in module.imports():
        takes_a_lock = name == "threading" and module.name in LOCKING_MODULES
        if name.split(".")[0] in IMPURE_MODULES and not takes_a_lock:
            yield f"{module.file}:{line}: a pure module imports {name}: pass the value in"
        if (name if name in modules().keys() | SHELL.keys() else name.rpartition(".")[0]) in SHELL:
            yield f"{module.file}:{line}: a pure module imports {name}, which touches the world"
    for call, name in module.calls():
        if any(name == clock or name.endswith("." + clock) for clock in CLOCK_CALLS):
            yield f"{module.file}:{call.lineno}: a pure module calls {name}(): make it an argument"


def libraries_stay_where_they_belong(module: Module) -> Iterator[str]:
    for line, name in module.imports():
        library = name.split(".")[0]
        allowed_layers = LIBRARIES_OF_A_LAYER.get(library, {})
        if (
            library in LIBRARIES
            and module.name not in LIBRARIES[library]
            and module.layer not in allowed_layers
        ):
            places = ", ".join([*LIBRARIES[library], *(f"interlock.{layer}.*" for layer in allowed_layers)])
            yield f"{module.file}:{line}: imports {name}; {library} belongs to {places}"


def the_environment_is_read_where_the_table_says(module: Module) -> Iterator[str]:
    if module.name in ENVIRONMENT_READERS:
        return
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and dotted(node) in ENVIRONMENT:
            yield f"{module.file}:{node.lineno}: reads {dotted(node)}: settings do that"


def nothing_runs_code_from_data(module: Module) -> Iterator[str]:
    for line, name in module.imports():
        if name.split(".")[0] in CODE_FROM_DATA:
            yield f"{module.file}:{line}: imports {name}: data is JSON here"
    for call, name in module.calls():
        if name in FORBIDDEN_CALLS:
            yield f"{module.file}:{call.lineno}: calls {name}()"
        if name in IMPORT_BY_NAME and not (call.args and _names_our_package(call.args[0])):
            yield f"{module.file}:{call.lineno}: {name}() of a name that is no literal of ours"


def _names_our_package(argument: ast.expr) -> bool:
    """A literal, or an f-string that begins with the package's literal name: it cannot leave the package."""
    if isinstance(argument, ast.JoinedStr) and argument.values:
        start = argument.values[0]
        return isinstance(start, ast.Constant) and str(start.value).startswith(f"{PACKAGE}.")
    return isinstance(argument, ast.Constant)


RULES: list[Rule] = [
    imports_flow_one_way,
    pure_modules_touch_nothing,
    libraries_stay_where_they_belong,
    the_environment_is_read_where_the_table_says,
    nothing_runs_code_from_data,
]


def reached_from(name: str) -> set[str]:
    """The modules of the package that are loaded with this one, or by what stands in it."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        found.add(reached := ahead.pop())
        for _, target in modules()[reached].imports():
            known = {target, target.rpartition(".")[0]} & modules().keys()
            ahead += known - found
    return found


def test_what_starts_the_gateway_as_a_process_loads_nothing_that_serves() -> None:
    reached = reached_from("interlock.cli.dev")
    assert "interlock.gateway.process" in reached
    assert reached & {"interlock.gateway.server", "interlock.gateway.app"} == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    breaks = [found for module in modules().values() for found in rule(module)]
    assert not breaks, "\n" + "\n".join(breaks)


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (imports_flow_one_way, "interlock.engine.store", "from interlock.workers import drain"),
        (imports_flow_one_way, "interlock.engine.store", "from interlock import workers"),
        (imports_flow_one_way, "interlock.engine.store", "from ..workers.drain import Drainer"),
        (imports_flow_one_way, "interlock.statecharts.catalog", "import interlock.workers.drain"),
        (
            imports_flow_one_way,
            "interlock.workers.drain",
            "def late():\n    from interlock.cli.main import main",
        ),
        (imports_flow_one_way, "interlock.workers.drain", "import interlock.gateway"),
        (imports_flow_one_way, "interlock", "from interlock.cli.main import main"),
        (pure_modules_touch_nothing, "interlock.engine.decision", "import redis"),
        (pure_modules_touch_nothing, "interlock.engine.decision", "from os import environ"),
        (pure_modules_touch_nothing, "interlock.engine.decision", "from time import monotonic"),
        (pure_modules_touch_nothing, "interlock.engine.decision", "now = datetime.now(UTC)"),
        (pure_modules_touch_nothing, "interlock.engine.decision", "now = datetime.datetime.now(UTC)"),
        (pure_modules_touch_nothing, "interlock.engine.decision", "from interlock.engine.store import Store"),
        (pure_modules_touch_nothing, "interlock.engine.decision", "from interlock.engine import store"),
        (libraries_stay_where_they_belong, "interlock.workers.pump", "from rq import Queue"),
        (libraries_stay_where_they_belong, "interlock.cli.main", "import redis"),
        (libraries_stay_where_they_belong, "interlock.engine.step", "from transitions import Machine"),
        (libraries_stay_where_they_belong, "interlock.workers.supervisor", "import uvicorn"),
        (
            libraries_stay_where_they_belong,
            "interlock.engine.tokens",
            "from fastapi.security import HTTPBasic",
        ),
        (libraries_stay_where_they_belong, "interlock.cli.serve", "from starlette.types import ASGIApp"),
        (imports_flow_one_way, "interlock.gateway.app", "from interlock.cli.inputs import settings"),
        (the_environment_is_read_where_the_table_says, "interlock.workers.pump", "x = os.environ.get('A')"),
        (the_environment_is_read_where_the_table_says, "interlock.workers.pump", "x = os.getenv('A')"),
        (nothing_runs_code_from_data, "interlock.workers.jobs", "import pickle"),
        (nothing_runs_code_from_data, "interlock.engine.expressions", "eval('1')"),
        (nothing_runs_code_from_data, "interlock.engine.yaml_source", "yaml.load(text)"),
        (nothing_runs_code_from_data, "interlock.workers.jobs", "importlib.import_module(name)"),
        (nothing_runs_code_from_data, "interlock.workers.jobs", "importlib.import_module(f'{name}.x')"),
    ],
)
def test_the_rule_catches_a_wrong_source(rule: Rule, name: str, source: str) -> None:
    breaks = list(rule(parse(name, source)))
    assert breaks
    assert breaks[0].startswith("<source>:")


def test_every_module_named_in_a_table_exists_and_imports_what_it_may() -> None:
    known = {
        module.name: {found.split(".")[0] for _, found in module.imports()} for module in modules().values()
    }
    gone = sorted(name for name in {**SHELL, **ENVIRONMENT_READERS} if name not in known)
    idle = sorted(
        f"{name} ({library})"
        for library, places in LIBRARIES.items()
        for name in places
        if library not in known.get(name, ())
    )
    assert not gone, f"a table names modules that are not there: {gone}"
    assert not idle, f"LIBRARIES allows what nobody uses: {idle}"


def test_no_module_has_a_name_that_says_nothing_or_hides_another() -> None:
    unwelcome = {"utils", "util", "common", "base", "helpers", "manager", "misc"}
    unwelcome |= {"operator", "queue", "types", "signal", "logging"}
    found = [module.file for module in modules().values() if module.name.rpartition(".")[2] in unwelcome]
    assert not found
