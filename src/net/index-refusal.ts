/** The index understood a request and said no. */
import { IndexError } from "../errors.ts";

export class IndexRefusal extends IndexError {
  constructor(
    message: string,
    /** As it came: one of the protocol's codes, if the index is one of ours. */
    readonly wireCode: string,
  ) {
    super(message);
  }
}
