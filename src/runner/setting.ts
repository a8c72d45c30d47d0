import type { Json } from './outcome.ts';

/** What the names of environment variables begin with that set a setting for one process. */
const PREFIX = 'AFTERGLOW_SETTING_';

/** The variable that sets a setting for the processes that have it: `night.mode` is `AFTERGLOW_SETTING_NIGHT_MODE`. */
export const variableOf = (setting: string): string => `${PREFIX}${setting.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

/** Whether a text can be the name of a setting: a letter, then letters, digits and . _ -, 64 characters at most. */
export const isSettingName = (text: string): boolean => /^[A-Za-z][\w.-]{0,63}$/.test(text);

/** A value as people write it: JSON, and what is none is a text. An empty one is the empty text. */
export function settingValue(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/**
 * How a process looks up settings: its environment first, then the rows of the database.
 *
 * @param rows name → value
 */
export function settingsOf(rows: ReadonlyMap<string, Json>, env: NodeJS.ProcessEnv): (name: string) => Json | undefined {
  return (name) => {
    const own = env[variableOf(name)];
    return own === undefined ? rows.get(name) : settingValue(own);
  };
}

/** The settings of an environment, by the names of their variables. */
export function environmentSettings(env: NodeJS.ProcessEnv): [variable: string, value: Json][] {
  return Object.entries(env)
    .filter((pair): pair is [string, string] => pair[0].startsWith(PREFIX) && pair[1] !== undefined)
    .map(([variable, text]): [string, Json] => [variable, settingValue(text)])
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
}
