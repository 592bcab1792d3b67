/**
 * A network of machines inside the namespace of a long test: each host has a network stack and an address of its
 * own behind one bridge, where packets can be dropped. Everything of it is gone with the namespace.
 */
import { mkdirSync } from "node:fs";
import { system } from "./long-test.ts";

export interface Host {
  address: string;
  /** For `under` of a sandbox: what is started like that is on this host. */
  under: readonly string[];
}

const table = "faults";

export class Lan implements Disposable {
  private hosts = 0;

  constructor() {
    // Names of namespaces are mounts; with mounts of our own they are nobody else's.
    system("mount", "-t", "tmpfs", "none", "/run");
    mkdirSync("/run/netns");
    system("ip", "link", "add", "lan", "type", "bridge");
    system("ip", "link", "set", "lan", "up");
    system("nft", "add", "table", "bridge", table);
    system("nft", `add chain bridge ${table} forward { type filter hook forward priority 0; }`);
  }

  /** A new machine; what it sends is at most so much, as on a line of that speed. */
  host(megabitsPerSecond: number): Host {
    const name = `h${++this.hosts}`;
    const address = `10.9.0.${this.hosts}`;
    system("ip", "netns", "add", name);
    system("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name);
    system("ip", "link", "set", name, "master", "lan", "up");
    const inside = (...argv: string[]) => system("ip", "-n", name, ...argv);
    inside("link", "set", "lo", "up");
    inside("link", "set", "eth0", "up");
    inside("addr", "add", `${address}/24`, "dev", "eth0");
    const line = ["rate", `${megabitsPerSecond}mbit`, "burst", "64kb", "latency", "50ms"];
    system("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", "tbf", ...line);
    return { address, under: ["ip", "netns", "exec", name] };
  }

  /** Nothing goes to that host or comes from it, and nobody is told. */
  cut(host: Host): void {
    for (const side of ["saddr", "daddr"]) this.rule(`ip ${side} ${host.address} drop`);
  }

  /** So many of a hundred packets are lost, whoever sends them. */
  lose(percent: number): void {
    this.rule(`numgen random mod 100 < ${percent} drop`);
  }

  /** As it was at first. */
  heal(): void {
    system("nft", "flush", "chain", "bridge", table, "forward");
  }

  /** States of the TCP connections that `host` has with `other`. */
  connections(host: Host, other: Host): string[] {
    const lines = system(...host.under, "ss", "-tanH", "dst", other.address).split("\n");
    return lines.filter(Boolean).map((line) => line.split(/\s+/)[0]!);
  }

  [Symbol.dispose](): void {
    this.heal();
    for (let i = 1; i <= this.hosts; i++) system("ip", "netns", "del", `h${i}`);
    system("ip", "link", "del", "lan");
    system("nft", "delete", "table", "bridge", table);
    system("umount", "--lazy", "/run");
  }

  private rule(rule: string): void {
    system("nft", `add rule bridge ${table} forward ${rule}`);
  }
}
