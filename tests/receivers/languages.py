"""The snippets of docs/receivers.md, each with a program around it that answers cases line by line.

A program reads ``{"secret", "headers", "body": <base64>}`` a line and writes ``true`` or ``false`` for each.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "receivers.md"

_PYTHON = """
import json, sys
for line in sys.stdin:
    case = json.loads(line)
    print(json.dumps(verify(case["secret"], case["headers"], base64.b64decode(case["body"]))))
"""
_NODE = """
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  console.log(JSON.stringify(verify(secret, headers, Buffer.from(body, "base64"))));
}
"""
_GO = """
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var one struct {
			Secret  string
			Headers map[string]string
			Body    string
		}
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			panic(err)
		}
		headers := http.Header{}
		for name, value := range one.Headers {
			headers.Set(name, value)
		}
		body, _ := base64.StdEncoding.DecodeString(one.Body)
		fmt.Println(Verify(one.Secret, headers, body))
	}
}
"""
_RUBY = """
require "json"
STDIN.each_line do |line|
  one = JSON.parse(line)
  puts verify(one["secret"], one["headers"], one["body"].unpack1("m"))
end
"""
_PHP = """
while (($line = fgets(STDIN)) !== false) {
    $one = json_decode($line, true);
    echo json_encode(verify($one['secret'], $one['headers'], base64_decode($one['body']))), "\\n";
}
"""


@dataclass(frozen=True)
class Case:
    """A request as a receiver has it. ``genuine``: whether it must be taken."""

    name: str
    secret: str
    headers: dict[str, str]
    body: bytes
    genuine: bool

    def line(self) -> str:
        body = base64.b64encode(self.body).decode()
        return json.dumps({"secret": self.secret, "headers": self.headers, "body": body})


@dataclass(frozen=True)
class Language:
    """``fence``: how its block of the page begins; ``file``: where it is written with the ``program`` behind
    it; ``command``: how that runs."""

    fence: str
    file: str
    program: str
    command: tuple[str, ...]

    def snippet(self) -> str:
        """The block of the page, as it stands there."""
        [found] = re.findall(rf"```{self.fence}\n(.*?)```", PAGE.read_text(), re.DOTALL)
        return str(found)

    def judge(self, cases: Sequence[Case], directory: Path) -> list[bool]:
        """What the snippet says to each case. Skips the test where the language is not installed."""
        if shutil.which(self.command[0]) is None:
            pytest.skip(f"{self.command[0]} is not on PATH: the page's {self.fence} lines are not run here")
        self._write(directory)
        done = subprocess.run(
            self.command,
            cwd=directory,
            input="".join(case.line() + "\n" for case in cases),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _write(self, directory: Path) -> None:
        if self.fence != "go":
            (directory / self.file).write_text(self.snippet() + self.program)
            return
        snippet = self.snippet().replace("package webhooks", "package main", 1)
        (directory / self.file).write_text(snippet)
        (directory / "main.go").write_text(self.program)


LANGUAGES = (
    Language("python", "verify.py", _PYTHON, (sys.executable, "verify.py")),
    Language("javascript", "verify.mjs", _NODE, ("node", "verify.mjs")),
    Language("go", "verify.go", _GO, ("go", "run", "verify.go", "main.go")),
    Language("ruby", "verify.rb", _RUBY, ("ruby", "verify.rb")),
    Language("php", "verify.php", _PHP, ("php", "verify.php")),
)
