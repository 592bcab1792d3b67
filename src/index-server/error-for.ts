/** What is told of whatever went wrong with a request: nothing of what only concerns the index itself. Pure. */
import { ProtocolError } from "../wire/protocol-error.ts";
import { StoreError } from "./catalog.ts";

/** `id`: of the request, where the error knows of none. */
export function errorFor(id: number, error: unknown): ProtocolError {
  if (error instanceof ProtocolError)
    return new ProtocolError(error.code, error.id ?? id, error.message, error.retryMs);
  return new ProtocolError(error instanceof StoreError ? error.code : "INTERNAL", id);
}
