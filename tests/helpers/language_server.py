"""A TOML language server, asked what an editor would ask."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self


def program() -> str | None:
    """Where tombi is, if it is installed."""
    return shutil.which("tombi", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


class LanguageServer:
    """Tombi, without a network; a `^` in a text is where the cursor stands."""

    def __init__(self, folder: Path) -> None:
        command = [str(program()), "lsp", "--offline", "--no-cache"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
        self.folder, self.number = folder, 0
        self.ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities={})
        self.tell("initialized")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def tell(self, method: str, **parameters: Any) -> None:
        """A notification, which has no answer."""
        self._send({"method": method, "params": parameters})

    def ask(self, method: str, **parameters: Any) -> Any:
        """A request's answer."""
        self.number += 1
        self._send({"id": self.number, "method": method, "params": parameters})
        answer = self._wait(lambda message: "method" not in message and message["id"] == self.number)
        assert "error" not in answer, answer
        return answer.get("result")

    def _wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next such message; others are dropped, and what the server asks is answered by null."""
        while not wanted(message := self._receive()):
            if "method" in message and "id" in message:
                self._send({"id": message["id"], "result": None})
        return message

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert length, "the language server has ended"
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message

    def open(self, text: str) -> tuple[str, list[str]]:
        """The address of a grid file of this text, and what is wrong with it."""
        self.number += 1
        uri = (self.folder / f"grid{self.number}.toml").as_uri()
        self.tell("textDocument/didOpen", textDocument={"uri": uri, "languageId": "toml", "version": 1, "text": text})
        told = self._wait(lambda message: (message.get("params") or {}).get("uri") == uri)["params"]
        return uri, [one["message"] for one in told["diagnostics"]]

    def at_cursor(self, method: str, text: str) -> Any:
        """What the server answers where the cursor stands in a grid file of this text."""
        before, _, after = text.partition("^")
        uri, _ = self.open(before + after)
        line, column = before.count("\n"), len(before.rpartition("\n")[2])
        return self.ask(method, textDocument={"uri": uri}, position={"line": line, "character": column})

    def completions(self, text: str) -> dict[str, str]:
        """What can stand at the cursor, each with what is said of it."""
        found = self.at_cursor("textDocument/completion", text) or []
        items = found["items"] if isinstance(found, dict) else found
        return {item["label"]: json.dumps([item.get("documentation"), item.get("detail")]) for item in items}

    def hover(self, text: str) -> str:
        """What is said of the word at the cursor."""
        return json.dumps(self.at_cursor("textDocument/hover", text))
