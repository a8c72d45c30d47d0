import { Argument } from 'commander';
import { readSettings, setSetting, unsetSetting } from '../db/settings.ts';
import { environmentSettings, settingValue, variableOf } from '../runner/setting.ts';
import { command, group, person, withHome, type CommonOptions } from './common.ts';
import { print, printJson, table } from './output.ts';
import { queueable } from './queue-option.ts';

type Options = CommonOptions & { json?: true };

/** `afterglow settings`: what the qualifiers of runners ask for. */
export const settingsCommand = () =>
  group(
    'settings',
    'list, set and unset what qualifiers ask for',
    'Settings are names with values that the qualifiers of runners ask for. A change is heard by all daemons at once. A daemon whose environment has AFTERGLOW_SETTING_<NAME> takes that instead.',
  )
    .addCommand(listCommand().exitOverride(), { isDefault: true })
    .addCommand(setCommand().exitOverride())
    .addCommand(unsetCommand().exitOverride());

const listCommand = () =>
  command('list', 'all settings', 'Lists the settings of the database, and those that the environment here would put in their place.')
    .option('--json', 'JSON: {"settings": [{"name", "value", "changedAt", "changedBy"}], "environment": {variable: value}}')
    .action(async (options: Options) => {
      const settings = await withHome(options, ({ database }) => readSettings(database.hot.run));
      const environment = environmentSettings(process.env);
      if (options.json) return printJson({ settings, environment: Object.fromEntries(environment) });
      if (settings.length === 0) print('No settings are set.');
      else print(table([['setting', 'value', 'changed', 'by'], ...settings.map(({ name, value, changedAt, changedBy }) => [name, JSON.stringify(value), changedAt.toISOString(), changedBy])]));
      for (const [variable, value] of environment) print(`${variable} in this environment: ${JSON.stringify(value)}.`);
    });

const setCommand = () =>
  queueable(command('set', 'set a setting', 'Sets a setting for all daemons.'))
    .addArgument(new Argument('<name>', 'its name'))
    .addArgument(new Argument('<value>', 'JSON, such as true, 3 or ["a"]; what is no JSON is a text'))
    .option('--json', 'JSON: {"name", "value", "before"}')
    .action(async (name: string, text: string, options: Options) => {
      const value = settingValue(text);
      const before = await withHome(options, ({ database }) => setSetting(database.hot.run, name, value, person()));
      if (options.json) printJson({ name, value, before });
      else print(`The setting "${name}" is ${JSON.stringify(value)} now; before, it was ${before === undefined ? 'not set' : JSON.stringify(before)}.`);
    });

const unsetCommand = () =>
  queueable(command('unset', 'unset a setting', `Unsets a setting for all daemons. Where a daemon's environment has ${variableOf('name').replace('NAME', '<NAME>')}, that stays.`))
    .addArgument(new Argument('<name>', 'its name'))
    .option('--json', 'JSON: {"name", "before"}')
    .action(async (name: string, options: Options) => {
      const before = await withHome(options, ({ database }) => unsetSetting(database.hot.run, name));
      if (options.json) printJson({ name, before });
      else print(before === undefined ? `The setting "${name}" was not set.` : `The setting "${name}" is not set any more; it was ${JSON.stringify(before)}.`);
    });
