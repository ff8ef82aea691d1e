# SPDX-License-Identifier: Apache-2.0
"""A relay between clients and a server of a test, which can lose its connections when a test wants it to."""

import socket
import threading


class Relay:
    """Passes bytes on to `port`, which may change; calls `at_request(n)` when the n-th POST comes by."""

    def __init__(self, port, at_request=lambda number: None):
        self.port, self.at_request, self.requests = port, at_request, 0
        self.lock, self.open = threading.Lock(), set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()
                continue
            with self.lock:
                self.open |= {client, server}
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source, target, counts):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
                for _ in range(data.count(b"POST /v2/") if counts else 0):
                    with self.lock:
                        self.requests += 1
                        number = self.requests
                    self.at_request(number)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Ends every connection."""
        with self.lock:
            ends, self.open = self.open, set()
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()
