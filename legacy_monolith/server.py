"""Gunicorn, started from Python: one worker, since the cache lives in the process."""

import socket

from gunicorn.app.base import BaseApplication


class Server(BaseApplication):
    """Serves `load_app()` on a socket that is already bound."""

    def __init__(self, load_app, listener):
        self.load_app = load_app
        self.listener = listener
        super().__init__()

    def load_config(self):
        for name, value in {
            "bind": f"fd://{self.listener.fileno()}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": 8,
            "keepalive": 2,
            "graceful_timeout": 3,
            "loglevel": "warning",
            # It would be a socket of every shop under one name in the home directory.
            "control_socket_disable": True,
        }.items():
            self.cfg.set(name, value)

    def load(self):
        return self.load_app()


def listen(port):
    """Bind the loopback `port` (0: any free one). Raises OSError when it is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener
