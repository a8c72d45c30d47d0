import path from 'node:path';
import { FileProblemsError, type FileProblem } from '../errors.ts';
import { describe } from '../fixtures/describe.ts';
import { jsonOf } from '../fixtures/json-of.ts';
import { parseYaml } from '../fixtures/parse-yaml.ts';
import { ProblemList } from '../fixtures/problem-list.ts';
import { readText } from '../fixtures/read-text.ts';
import { shown } from '../fixtures/shown.ts';
import type { MappingNode, YamlNode } from '../fixtures/yaml-node.ts';
import type { Json } from '../runner/outcome.ts';
import { checkCircles } from './check-circles.ts';
import { checkScripts, withoutRepeats } from './check-scripts.ts';
import { jobFields } from './job-fields.ts';
import type { Job, JobFile, ScriptUse } from './job-file.ts';

/**
 * Reads a file of jobs and checks all of it: the fields, that every script is there and can be run, that none stands twice in
 * one job, and that no jobs wait for each other. JSON, or YAML, of which JSON is a part.
 *
 * @throws {FileProblemsError} with everything that is wrong, each with its line
 */
export async function readJobs(file: string): Promise<JobFile> {
  const problems = new ProblemList(file);
  const text = await readText(file, problems);
  const root = text === undefined ? undefined : parseYaml(text, problems);
  const folder = path.dirname(path.resolve(file));
  const jobs = root === undefined ? [] : jobsOf(root, folder, problems);
  if (jobs.length > 0) {
    await checkScripts(jobs, folder, problems);
    checkCircles(jobs.map(withoutRepeats), problems);
  }
  if (!problems.isEmpty) throw new FileProblemsError(problems.all().map((problem) => inWordsOf(file, problem)), 'nothing was run');
  return { file, folder, jobs };
}

/** Who wrote JSON need not know that it is YAML too. */
function inWordsOf(file: string, problem: FileProblem): FileProblem {
  return problem.expected === 'valid YAML' && path.extname(file) === '.json' ? { ...problem, expected: 'valid JSON' } : problem;
}

function jobsOf(root: YamlNode | null, folder: string, problems: ProblemList): Job[] {
  if (root?.kind !== 'list' || root.items.length === 0) {
    problems.add(root?.line ?? 0, 'a list of jobs, [ { "name": …, "steps": [ … ] } ]', root === null ? 'nothing' : describe(root));
    return [];
  }
  return root.items.flatMap((node, place) => jobOf(node, place, folder, problems) ?? []);
}

function jobOf(node: YamlNode, place: number, folder: string, problems: ProblemList): Job | undefined {
  if (node.kind !== 'mapping') {
    problems.add(node.line, 'a job as { "name": …, "steps": [ … ] }', describe(node));
    return undefined;
  }
  const nodes = new Map(node.pairs.map(({ key, value }) => [key.text, value]));
  const parameters = Object.fromEntries(node.pairs.filter(({ key }) => key.text !== 'steps').map(({ key, value }) => [key.text, jsonOf(value, problems)]));
  const fields = fieldsOf(parameters, nodes, problems);
  const steps = stepsOf(nodes.get('steps'), node, { folder, subfolder: fields?.subfolder ?? '' }, problems);
  if (fields === undefined || steps === undefined) return undefined;
  const { time_limit_seconds: timeLimitSeconds, ...rest } = fields;
  return { ...rest, timeLimitSeconds, place, line: node.line, parameters, steps };
}

function fieldsOf(parameters: Record<string, Json>, nodes: ReadonlyMap<string, YamlNode>, problems: ProblemList) {
  const parsed = jobFields.safeParse(parameters);
  for (const { path: [field, item], message } of parsed.error?.issues ?? []) {
    const node = nodes.get(String(field))!;
    const wrong = node.kind === 'list' && typeof item === 'number' ? node.items[item]! : node;
    problems.add(wrong.line, `"${String(field)}" to be ${message}`, describe(wrong));
  }
  return parsed.data;
}

function stepsOf(node: YamlNode | undefined, job: MappingNode, where: { folder: string; subfolder: string }, problems: ProblemList): ScriptUse[][] | undefined {
  if (node === undefined) {
    const misspelt = { given: job.pairs.find(({ key }) => /^ste?p/i.test(key.text))?.key.text ?? '', known: ['steps'] };
    problems.add(job.line, 'the field "steps" (a list of scripts)', misspelt.given === '' ? 'none' : shown(misspelt.given), misspelt.given === '' ? undefined : misspelt);
    return undefined;
  }
  if (node.kind !== 'list' || node.items.length === 0) {
    problems.add(node.line, '"steps" to be a list of scripts, or of lists of scripts that run side by side', describe(node));
    return undefined;
  }
  return node.items.flatMap((step) => {
    const nodes = step.kind === 'list' ? step.items : [step];
    if (nodes.length === 0) problems.add(step.line, 'a step with at least one script', describe(step));
    const uses = nodes.flatMap((one) => useOf(one, where, problems) ?? []);
    return uses.length === 0 ? [] : [uses];
  });
}

function useOf(node: YamlNode, { folder, subfolder }: { folder: string; subfolder: string }, problems: ProblemList): ScriptUse | undefined {
  if (node.kind !== 'scalar' || typeof node.value !== 'string' || node.value.trim() === '' || node.value.includes('\0')) {
    problems.add(node.line, 'the path of a script', describe(node));
    return undefined;
  }
  const file = path.resolve(folder, subfolder, node.value);
  return { script: path.relative(folder, file).replaceAll(path.sep, '/'), file, line: node.line };
}
