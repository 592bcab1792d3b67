/** An index process without sockets, to be killed: five peers with 300 files each, of which one never stops changing. */
import { fileEntry } from "../helpers/file-entries.ts";
import { hasty, openShared } from "./open-postgres.ts";

const store = await openShared(process.env.P2P_TEST_DB ?? "", hasty);
const library = (peer: number) => Array.from({ length: 300 }, (_, i) => fileEntry(`${peer}/f${i}`));
const peers = await Promise.all(
  [0, 1, 2, 3, 4].map((peer) => store.peer(library(peer), `10.0.1.${peer}`, 7767)),
);
process.stdout.write("ready\n");
for (let i = 0; ; i++) {
  const noise = Array.from({ length: 500 }, (_, n) => fileEntry(`noise/${n}`, i));
  await store.update(peers[4]!, noise);
}
