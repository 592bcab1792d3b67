/** What a peer allows those who fetch from it, as its owner sets it. No mechanism. */
import { type AddressLimit, addressLimit } from "../net/address-limits.ts";

export interface UploadLimits {
  /** Requests served at a time; on a slow line few, so that each is soon done. */
  readonly slots: number;
  /** Requests at a time of one address, and of all together, also such as take nothing. */
  readonly perAddress: AddressLimit;
  readonly total: number;
  /** Shared files that each thread keeps open. */
  readonly openFiles: number;
}

/** Few, so that what is sent is soon whole and can be passed on; enough that one slow line costs nothing. */
export const defaultUploadSlots = 8;

export const usualUploadLimits: UploadLimits = {
  slots: defaultUploadSlots,
  perAddress: addressLimit(8),
  total: 64,
  openFiles: 64,
};
