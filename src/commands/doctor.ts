/**
 * `p2p doctor`: looks at everything that a transfer needs, says what is wrong, and how to mend it.
 */
import { defaultPeerPort, stateFolder } from "../config.ts";
import { examine } from "../doctor/doctor.ts";
import type { Finding } from "../doctor/finding.ts";
import { LocalIoError } from "../errors.ts";
import * as kinds from "../options/kinds.ts";
import { argument, declare, type OptionsOf, optional, single } from "../options/options.ts";
import { formatCount } from "../output/format.ts";
import type { CommandContext } from "./context.ts";
import { listenHost, networkOf } from "./network.ts";
import { advertise, asking, printing, threads } from "./shared-args.ts";

export const declaration = declare({
  verb: "doctor",
  summary: "Find out what keeps transfers from working, and how to mend it",
  arguments: {
    folder: argument({
      name: "DIR",
      default: "./shared",
      description: "Folder that is shared, or would be",
    }),
  },
  options: {
    ...asking,
    port: single(kinds.port, {
      flag: "port",
      default: defaultPeerPort,
      description: "Port that a peer on this machine listens on",
    }),
    advertise,
    peer: optional(kinds.address, {
      flag: "peer",
      defaultText: "none",
      description: "Another peer, to see whether it can be fetched from",
    }),
    threads,
    ...printing,
  },
});

export type DoctorOptions = OptionsOf<typeof declaration>;

export async function run(options: DoctorOptions, context: CommandContext): Promise<void> {
  const { output, signal } = context;
  const { folder, port, peer } = options;
  const network = await networkOf(options, context);
  const found: Finding[] = [];
  await examine(
    {
      network,
      host: listenHost({ host: undefined, open: options.open }, network),
      port,
      advertise: options.advertise,
      peer,
      folder,
      target: process.cwd(),
      state: stateFolder(),
      threads: options.threads,
    },
    (finding) => {
      found.push(finding);
      const { cause: _, ...told } = finding;
      output.event({ event: "check", ...told });
    },
    signal,
  );
  const failed = found.filter(({ status }) => status === "fail");
  if (failed.length === 0) return;
  const which = failed.map(({ check }) => check).join(", ");
  const message = `${failed.length} of ${formatCount(found.length, "check")} failed: ${which}`;
  const cause = failed.find((finding) => finding.cause !== undefined)?.cause;
  if (cause === undefined) throw new LocalIoError(message);
  const Class = cause.constructor as new (text: string, options: ErrorOptions) => LocalIoError;
  throw new Class(message, { cause });
}
