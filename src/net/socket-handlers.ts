/** From the events of a socket to the methods of its connection, and no more. */
import type { Connection } from "./connection.ts";

/** Bun's handlers, one object for all sockets; the connection is the socket's `data`. */
export const socketHandlers = {
  data(socket: Bun.Socket<Connection>, bytes: Uint8Array) {
    socket.data.received(bytes);
  },
  drain(socket: Bun.Socket<Connection>) {
    socket.data.drained();
  },
  close(socket: Bun.Socket<Connection>, error?: Error) {
    socket.data.finish(error);
  },
  error(socket: Bun.Socket<Connection>, error: Error) {
    socket.data.destroy(error);
  },
} as const;
