"""An agent's session over MCP, by the official client: python_client.py URL|PROGRAM MODE PROJECT

Waits on conditions with a deadline. Ends with a traceback at the first thing that does not hold.
"""

import asyncio
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

from mcp import Client, StdioServerParameters

DEADLINE_SECONDS = 60
TOOLS = [
    "get_status", "restart", "start", "stop", "search_logs", "search_build_log", "run_background_task",
    "get_task_status", "end_background_task", "send_input", "wait_for",
]
PROTOCOLS = {"auto": "2026-07-28", "legacy": "2025-11-25"}

GOOD = 'fn main() {\n    println!("%s");\n    std::thread::park();\n}\n'
BROKEN = (
    'fn main() {\n    let one: u32 = "text";\n    let two: String = 2;\n    let three: bool = missing();\n'
    '    let four: u8 = true;\n    let five: char = "c";\n}\n'
)


class Agent:
    def __init__(self, client, project):
        self.client = client
        self.project = project

    def edit(self, source):
        (self.project / "src/main.rs").write_text(source)

    async def call(self, tool, **arguments):
        """The result of a call that must succeed."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result
        return self.checked(result)

    async def fail(self, tool, **arguments):
        """The text of a call that must fail, and its code."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, result
        return self.checked(result), result.structured_content["code"]

    def checked(self, result):
        assert len(result.content) == 1 and result.content[0].type == "text", result
        text = result.content[0].text
        assert len(text.encode()) <= 8 * 1024 + 512, f"{len(text.encode())} bytes"
        assert "`bpm " not in text, f"an agent has tools, not a shell: {text}"
        return text

    async def process(self, name):
        result = await self.client.call_tool("get_status", {"process": name})
        assert not result.is_error, result
        return result.structured_content["processes"][0]

    async def wait_for(self, what, look):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            seen = await look()
            if seen:
                return seen
            assert time.monotonic() < deadline, f"waited in vain: {what}\n{await self.call('get_status')}"
            await asyncio.sleep(0.02)

    async def in_state(self, name, state, but_not_run=-1):
        async def look():
            process = await self.process(name)
            return process if process["state"] == state and process.get("run") != but_not_run else None

        return await self.wait_for(f"{name} is {state}", look)

    async def log_has(self, line, **arguments):
        async def look():
            text = await self.call("search_logs", **arguments)
            return text if f"\n * {line}" in text else None

        return await self.wait_for(f"the log has {line}", look)


def cursor_of(text):
    return re.search(r"cursor (\S+)", text.splitlines()[0]).group(1)


def lines_of(text):
    """The lines of a page, those that were folded as often as they were printed."""
    lines = []
    for line in text.splitlines()[1:]:
        folded = re.search(r" \(×(\d+)\)$", line)
        lines += [line[: folded.start()]] * int(folded.group(1)) if folded else [line]
    return lines


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def tools(agent, mode):
    assert agent.client.protocol_version == PROTOCOLS[mode], agent.client.protocol_version
    assert "restart" in agent.client.instructions
    listed = (await agent.client.list_tools()).tools
    assert [tool.name for tool in listed] == TOOLS
    as_sent = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
    size = len(json.dumps(as_sent, separators=(",", ":"), ensure_ascii=False))
    assert size / 4 <= 2_000, f"{size} characters"


async def start_up(agent):
    app = await agent.in_state("app", "running")
    assert (app["run"], app["recipe"]) == (1, "release"), app
    await agent.in_state("crashed", "backing_off")
    status = await agent.call("get_status")
    assert status.startswith("release mode"), status
    assert "crashed: backing_off" in status and "exited with 7" in status, status
    await agent.log_has("no such table: users", process="crashed", stream="stderr")
    await agent.log_has("one", process="app")


async def edit_and_restart(agent):
    old = await agent.process("app")
    agent.edit(GOOD % "two")
    text = await agent.call("restart", process="app")
    assert "run 2 (dev)" in text, text
    await agent.log_has("two", process="app")
    await agent.log_has("one", process="app", index=-2)
    assert not alive(old["pid"])
    assert (await agent.call("get_status")).startswith("dev mode, release mode in 3h"), text


async def break_and_restart(agent):
    old = await agent.process("app")
    agent.edit(BROKEN)
    text, code = await agent.fail("restart", process="app")
    assert code == "build_failed", code
    # rustc's own words for the first, the others counted
    for expected in ["error[E0308]: mismatched types", "--> src/main.rs:", "expected `u32`, found `&str`"]:
        assert expected in text, text
    assert "5 errors" in text and "run 2 goes on" in text and "and 2 errors more" in text, text
    now = await agent.process("app")
    assert (now["pid"], now["run"], now["state"]) == (old["pid"], 2, "running"), now
    assert now["last_build"]["ok"] is False, now
    log = await agent.call("search_build_log", process="app", pattern=r"^error\[", context_lines=1)
    assert log.count("\n * error[") == 5 and "src/main.rs:4:" in log, log


