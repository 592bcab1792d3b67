/** Which content a name means: one, none, or several between which nobody may guess. Pure. */
import type { FoundContent } from "../wire/messages.ts";

export type Choice =
  | { kind: "one"; content: FoundContent }
  | { kind: "none" }
  | { kind: "several"; contents: FoundContent[] };

/** `rootPrefix`: lower-case hex digits that the root must begin with. */
export function chooseContent(contents: readonly FoundContent[], rootPrefix: string | undefined): Choice {
  const meant = contents.filter(({ root }) => root.startsWith(rootPrefix ?? ""));
  const [content, ...others] = meant;
  if (content === undefined) return { kind: "none" };
  return others.length === 0 ? { kind: "one", content } : { kind: "several", contents: meant };
}
