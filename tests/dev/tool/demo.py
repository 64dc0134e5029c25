# SPDX-License-Identifier: BSL-1.0
"""./dev demo: the stop server with its timers, and a client that ends it."""

import socket
import subprocess
import threading
import time

import examples
from commands import Failure, exit_code, say

LIMIT = 30  # Seconds, in which the server has to end.
BY_HAND = """
By hand, in one terminal:
  ./dev run stop_server
and in another, then type stop:
  telnet 127.0.0.1 1234"""


def demo(*_):
    program = examples.build("stop_server")
    say("examples/stop_server with three timers, and a client after three seconds")
    status = serve(program)
    say(f"the server's exit code: {status}")
    if status != 0:
        raise Failure("the demo failed")
    print(BY_HAND)


def serve(program):
    """Shows what the server prints, and returns its exit code."""
    with subprocess.Popen([program, "--port", "0"], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        limit = threading.Timer(LIMIT, server.terminate)
        limit.start()
        try:
            client = follow(server.stdout)
            status = server.wait()
        finally:  # The user may interrupt this.
            limit.cancel()
            server.terminate()
    if client:
        client.join()
    return exit_code(status)


def follow(output):
    """Returns the client, which it starts once the server listens."""
    client = None
    for line in output:
        print(f"server | {line.rstrip()}", flush=True)
        if client is None and line.startswith("Listening on "):
            port = int(line.rsplit(":", 1)[1])
            client = threading.Thread(target=talk, args=[port], daemon=True)
            client.start()
    return client


def talk(port):
    """Lets the timers run, says two lines, and hears the end of the connection."""
    time.sleep(3)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            tell(f"connected to 127.0.0.1:{port}")
            for line in ["hello", "stop"]:
                tell(line)
                connection.sendall(f"{line}\r\n".encode())
                time.sleep(0.5)
            with connection.makefile() as answers:
                for answer in answers:
                    tell(f"received: {answer.rstrip()}")
    except OSError as error:
        tell(f"the connection failed: {error}")
    else:
        tell("the connection is closed")


def tell(text):
    print(f"client | {text}", flush=True)
