/** Events of `p2p ban`, and how people read them. The others are in events.ts. */
import { printable } from "../printable.ts";

export interface BanEvent {
  /** `ban`: one of the list. */
  event: "ban" | "banned" | "unbanned";
  /** The beginning of a fingerprint, an address or a network. */
  who: string;
}

export function banLines({ event, who }: BanEvent): string[] {
  if (event === "ban") return [printable(who)];
  if (event === "banned")
    return [`banned ${printable(who)}: an index or peer that runs here cuts it off within a second`];
  return [`${printable(who)} is not banned any more`];
}
