/** Networks as people write them (RFC 4632, RFC 4291): an address, or an address and how many of its bits count. Pure. */
import { type IpAddress, parseIpAddress, unmapped } from "./ip-address.ts";

/** For "bad value …: expected …". */
export const rangeExpected =
  "an address or a network such as 10.0.0.5, 10.0.0.0/8 or 2001:db8::/32, with nothing but zeros behind the prefix";

const prefixLength = /^(0|[1-9]\d{0,2})$/;
const mappedBits = 96;

export class AddressRange {
  private constructor(
    private readonly network: IpAddress,
    private readonly prefixBits: number,
    /** As it was written, in lower case. */
    readonly text: string,
  ) {}

  /**
   * Undefined for what is none. `10.0.0.5/8` is none either: whether one machine is meant or sixteen million must not
   * be guessed. What is mapped into IPv6 (`::ffff:10.0.0.0/104`) is the IPv4 network; of others, IPv4 addresses are no
   * part: `::/0` is all of IPv6.
   */
  static parse(text: string): AddressRange | undefined {
    const [given = "", length, more] = text.split("/");
    const written = given.includes("%") ? undefined : parseIpAddress(given);
    if (written === undefined || more !== undefined) return undefined;
    const count = length === undefined ? written.bits : Number(prefixLength.exec(length)?.[0] ?? Number.NaN);
    if (!(count <= written.bits) || suffixOf(written, count) !== 0n) return undefined;
    const network = count >= mappedBits ? unmapped(written) : written;
    return new AddressRange(network, count - (written.bits - network.bits), text.toLowerCase());
  }

  contains(address: IpAddress): boolean {
    const { bits, value } = this.network;
    const { bits: otherBits, value: other } = unmapped(address);
    const shift = BigInt(bits - this.prefixBits);
    return bits === otherBits && value >> shift === other >> shift;
  }

  isSame(other: AddressRange): boolean {
    return this.prefixBits === other.prefixBits && this.contains(other.network);
  }
}

/** The bits behind the prefix. */
function suffixOf({ bits, value }: IpAddress, prefixBits: number): bigint {
  return value & ((1n << BigInt(bits - prefixBits)) - 1n);
}
