import { toDirectedGraph } from 'xstate/graph';
import type { StatusMachine } from './machine.ts';
import { BUILT_IN, type StatusType } from './status.ts';

/**
 * The status machine as a Mermaid state diagram, drawn from the xstate machine itself. Statuses of one type that the same
 * moves lead to and from share a box; the built-in ones stand alone. Every arrow carries its causes.
 */
export function statusMermaid({ machine }: StatusMachine): string {
  const nodes = toDirectedGraph(machine).children.map(({ stateNode, edges }) => ({
    ...(stateNode.meta as { message: string; type: StatusType }),
    leaves: edges.map(({ label, target }) => ({ cause: label.text, to: (target.meta as { message: string }).message })),
  }));
  const edges = nodes.flatMap(({ message, leaves }) => leaves.map(({ cause, to }) => ({ from: message, cause, to })));
  const signature = (message: string) =>
    [...edges.filter(({ from }) => from === message).map(({ cause, to }) => `${cause} > ${to}`), ...edges.filter(({ to }) => to === message).map(({ from, cause }) => `${from} > ${cause}`)]
      .sort()
      .join('\n');
  const boxes = new Map<string, { id: string; type: StatusType; messages: string[] }>();
  for (const { message, type } of nodes) {
    const alone = BUILT_IN.some((builtIn) => builtIn.message === message);
    const key = alone ? message : `${type}\n${signature(message)}`;
    const box = boxes.get(key) ?? { id: `s${boxes.size}`, type, messages: [] };
    box.messages.push(message);
    boxes.set(key, box);
  }
  const idOf = (message: string) => [...boxes.values()].find(({ messages }) => messages.includes(message))!.id;
  const causes = new Map<string, Set<string>>();
  for (const { from, cause, to } of edges) {
    const arrow = `${idOf(from)} --> ${idOf(to)}`;
    causes.set(arrow, (causes.get(arrow) ?? new Set()).add(cause));
  }
  return [
    'stateDiagram-v2',
    // From top to bottom: side by side, the arrows back to the beginning run through each other's words.
    '  direction TB',
    ...[...boxes.values()].map(({ id, messages }) => `  state "${messages.map(escaped).join('<br>')}" as ${id}`),
    `  [*] --> ${idOf(BUILT_IN[0]!.message)}`,
    ...[...causes].map(([arrow, words]) => `  ${arrow} : ${[...words].join(', ')}`),
    ...[...boxes.values()].map(({ id, type }) => `  class ${id} ${type}`),
    '  classDef blank fill:#eceff1,stroke:#607d8b,color:#263238',
    '  classDef warning fill:#fff3cd,stroke:#b8860b,color:#4d3800',
    '  classDef success fill:#d7f0e3,stroke:#1b7f4f,color:#0b3d26',
    '  classDef error fill:#fbdcdc,stroke:#b3261e,color:#5c100c',
    '',
  ].join('\n');
}

/** Mermaid ends a quoted label at a quotation mark, and reads HTML, Markdown and `#name;` in it: all of these as numeric entities. */
const escaped = (message: string): string => message.replace(/[^\p{L}\p{N} ,:()/.-]|[.-](?![\p{L}\p{N}])/gu, (mark) => `#${mark.codePointAt(0)};`);
