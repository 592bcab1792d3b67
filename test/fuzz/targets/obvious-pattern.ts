/** What a pattern of LIST means, by tables of all that could fit: slow, and written without a look at how it is found. */

/** Whether the parts of a pattern from `p` on fit the parts of a name from `n` on, for all of them from the end. */
export function partsFit(parts: readonly string[], names: readonly string[]): boolean {
  return table(parts.length, names.length, (p, n, rest) => {
    const part = parts[p]!;
    if (part !== "**")
      return n < names.length && charactersFit([...part], [...names[n]!]) && rest(p + 1, n + 1);
    if (p === parts.length - 1) return n < names.length;
    return rest(p + 1, n) || (n < names.length && rest(p, n + 1));
  });
}

function charactersFit(signs: readonly string[], name: readonly string[]): boolean {
  return table(signs.length, name.length, (s, n, rest) => {
    if (signs[s] === "*") return rest(s + 1, n) || (n < name.length && rest(s, n + 1));
    return n < name.length && (signs[s] === "?" || signs[s] === name[n]) && rest(s + 1, n + 1);
  });
}

/** `fits` may ask for what is behind: it has been found already. Nothing fits nothing. */
function table(
  rows: number,
  columns: number,
  fits: (row: number, column: number, rest: (row: number, column: number) => boolean) => boolean,
): boolean {
  const found = new Uint8Array((rows + 1) * (columns + 2));
  const place = (row: number, column: number) => row * (columns + 2) + column;
  found[place(rows, columns)] = 1;
  const rest = (row: number, column: number) => found[place(row, column)] === 1;
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns; column >= 0; column--)
      if (fits(row, column, rest)) found[place(row, column)] = 1;
  }
  return rest(0, 0);
}
