/**
 * Time as the I/O parts see it. State machines do not import this: they are told `nowMs`.
 */

/**
 * Milliseconds on a clock that only moves forward, whatever happens to the date (measured: unmoved by a jump of
 * the wall clock). Every deadline of the program is on this clock.
 */
export function monotonicMs(): number {
  return performance.now();
}

/** Milliseconds since 1970 by the clock on the wall: to be compared with another machine's. It may jump. */
export function wallMs(): number {
  return Date.now();
}
