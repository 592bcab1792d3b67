/** Which contents of a name are meant. Pure; whoever wants one and gets several must not guess. */
import type { FoundContent } from "../wire/messages.ts";

/** What the user said of the content that is meant; undefined where nothing was said. */
export interface Meant {
  /** Lower-case hex digits that the root must begin with. */
  rootPrefix: string | undefined;
  /** Somebody who lies about the size of a root makes a second content of it. */
  sizeBytes: number | undefined;
}

export function meantOf(contents: readonly FoundContent[], meant: Meant): FoundContent[] {
  return contents.filter((content) => isMeant(content, meant));
}

export function isMeant(
  content: { root: string; sizeBytes: number },
  { rootPrefix, sizeBytes }: Meant,
): boolean {
  return content.root.startsWith(rootPrefix ?? "") && content.sizeBytes === (sizeBytes ?? content.sizeBytes);
}