async def kill(agent):
    """The tree is still broken: what was live is started again."""
    old = await agent.process("app")
    os.kill(old["pid"], signal.SIGKILL)
    again = await agent.in_state("app", "running", but_not_run=old["run"])
    assert again["run"] == 3 and again["last_exit"]["signal"] == "KILL", again
    await agent.log_has("two", process="app", run=3)
    agent.edit(GOOD % "three")
    await agent.call("restart", process="app")
    await agent.log_has("three", process="app")


async def stop_and_start(agent):
    old = await agent.process("app")
    await agent.call("stop", process="app")
    assert not alive(old["pid"])
    assert "stays stopped" in await agent.call("stop", process="app")
    assert (await agent.process("app"))["state"] == "stopped"
    agent.edit(BROKEN)
    text, code = await agent.fail("start", process="app")
    assert code == "build_failed" and "nothing of it runs" in text and "`search_build_log app`" in text, text
    agent.edit(GOOD % "three")
    assert "run 5" in await agent.call("start", process="app")
    assert "runs already" in await agent.call("start", process="app")


async def status_while_it_builds(agent):
    """A build that takes its time, and a back-off of 300 s, keep nobody waiting."""
    await agent.in_state("worker", "running")
    (agent.project / "go").unlink()
    first = asyncio.create_task(agent.call("restart", process="worker"))

    async def builds():
        return (await agent.process("worker")).get("building")

    await agent.wait_for("worker builds", builds)
    for _ in range(20):
        assert (await agent.process("worker"))["state"] == "running"
        assert (await agent.process("crashed"))["restart_in_seconds"] > 200
    assert not first.done()
    waited = await agent.client.call_tool("restart", {"process": "worker", "timeout_seconds": 0.1})
    assert not waited.is_error and waited.structured_content["code"] == "timed_out", waited
    (agent.project / "go").touch()
    # the newest wins, and who asked before has its outcome
    assert "run 2 (dev)" in await first


async def logs(agent):
    newest = await agent.log_has("working", process="worker", pattern="work")
    assert "1 line found" in newest and newest.endswith("\n * working"), newest
    nothing = await agent.call("search_logs", process="worker", cursor=cursor_of(newest))
    assert "nothing new since the cursor" in nothing, nothing
    everything = await agent.call("search_build_log", process="app", run=3, max_bytes=8_192)
    head = await agent.call("search_build_log", process="app", run=3, head=2)
    rest = await agent.call("search_build_log", process="app", run=3, cursor=cursor_of(head))
    assert lines_of(head) + lines_of(rest) == lines_of(everything), (head, rest)
    short = await agent.call("search_build_log", process="app", run=3, max_bytes=300)
    assert len(short) < 600 and "not shown" in short, short
    assert "no line found" in await agent.call("search_logs", process="crashed", stream="stdout")
    assert "no such table" in await agent.call("search_logs", since="1h", pattern="table")


async def mistakes(agent):
    text, code = await agent.fail("restart", process="ap")
    assert code == "unknown_process" and "`app`, `worker`, `crashed`" in text, text
    for tool in ["start", "stop", "search_logs", "search_build_log", "get_status"]:
        text, code = await agent.fail(tool, process="ap")
        assert code == "unknown_process" and "`app`" in text, text
    text, code = await agent.fail("search_logs", process="app", pattern="([")
    assert code == "invalid_parameter" and "`pattern`" in text, text
    text, code = await agent.fail("search_logs", process="app", patern="x")
    assert code == "invalid_parameter" and "did you mean `pattern`" in text, text
    text, code = await agent.fail("search_logs", process="app", run=99)
    assert code == "unknown_run" and "99" in text, text
    text, code = await agent.fail("restart")
    assert code == "invalid_parameter" and "`process`" in text and "`worker`" in text, text


def server_of(where, project):
    """The server at an address, or the program that serves on its standard input and output."""
    if where.startswith("http://"):
        return where
    return StdioServerParameters(command=where, args=["mcp"], cwd=project, env=dict(os.environ))


async def main(where, mode, project):
    async with Client(server_of(where, project), mode=mode) as client:
        agent = Agent(client, Path(project))
        await tools(agent, mode)
        await start_up(agent)
        await edit_and_restart(agent)
        await break_and_restart(agent)
        await kill(agent)
        await stop_and_start(agent)
        await status_while_it_builds(agent)
        await logs(agent)
        await mistakes(agent)
    print("all of it held")


asyncio.run(main(*sys.argv[1:]))
