/** All files whose names fit a pattern, page by page as the index gives them. */
import type { ListedFile } from "../wire/messages.ts";
import type { IndexClient } from "./index-client.ts";

/** The next page is asked for before the caller deals with this one, so that the index works meanwhile. */
export async function* listAll(index: IndexClient, pattern: string): AsyncGenerator<ListedFile[], void> {
  let asked = index.listPage(pattern, "");
  for (;;) {
    const { files, next } = await asked;
    if (next !== undefined) {
      asked = index.listPage(pattern, next);
      // It may fail before anybody waits for it, and the caller may want no more.
      asked.catch(() => {});
    }
    yield files;
    if (next === undefined) return;
  }
}
