/**
 * Numbers as people read them: sizes, rates, durations, counts. Decimal units (1 MB is 1,000,000 bytes), as disks,
 * networks and most tools of today count. Texts from elsewhere are `printable.ts`.
 */

const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** Three significant digits: `0 B`, `999 B`, `1.00 kB`, `43.0 MB`, `734 MB`. */
export function formatBytes(count: number): string {
  let power = 0;
  let value = count;
  // 999.5 would round to 1000: that is 1.00 of the next unit.
  while (power < units.length - 1 && value >= (power === 0 ? 1000 : 999.5)) {
    value /= 1000;
    power++;
  }
  const decimals = power === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(decimals)} ${units[power]}`;
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(Number.isFinite(bytesPerSecond) ? Math.round(bytesPerSecond) : 0)}/s`;
}

/** `0 s`, `0.04 s`, `1.5 s`, `4 s`, `42 s`, `3:07`, `2:05:09`, `3 d 4 h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 60 && Number.isInteger(seconds)) return `${seconds} s`;
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const hours = Math.floor(whole / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  const minutes = Math.floor(whole / 60) % 60;
  const clock = `${hours > 0 ? pad(minutes) : minutes}:${pad(whole % 60)}`;
  return hours > 0 ? `${hours}:${clock}` : clock;
}

/** Rounded down, so that 100 % means all of it. */
export function formatPercent(part: number, whole: number): string {
  return `${whole === 0 ? 100 : Math.min(100, Math.floor((part / whole) * 100))} %`;
}

/** `12,345`. Not by `toLocaleString`: that loads the rules of all languages, which takes 8 ms the first time. */
export function formatWhole(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** `1 source`, `12,345 files`. */
export function formatCount(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatWhole(count)} ${count === 1 ? noun : plural}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
