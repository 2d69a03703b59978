"""The four jobs. Each sets up a project as a person would have left it, does its work with as few calls as
the protocol allows, and checks that the answers hold what an agent has to know."""

import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from pathlib import Path

from client import Account, Client, Failed

# The longest that one call may wait.
LONGEST_WAIT_SECONDS = 50
SUITE_SECONDS = 180
FAST_SUITE_SECONDS = 9


class Project:
    """A directory with a project, its state beside it, and nothing of this machine's user."""

    def __init__(self, bpm, files):
        self.bpm = bpm
        self.home = tempfile.TemporaryDirectory(prefix="agent-jobs-")
        self.directory = Path(self.home.name) / "shop"
        for name, text in {".git/HEAD": "ref: refs/heads/main\n", **files}.items():
            self.write(name, text)
        unwanted = ("BPM_", "XDG_", "CARGO_TARGET", "CARGO_BUILD", "RUSTFLAGS")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
        self.environment |= {"BPM_STATE_DIR": f"{self.home.name}/state", "CARGO_NET_OFFLINE": "true"}
        self.client = None

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def run(self, *arguments):
        command = [self.bpm, *arguments]
        return subprocess.run(
            command, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=180
        )

    def must(self, *arguments):
        ran = self.run(*arguments)
        if ran.returncode != 0:
            raise Failed(f"bpm {' '.join(arguments)}: {ran.stdout}{ran.stderr}")
        return ran.stdout

    def until(self, what, holds):
        deadline = time.monotonic() + 30
        while not holds():
            if time.monotonic() > deadline:
                raise Failed(f"waited in vain: {what}")
            time.sleep(0.05)

    def connect(self, tasks=False):
        self.client = Client([self.bpm, "mcp"], self.directory, self.environment, tasks)
        # a manager is started where there is none, which costs no job anything, and must be there to be ended
        self.client.call("get_status")
        self.client.account = Account()
        return self.client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if self.client:
                self.client.close()
        finally:
            self.run("down")
            self.home.cleanup()


def expect(answer, *wanted):
    """All of that is in the text."""
    for words in wanted:
        if words not in answer.text:
            raise Failed(f"{words!r} is not in the answer:\n{answer.text}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


SERVER = """\
    import http.server, sys, time
    print("bundling 214 modules", flush=True)
    time.sleep(0.8)
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the shop is open")
    port = int(sys.argv[1])
    server = http.server.HTTPServer(("127.0.0.1", port), Handler)
    print(f"listening on http://127.0.0.1:{port}/", flush=True)
    server.serve_forever()
    """


def start_a_server(bpm, _fast, tasks):
    """Start a dev server and know that it is ready."""
    with Project(bpm, {"server.py": SERVER}) as project:
        agent, port = project.connect(tasks), free_port()
        command = [sys.executable, "server.py", str(port)]
        answer = agent.call(
            "run_background_task", command=command, name="web", ready="listening on", timeout_seconds=30
        )
        expect(answer, "web", "ready", f"listening on http://127.0.0.1:{port}/")
        # no retry: it is ready, or the answer came too early
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
            if page.read() != b"the shop is open":
                raise Failed("the page is not what the server has")
        return agent.account


MANIFEST = """\
    [package]
    name = "shop"
    version = "0.1.0"
    edition = "2024"
    """
SOURCE = """\
    fn total(prices: &[u32]) -> u32 {
        prices.iter().sum()
    }

    fn main() {
        println!("the total is {}", total(&[3, 4]));
        std::thread::park();
    }
    """


def see_a_compile_error(bpm, _fast, tasks):
    """Edit, restart, see the compile error; the old program serves on."""
    config = '[process.shop]\ntype = "rust"\n'
    files = {".mcp-run": config, "Cargo.toml": MANIFEST, "src/main.rs": SOURCE}
    with Project(bpm, files) as project:
        project.must("up", "-d")
        project.must("restart", "shop", "--timeout-seconds", "120")
        before = project.must("logs", "shop")
        agent = project.connect(tasks)
        project.write("src/main.rs", SOURCE.replace("-> u32", "-> String"))
        answer = agent.call("restart", process="shop")
        expect(answer, "E0277", "src/main.rs:2:")
        if not answer.is_error:
            raise Failed(f"a build that failed is told as a success:\n{answer.text}")
        if project.must("logs", "shop") != before or "the total is 7" not in before:
            raise Failed("the old program does not go on")
        return agent.account


WORKER = """\
    import os, time

    def connect(settings):
        return settings["DATABASE_URL"]

    print("worker 1.4 starts", flush=True)
    if os.path.exists("mended"):
        print("waiting for jobs", flush=True)
        time.sleep(3600)
    open("mended", "w").close()
    for number in range(200):
        print(f"job {number} done in {number % 7} ms", flush=True)
    connect(dict(region="eu"))
    """


def find_out_why_it_crashed(bpm, _fast, tasks):
    """Find out why a process has crashed that has been restarted since and runs."""
    config = f"""\
        release_crash_backoff_initial_seconds = 0.2
        [process.worker]
        command = ["{sys.executable}", "worker.py"]
        """
    with Project(bpm, {".mcp-run": config, "worker.py": WORKER}) as project:
        project.must("up", "-d")
        project.until("the worker runs anew", lambda: "waiting for jobs" in project.run("logs", "worker").stdout)
        agent = project.connect(tasks)
        answer = agent.call("search_logs", process="worker", index=-2)
        expect(answer, "KeyError: 'DATABASE_URL'", 'worker.py", line 4, in connect', "code 1")
        return agent.account


SUITE = """\
    import sys, time
    seconds, tests = float(sys.argv[1]), 120
    for number in range(tests):
        time.sleep(seconds / tests)
        verdict = "FAILED" if number == 77 else "ok"
        print(f"test shop::cart::case_{number:03} ... {verdict}", flush=True)
    print("---- shop::cart::case_077: expected 3 items, found 2 (src/cart.rs:88)", flush=True)
    print(f"test result: FAILED. {tests - 1} passed; 1 failed", flush=True)
    sys.exit(101)
    """


def run_a_long_suite(bpm, fast, tasks):
    """Run a test suite that takes three minutes and get its result."""
    seconds = FAST_SUITE_SECONDS if fast else SUITE_SECONDS
    wait = LONGEST_WAIT_SECONDS * seconds / SUITE_SECONDS
    with Project(bpm, {"suite.py": SUITE}) as project:
        agent = project.connect(tasks)
        command = [sys.executable, "suite.py", str(seconds)]
        # a call that becomes a task may wait as long as it takes
        wait = 10 * seconds if tasks else wait
        answer = agent.call("run_background_task", command=command, name="tests", timeout_seconds=wait)
        while "exited" not in answer.text and not answer.is_error:
            # four calls of 50 seconds are enough for three minutes, and a task needs one
            if agent.account.calls == (1 if tasks else 4):
                raise Failed(f"it has not ended after {agent.account.calls} calls:\n{answer.text}")
            answer = agent.call("wait_for", targets=["tests"], until=["exit"], timeout_seconds=wait)
        cause = "case_077: expected 3 items, found 2 (src/cart.rs:88)"
        expect(answer, "exited with", "101", cause, "119 passed; 1 failed")
        return agent.account


JOBS = [start_a_server, see_a_compile_error, find_out_why_it_crashed, run_a_long_suite]
