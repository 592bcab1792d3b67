"""The index that everybody writes first: a thread for each connection, a dictionary from peer to files, and a scan of
all of it, under one lock, for each question. Speaks enough of the protocol to be measured."""

import json
import socketserver
import sys
import threading

files_by_peer = {}  # (host, port) -> list of the files as they were registered
lock = threading.Lock()


class Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        self.peer = None
        try:
            for line in self.rfile:
                answer = self.answer(json.loads(line))
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except ConnectionError:
            pass
        finally:
            with lock:
                files_by_peer.pop(self.peer, None)

    def answer(self, message):
        kind = message["type"]
        if kind == "HELLO":
            return {"type": "WELCOME", "version": 1, "agent": "naive", "epoch": "0"}
        if kind == "REGISTER":
            self.peer = (self.client_address[0], message["port"])
            with lock:
                files_by_peer[self.peer] = message["files"]
        elif kind == "UPDATE":
            removed = set(message["remove"])
            with lock:
                kept = [each for each in files_by_peer[self.peer] if each["name"] not in removed]
                files_by_peer[self.peer] = kept + message["add"]
        elif kind == "QUERY":
            return {"type": "RESULT", "id": message["id"], "sources": self.sources(message["name"])}
        return {"type": "OK", "id": message["id"]}

    def sources(self, name):
        found = []
        with lock:
            for (host, port), files in files_by_peer.items():
                for each in files:
                    if each["name"] == name:
                        found.append({"host": host, "port": port, "root": each["root"], "size": each["size"]})
        return found


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Connection) as server:
        server.serve_forever()
