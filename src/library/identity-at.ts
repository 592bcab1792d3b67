/** Looks at what lies at a path. */
import { lstatSync } from "node:fs";
import { type FileIdentity, identityOf } from "./file-identity.ts";

/** Undefined when nothing can be seen there. */
export function identityAt(path: string): FileIdentity | undefined {
  try {
    return identityOf(lstatSync(path, { bigint: true }));
  } catch {
    return undefined;
  }
}
