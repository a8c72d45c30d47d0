import { z } from 'zod';

const textRule = 'text of 1 to 200 characters';
const text = z.string({ error: textRule }).refine((value) => value.trim() !== '' && value.length <= 200, { error: textRule });

const folderRule = 'the path of a folder inside the folder of the file, without a slash at its beginning';
const folder = z
  .string({ error: folderRule })
  .refine((value) => !value.startsWith('/') && !value.includes('\0') && !value.split('/').includes('..'), { error: folderRule });

const wholeNumber = (rule: string, least: number) => z.number({ error: rule }).refine((value) => Number.isInteger(value) && value >= least && value < 2 ** 31, { error: rule });
const texts = (rule: string) => z.array(z.string({ error: rule }), { error: rule });
const secondsRule = 'a number of seconds above 0';

/** The fields of a job that mean something to us; what else stands there is for the scripts and hooks. Messages say what is expected. */
export const jobFields = z.object({
  name: text.default('Unnamed'),
  subfolder: folder.default(''),
  priority: wholeNumber('a whole number', -(2 ** 31) + 1).default(0),
  frequency: wholeNumber('a whole number from 1: the job takes part in every so-manieth run', 1).default(1),
  arguments: texts('a list of texts').default([]),
  inputs: texts('a list of paths and patterns of files').default([]),
  always: z.boolean({ error: 'true or false' }).default(false),
  time_limit_seconds: z.number({ error: secondsRule }).refine((value) => value > 0, { error: secondsRule }).optional(),
  retries: wholeNumber('a whole number from 0 to 100', 0).refine((value) => value <= 100, { error: 'a whole number from 0 to 100' }).default(0),
});
