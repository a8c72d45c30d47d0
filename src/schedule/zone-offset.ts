const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clocks of a zone are ahead of UTC at an instant, milliseconds. */
export function offsetMs(timeZone: string, atMs: number): number {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset', year: 'numeric' });
    formats.set(timeZone, format);
  }
  const [, sign, hours, minutes, seconds] = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(atMs)) ?? [];
  if (sign === undefined) return 0;
  const span = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds ?? 0)) * 1000;
  return sign === '-' ? -span : span;
}

/**
 * When the clocks of a zone are set back, a stretch of local time comes twice. For an instant in its first pass, when that began.
 *
 * @returns undefined for any other instant
 */
export function firstPassSince(timeZone: string, atMs: number): number | undefined {
  if (timeZone === 'UTC') return undefined;
  const before = offsetMs(timeZone, atMs);
  const back = before - offsetMs(timeZone, atMs + DAY_MS);
  // The same local time once more, if the clocks are set back before it.
  if (back <= 0 || offsetMs(timeZone, atMs + back) !== before - back) return undefined;
  let [early, late] = [atMs, atMs + back];
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2);
    if (offsetMs(timeZone, middle) === before) early = middle;
    else late = middle;
  }
  return late - back;
}

/** No two changes of the clocks are nearer to each other. */
const DAY_MS = 86_400_000;
