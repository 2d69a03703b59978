"""MCP over a program's standard input and output, spoken by hand, and an account of what it cost."""

import json
import queue
import subprocess
import threading
import time
from dataclasses import dataclass, field

PROTOCOL = "2026-07-28"
TASKS = "io.modelcontextprotocol/tasks"
# Far beyond what any answer takes.
PATIENCE_SECONDS = 120


class Failed(Exception):
    """The protocol did not work, or an answer is not what it must be."""


@dataclass
class Account:
    """What one job cost. Characters are those that a model would read or write."""

    calls: int = 0
    # results that say `isError`
    errors: int = 0
    # answers that are JSON-RPC errors
    failed: int = 0
    # `tasks/get`, which the client sends and the model never sees
    polls: int = 0
    asked_chars: int = 0
    text_chars: int = 0
    structured_chars: int = 0
    wire_bytes: int = 0
    seconds: float = 0.0


@dataclass
class Answer:
    text: str
    structured: dict = field(default_factory=dict)
    is_error: bool = False


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Client:
    """One session with `bpm mcp`. With `tasks` it declares that it can take a task for an answer."""

    def __init__(self, command, directory, environment, tasks=False):
        self.account = Account()
        self.number = 0
        extensions = {TASKS: {}} if tasks else {}
        self.meta = {
            "io.modelcontextprotocol/protocolVersion": PROTOCOL,
            "io.modelcontextprotocol/clientInfo": {"name": "agent-jobs", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {"extensions": extensions} if tasks else {},
        }
        self.program = subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.program.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def close(self):
        """Ends the input, upon which the program must end by itself."""
        self.program.stdin.close()
        try:
            status = self.program.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.program.kill()
            self.program.wait()
            raise Failed("`bpm mcp` goes on after the end of its input") from None
        if status != 0:
            raise Failed(f"`bpm mcp` ended with {status}")

    def request(self, method, params):
        """The result of a request; what else comes meanwhile is passed over."""
        self.number += 1
        message = {
            "jsonrpc": "2.0",
            "id": self.number,
            "method": method,
            "params": {**params, "_meta": self.meta},
        }
        line = compact(message).encode() + b"\n"
        self.account.wire_bytes += len(line)
        self.program.stdin.write(line)
        self.program.stdin.flush()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"no answer to {method} within {PATIENCE_SECONDS} s") from None
            if line is None:
                raise Failed(f"`bpm mcp` has ended instead of answering {method}")
            self.account.wire_bytes += len(line)
            answer = json.loads(line)
            if answer.get("id") != self.number or "method" in answer:
                continue
            if "error" in answer:
                self.account.failed += 1
                raise Failed(f"{method}: {answer['error']}")
            return answer["result"]

    def call(self, tool, **arguments):
        """One call of a tool, as a model makes it."""
        self.account.calls += 1
        self.account.asked_chars += len(tool) + len(compact(arguments))
        began = time.monotonic()
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        if result.get("resultType") == "task":
            result = self._finish(result)
        self.account.seconds += time.monotonic() - began
        text = "\n".join(part["text"] for part in result.get("content", []) if part["type"] == "text")
        answer = Answer(text, result.get("structuredContent", {}), result.get("isError", False))
        self.account.errors += answer.is_error
        self.account.text_chars += len(answer.text)
        self.account.structured_chars += len(compact(answer.structured)) if answer.structured else 0
        return answer

    def _finish(self, task):
        """Waits for a task, as a client does without troubling its model."""
        task_id = task["taskId"]
        while task["status"] == "working":
            time.sleep(task.get("pollIntervalMs", 1000) / 1000)
            self.account.polls += 1
            task = self.request("tasks/get", {"taskId": task_id})
        if task["status"] != "completed":
            raise Failed(f"the task has {task['status']}: {compact(task)}")
        return task["result"]
