import type { Json } from '../runner/outcome.ts';

/** What `jobs.json` says, before anybody has looked whether it can be done. */
export interface JobFile {
  /** As the user named it. */
  file: string;
  /** Absolute; scripts, subfolders and inputs are looked for from here. */
  folder: string;
  jobs: readonly Job[];
}

/** A list of steps, done one after the other. */
export interface Job {
  /** `Unnamed` unless given. */
  name: string;
  /** From 0, as in the file. */
  place: number;
  line: number;
  /** Where its scripts and inputs lie, relative to the folder of the file; empty for that folder itself. */
  subfolder: string;
  /** Scripts of jobs with a higher one are begun first, where several may begin. */
  priority: number;
  /** It takes part in every so-manieth run of the same name, the first one among them. */
  frequency: number;
  /** Arguments of each of its scripts, which `onTaskReady` may change. */
  arguments: readonly string[];
  /** Paths and patterns of the files that its scripts read, relative to its folder: where one of them changes, they run again. */
  inputs: readonly string[];
  /** Its scripts run even where nothing has changed, because they look at what no hash of ours sees: a service, a clock. */
  always: boolean;
  /** How long each of its scripts may run; undefined: as long as it takes. */
  timeLimitSeconds: number | undefined;
  /** How often each of its scripts is tried again when it has failed. */
  retries: number;
  /** Everything that the file says of the job, but for `steps`. */
  parameters: { readonly [key: string]: Json | undefined };
  /** Each step waits for all scripts of the one before it; the scripts of one step run side by side. */
  steps: readonly (readonly ScriptUse[])[];
}

/** One mention of a script. */
export interface ScriptUse {
  /** The path from the folder of the file, without `./`: the name of the task. */
  script: string;
  /** Absolute. */
  file: string;
  line: number;
}
