/** Single questions, to see that an index answers what is true before it is asked a million times. */
import { plantedNames, plantedSources, type Shape } from "./catalogue.ts";
import { type Answer, CrowdPeer } from "./crowd.ts";
import { queryLine, searchLine } from "./requests.ts";

/** Throws unless each planted name has as many sources as were planted. */
export async function checkPlanted(port: number, { peers }: Shape): Promise<void> {
  for (const sources of plantedSources) {
    const wanted = Math.min(sources, peers);
    const found = await sourcesOf(port, plantedNames(0, sources)[0]!);
    if (found !== wanted) throw new Error(`a name with ${wanted} sources was answered with ${found}`);
  }
}

/** How many peers have the first content of that name. */
export async function sourcesOf(port: number, name: string): Promise<number> {
  const answer = await ask(port, queryLine(name));
  const contents = (answer.contents ?? []) as { total: number }[];
  return contents[0]?.total ?? 0;
}

/** Whether the full text knows this name. */
export async function isSearchable(port: number, name: string): Promise<boolean> {
  const answer = await ask(port, searchLine(name.replace(/[^A-Za-z0-9]+/g, " ")));
  return ((answer.matches ?? []) as { name: string }[]).some((each) => each.name === name);
}

/** Waits until it is; returns for how many seconds. */
export async function untilSearchable(port: number, name: string, timeoutSeconds = 600): Promise<number> {
  const startedMs = performance.now();
  const passed = () => (performance.now() - startedMs) / 1000;
  while (!(await isSearchable(port, name))) {
    if (passed() > timeoutSeconds)
      throw new Error(`the name "${name}" is not found ${timeoutSeconds} s after it was registered`);
    await Bun.sleep(100);
  }
  return passed();
}

async function ask(port: number, line: string): Promise<Answer> {
  const asker = await CrowdPeer.open(port);
  try {
    return await asker.request(line);
  } finally {
    asker.close();
  }
}
