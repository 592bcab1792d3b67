/** Opening a connection to an index or a peer, with a bound on how long it may take. */
import type { Address } from "../address.ts";
import { connectTimeoutMs } from "../wire/limits.ts";
import { Connection } from "./connection.ts";
import type { ConnectionUser } from "./connection-user.ts";
import { socketHandlers } from "./socket-handlers.ts";

/**
 * Connects; rejects with the system's error (`code` ECONNREFUSED, ENOTFOUND …) or with ETIMEDOUT. Bun can
 * neither time out nor cancel a connect: one that succeeds too late is cut at once.
 */
export function connect(
  address: Address,
  user: ConnectionUser,
  timeoutMs: number = connectTimeoutMs,
): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const connection = new Connection(user);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    reject(Object.assign(new Error("the connection timed out"), { code: "ETIMEDOUT" }));
  }, timeoutMs);
  Bun.connect<Connection>({
    hostname: address.host,
    port: address.port,
    data: connection,
    socket: {
      ...socketHandlers,
      open(socket) {
        if (late) socket.terminate();
        else connection.opened(socket);
      },
      // Without it a refused connection goes to `error` as well; the promise below says the same.
      connectError() {},
    },
  }).then(
    () => {
      clearTimeout(timer);
      if (!late) resolve(connection);
    },
    (error: unknown) => {
      clearTimeout(timer);
      if (!late) reject(error);
    },
  );
  return promise;
}
