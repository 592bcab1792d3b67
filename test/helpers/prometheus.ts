/** Reads the text format that Prometheus scrapes, as strictly as it is written down; throws where it is wrong. */

export interface Family {
  type: string;
  help: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

export function parsePrometheus(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family>();
  let current: { name: string; family: Family } = { name: "", family: { type: "", help: "", samples: [] } };
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP ([a-z_:][a-z0-9_:]*) (\S.*)$/.exec(line);
    const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (help !== null) {
      const name = help[1]!;
      if (families.has(name)) throw new Error(`${name} is there twice`);
      current = { name, family: { type: "", help: help[2]!, samples: [] } };
      families.set(name, current.family);
    } else if (type !== null) {
      if (current.name !== type[1] || current.family.samples.length > 0)
        throw new Error(`misplaced: ${line}`);
      current.family.type = type[2]!;
    } else {
      takeSample(line, current);
    }
  }
  for (const [name, family] of families) checkFamily(name, family);
  return families;
}

/** The value of the only sample, or of the one with these labels. */
export function sampleOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const samples = families.get(name)?.samples ?? [];
  return samples.find((each) => Bun.deepEquals(each.labels, labels))?.value;
}

function takeSample(line: string, current: { name: string; family: Family }): void {
  const match = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)$/.exec(line);
  if (match === null || current.family.type === "") throw new Error(`no line: ${line}`);
  const [, name = "", pairs = "", value] = match;
  const labels: Record<string, string> = {};
  const left = pairs.replace(
    /([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,(?=[a-z])|$)/g,
    (_, key, text) => {
      labels[key] = text;
      return "";
    },
  );
  if (left !== "") throw new Error(`bad labels: ${line}`);
  const suffix = current.family.type === "histogram" ? /^_(bucket|sum|count)$/ : /^$/;
  if (!name.startsWith(current.name) || !suffix.test(name.slice(current.name.length)))
    throw new Error(`${name} is no sample of ${current.name}`);
  current.family.samples.push({ name, labels, value: Number(value) });
}

function checkFamily(name: string, { type, samples }: Family): void {
  if (samples.length === 0) throw new Error(`${name} has no sample`);
  if ((type === "counter") !== name.endsWith("_total")) throw new Error(`${name} is no name for a ${type}`);
  if (type !== "histogram") return;
  const buckets = samples.filter((each) => each.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels.le === "+Inf" ? "Infinity" : labels.le));
  const isGrowing = (values: number[]) => values.every((value, i) => i === 0 || value >= values[i - 1]!);
  if (!isGrowing(bounds) || bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name}: bounds`);
  if (!isGrowing(buckets.map(({ value }) => value))) throw new Error(`${name}: buckets are not cumulative`);
  const count = samples.find((each) => each.name === `${name}_count`)?.value;
  if (count !== buckets.at(-1)?.value) throw new Error(`${name}: count`);
  if (!samples.some((each) => each.name === `${name}_sum`)) throw new Error(`${name}: no sum`);
}
