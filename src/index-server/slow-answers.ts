/** The answers to questions that take long: what the catalog is asked, and how the wire says it. */
import { encodeFolder, encodeMatches, encodeNames } from "../wire/encode.ts";
import type { Catalog } from "./catalog.ts";
import type { SlowRead } from "./session.ts";

/** The line. Rejects as the catalog does; stays open when `owner` is forgotten there. */
export async function slowAnswer(catalog: Catalog, owner: object, request: SlowRead): Promise<string> {
  const { id, after, limit } = request;
  switch (request.type) {
    case "SEARCH": {
      const { matches, more, next } = await catalog.search(owner, request.text, after, limit);
      return encodeMatches(id, matches, more, next);
    }
    case "LIST": {
      const { files, next } = await catalog.list(owner, request.pattern, after, limit);
      return encodeNames(id, files, next);
    }
    case "BROWSE": {
      const { entries, next } = await catalog.browse(owner, request.folder, after, limit);
      return encodeFolder(id, entries, next);
    }
  }
}
