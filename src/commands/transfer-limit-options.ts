/**
 * Options that limit what those who fetch from here may take, and what a download may ask of others. What the limits
 * mean is in `transfer/`.
 */
import { type AddressLimit, addressLimit } from "../net/address-limits.ts";
import * as kinds from "../options/kinds.ts";
import { single } from "../options/options.ts";
import { attemptsWithinMs, type HostLimitOptions, usualHostLimits } from "../transfer/host-limits.ts";
import { type UploadLimits, usualUploadLimits } from "../transfer/upload-limits.ts";
import { countLimit, countLimitPerAddress } from "./limit-options.ts";

export const uploadLimiting = {
  uploadSlots: single(kinds.integer({ min: 1, max: 1_024 }), {
    flag: "upload-slots",
    default: usualUploadLimits.slots,
    description: "Requests that are served at a time; on a slow line few, so that each is soon done",
  }),
  maxUploads: countLimit({
    flag: "max-uploads",
    default: usualUploadLimits.total,
    description: "Requests that are served at a time, with those of such as take nothing",
  }),
  maxUploadsPerAddress: countLimitPerAddress({
    flag: "max-uploads-per-address",
    usual: usualUploadLimits.perAddress,
    description: "The same of one address",
  }),
  maxOpenFiles: countLimit({
    flag: "max-open-files",
    default: usualUploadLimits.openFiles,
    description: "Shared files that each thread keeps open",
  }),
};

export const downloadLimiting = {
  maxConnectionsToAddress: countLimitPerAddress({
    flag: "max-connections-to-address",
    usual: usualHostLimits.connections,
    description: "Connections of a download to one address, whatever its ports",
  }),
  maxAttemptsToAddress: countLimitPerAddress({
    flag: "max-attempts-to-address",
    usual: usualHostLimits.attempts,
    description: `Such connections in ${attemptsWithinMs / 60_000} minutes, as long as nothing right came`,
  }),
};

interface UploadLimitValues {
  readonly uploadSlots: number;
  readonly maxUploads: number;
  readonly maxUploadsPerAddress: number | undefined;
  readonly maxOpenFiles: number;
}

export function uploadLimitsOf(options: UploadLimitValues): UploadLimits {
  return {
    slots: options.uploadSlots,
    perAddress: setFor(usualUploadLimits.perAddress, options.maxUploadsPerAddress),
    total: options.maxUploads,
    openFiles: options.maxOpenFiles,
  };
}

export interface HostLimitValues {
  readonly maxConnectionsToAddress: number | undefined;
  readonly maxAttemptsToAddress: number | undefined;
}

export function hostLimitsOf(options: HostLimitValues): HostLimitOptions {
  return {
    connections: setFor(usualHostLimits.connections, options.maxConnectionsToAddress),
    attempts: setFor(usualHostLimits.attempts, options.maxAttemptsToAddress),
  };
}

function setFor({ most }: AddressLimit, set: number | undefined): AddressLimit {
  return addressLimit(most, set);
}
