/** Nodes and those that each of them points to; a node that is only pointed to need not be a key. */
export type Digraph = ReadonlyMap<string, readonly string[]>;

/**
 * The nodes such that each comes after those it points to, else as given; and the stuck ones, which are in a circle or
 * point to one, at whatever distance.
 */
export function sorted(graph: Digraph): { order: string[]; stuck: Set<string> } {
  const targets = new Map([...graph].map(([node, to]) => [node, new Set(to.filter((other) => graph.has(other)))]));
  const sources = new Map<string, string[]>([...graph.keys()].map((node) => [node, []]));
  for (const [node, to] of targets) for (const other of to) sources.get(other)?.push(node);
  const order = [...targets].filter(([, to]) => to.size === 0).map(([node]) => node);
  // The list grows while it is walked.
  for (const node of order) {
    for (const source of sources.get(node) ?? []) {
      const to = targets.get(source);
      if (to?.delete(node) && to.size === 0) order.push(source);
    }
  }
  for (const node of order) targets.delete(node);
  return { order, stuck: new Set(targets.keys()) };
}

/** The shortest circle, each node pointing to the next and the last to the first; of equally short ones, one through the node that is given first. */
export function shortestCircle(graph: Digraph): string[] | undefined {
  const { stuck } = sorted(graph);
  let shortest: string[] | undefined;
  for (const start of stuck) {
    const circle = circleThrough(start, graph, stuck, shortest?.length ?? Infinity);
    if (circle !== undefined) shortest = circle;
    if (shortest?.length === 1) break;
  }
  return shortest;
}

/** A shortest circle through a node, if it has fewer than `limit` nodes; in breadth, so that the first one found is it. */
function circleThrough(start: string, graph: Digraph, stuck: ReadonlySet<string>, limit: number): string[] | undefined {
  const cameFrom = new Map<string, string>();
  let depth = 1;
  for (let ring = [start]; ring.length > 0 && depth < limit; depth++) {
    const next: string[] = [];
    for (const node of ring) {
      for (const other of graph.get(node) ?? []) {
        if (other === start) return pathTo(node, start, cameFrom);
        if (!stuck.has(other) || cameFrom.has(other)) continue;
        cameFrom.set(other, node);
        next.push(other);
      }
    }
    ring = next;
  }
  return undefined;
}

function pathTo(node: string, start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const path = [node];
  for (let at = node; at !== start; path.unshift(at)) at = cameFrom.get(at) ?? start;
  return path;
}
