/** Which content a name means: one, none, or several between which nobody may guess. Pure. */
import type { FoundContent } from "../wire/messages.ts";

export type Choice =
  | { kind: "one"; content: FoundContent }
  | { kind: "none" }
  | { kind: "several"; contents: FoundContent[] };

/** What the user said of the content that is meant; undefined where nothing was said. */
export interface Meant {
  /** Lower-case hex digits that the root must begin with. */
  rootPrefix: string | undefined;
  /** Somebody who lies about the size of a root makes a second content of it. */
  sizeBytes: number | undefined;
}

export function chooseContent(contents: readonly FoundContent[], { rootPrefix, sizeBytes }: Meant): Choice {
  const meant = contents.filter(
    (content) =>
      content.root.startsWith(rootPrefix ?? "") && content.sizeBytes === (sizeBytes ?? content.sizeBytes),
  );
  const [content, ...others] = meant;
  if (content === undefined) return { kind: "none" };
  return others.length === 0 ? { kind: "one", content } : { kind: "several", contents: meant };
}
