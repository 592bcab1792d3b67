/**
 * A port for the threads of this process to listen on together, and for no other process. Who listens, and what is
 * said there, is not its business.
 */
import { systemCode } from "../errors.ts";

/** Another process may be about to listen on the free port that the kernel named. */
const maxAttempts = 10;

/**
 * Sharing a port (SO_REUSEPORT) is open to every process of the same user: a second peer would silently get half
 * of the first one's connections. That nobody listens when the threads begin is not enough, since two processes may
 * look at the same moment; hence the guard.
 */
export class SharedPort {
  private constructor(
    readonly port: number,
    private readonly guard: Bun.UnixSocketListener<undefined> | undefined,
  ) {}

  /** 0 takes any free one. Throws the system's error (`code` EADDRINUSE …). To be released once nobody listens. */
  static take(host: string, port: number): SharedPort {
    for (let attempt = 1; ; attempt++) {
      const taken = port === 0 ? freePort(host, 0) : port;
      let guard: Bun.UnixSocketListener<undefined> | undefined;
      try {
        guard = guardOf(host, taken);
        freePort(host, taken);
        return new SharedPort(taken, guard);
      } catch (error) {
        guard?.stop(true);
        if (port !== 0 || systemCode(error) !== "EADDRINUSE" || attempt === maxAttempts) throw error;
      }
    }
  }

  /** Idempotent. */
  release(): void {
    this.guard?.stop(true);
  }
}

/** Throws when anybody listens there: unlike the threads, this does not share. */
function freePort(hostname: string, port: number): number {
  const probe = Bun.listen({ hostname, port, socket: { data() {} } });
  const found = probe.port;
  probe.stop(true);
  return found;
}

/**
 * A name in the kernel that one process can have at a time and loses when it dies: an abstract socket, which is
 * no file. Only Linux has them; elsewhere two peers that start in the same millisecond may get the same port.
 */
function guardOf(host: string, port: number): Bun.UnixSocketListener<undefined> | undefined {
  if (process.platform !== "linux") return undefined;
  return Bun.listen<undefined>({
    // At most 107 bytes; a host name may have more.
    unix: `\0p2p ${port} ${host}`.slice(0, 100),
    socket: { open: (socket) => socket.terminate(), data() {} },
  });
}
