"""A tiny service that does what it is told: answers, crashes, hangs, ignores SIGTERM or says that it heard it, leaves
a child behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class StandIn(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/pid":
                answer = str(os.getpid())
            case "/crash":
                os._exit(3)
            case "/hang":
                threading.Event().wait()
                return
            case "/child":
                answer = str(subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]).pid)
            case _:
                answer = "fine"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer.encode())


def main() -> None:
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "polite" in sys.argv:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    server = HTTPServer(("127.0.0.1", 0), StandIn, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(os.environ["LISTEN_FD"]))
    sys.stdout.write(f"standing in as {os.getpid()}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
