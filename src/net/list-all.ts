/** All files whose names fit a pattern, page by page as the index gives them. */
import type { ListedFile } from "../wire/messages.ts";
import type { IndexClient } from "./index-client.ts";

export async function* listAll(index: IndexClient, pattern: string): AsyncGenerator<ListedFile[], void> {
  let after: string | undefined = "";
  while (after !== undefined) {
    const { files, next }: { files: ListedFile[]; next: string | undefined } = await index.listPage(
      pattern,
      after,
    );
    yield files;
    after = next;
  }
}
