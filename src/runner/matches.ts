/** Whether a name is one of the patterns, in which `*` stands for any letters, or none. */
export function matches(patterns: string | readonly string[], name: string): boolean {
  return [patterns].flat().some((pattern) => new RegExp(`^${pattern.split('*').map(escaped).join('.*')}$`, 's').test(name));
}

const escaped = (text: string): string => text.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&');
