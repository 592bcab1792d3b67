/** Line charts as SVG, readable on light and on dark ground. Pure: figures in, text out. */

export interface Panel {
  title: string;
  /** Name and unit below the axis, which doubles from step to step. */
  xLabel: string;
  /** How a value of x is written. */
  xText: (x: number) => string;
  yLabel: string;
  lines: readonly Line[];
}

export interface Line {
  name: string;
  points: readonly Point[];
}

export interface Point {
  x: number;
  y: number;
}

/** Panels side by side, with one legend for the lines of each. */
export function plot(panels: readonly Panel[]): string {
  const width = panels.length * panelWidth;
  const drawn = panels.map(
    (panel, at) => `<g transform="translate(${at * panelWidth} 0)">${draw(panel)}</g>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${panelHeight}" width="${width}" role="img">
<style>${style}</style>
<rect class="ground" width="${width}" height="${panelHeight}"/>
${drawn.join("\n")}
</svg>
`;
}

const panelWidth = 380;
const panelHeight = 300;
const area = { left: 56, right: 28, top: 40, bottom: 76 };
const innerWidth = panelWidth - area.left - area.right;
const innerHeight = panelHeight - area.top - area.bottom;

/** Two colours that both grounds take, told apart by dashes as well. */
const style = `
text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}.ground{fill:#fff}
.grid{stroke:#d0d7de}.axis{stroke:#57606a}.line{fill:none;stroke-width:2}
.s0{stroke:#0969da}.s1{stroke:#bc4c00;stroke-dasharray:6 4}.s2{stroke:#1a7f37;stroke-dasharray:2 3}
.d0{fill:#0969da}.d1{fill:#bc4c00}.d2{fill:#1a7f37}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.grid{stroke:#30363d}.axis{stroke:#8b949e}
.s0{stroke:#58a6ff}.s1{stroke:#f0883e}.s2{stroke:#3fb950}.d0{fill:#58a6ff}.d1{fill:#f0883e}.d2{fill:#3fb950}}`;

function draw(panel: Panel): string {
  const points = panel.lines.flatMap((line) => line.points);
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const x = doublingScale(xs[0] ?? 1, xs.at(-1) ?? 1, innerWidth);
  const ticks = niceTicks(Math.max(...points.map(({ y }) => y), 0));
  const top = ticks.at(-1) ?? 1;
  const y = (value: number) => innerHeight * (1 - value / top);
  return [
    `<text class="title" x="${area.left}" y="22">${escaped(panel.title)}</text>`,
    `<g transform="translate(${area.left} ${area.top})">`,
    ...ticks.map((tick) => horizontal(tick, y(tick))),
    ...labelled(xs).map(
      (value) =>
        `<text x="${x(value)}" y="${innerHeight + 18}" text-anchor="middle">${escaped(panel.xText(value))}</text>`,
    ),
    `<line class="axis" x1="0" y1="${innerHeight}" x2="${innerWidth}" y2="${innerHeight}"/>`,
    `<text x="${innerWidth / 2}" y="${innerHeight + 38}" text-anchor="middle">${escaped(panel.xLabel)}</text>`,
    `<text transform="translate(-42 ${innerHeight / 2}) rotate(-90)" text-anchor="middle">${escaped(panel.yLabel)}</text>`,
    ...panel.lines.map((line, at) => curve(line, at, x, y)),
    ...panel.lines.map((line, at) => legend(line, at, panel.lines.length)),
    "</g>",
  ].join("\n");
}

/** At most this many names fit below an axis. */
const maxLabels = 8;

function labelled(xs: readonly number[]): number[] {
  const step = Math.ceil(xs.length / maxLabels);
  return xs.filter((_, at) => at % step === 0);
}

function horizontal(tick: number, y: number): string {
  return `<line class="grid" x1="0" y1="${y}" x2="${innerWidth}" y2="${y}"/><text x="-8" y="${y + 4}" text-anchor="end">${tick}</text>`;
}

function curve(
  { points }: Line,
  at: number,
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  const places = points
    .toSorted((a, b) => a.x - b.x)
    .map((each) => ({ x: round(x(each.x)), y: round(y(each.y)) }));
  const path = places.map((each) => `${each.x},${each.y}`).join(" ");
  const dots = places.map((each) => `<circle class="d${at}" cx="${each.x}" cy="${each.y}" r="3"/>`);
  return `<polyline class="line s${at}" points="${path}"/>${dots.join("")}`;
}

function legend({ name }: Line, at: number, count: number): string {
  const left = (innerWidth / count) * at;
  const y = innerHeight + 58;
  return `<line class="line s${at}" x1="${left}" y1="${y}" x2="${left + 24}" y2="${y}"/><text x="${left + 30}" y="${y + 4}">${escaped(name)}</text>`;
}

/** Equal steps for each doubling, from 0 to `length`. */
export function doublingScale(low: number, high: number, length: number): (value: number) => number {
  const span = Math.log2(high / low);
  return (value) => (span === 0 ? length / 2 : (Math.log2(value / low) / span) * length);
}

/** From 0 in 3 to 6 round steps to the first one that is not below `high`. */
export function niceTicks(high: number): number[] {
  if (!(high > 0)) return [0, 1];
  const rough = high / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough)!;
  const count = Math.ceil(high / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => Number((at * step).toPrecision(12)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
