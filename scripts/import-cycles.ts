/** From each file to the files that it imports. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** The cycles of a graph, one for each set of files that reach one another, as a closed path: `[a, b, a]`. */
export function findCycles(graph: ImportGraph): readonly (readonly string[])[] {
  return stronglyConnected(graph).flatMap(component => {
    const members = new Set(component);
    const first = component.toSorted()[0];
    const path = first === undefined ? undefined : shortestWayBack(graph, members, first);
    return path === undefined ? [] : [path];
  });
}

/** Tarjan's algorithm. @see https://en.wikipedia.org/wiki/Tarjan%27s_strongly_connected_components_algorithm */
function stronglyConnected(graph: ImportGraph): string[][] {
  const order = new Map<string, number>();
  const stack: string[] = [];
  const components: string[][] = [];

  const visit = (node: string): number => {
    const index = order.size;
    order.set(node, index);
    let low = index;
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (stack.includes(next)) low = Math.min(low, order.get(next) ?? low);
    }
    if (low === index) components.push(stack.splice(stack.indexOf(node)));
    return low;
  };

  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return components;
}

/** Breadth first, inside one component; undefined if the file is alone and does not import itself. */
function shortestWayBack(graph: ImportGraph, members: ReadonlySet<string>, first: string): string[] | undefined {
  const queue: string[][] = [[first]];
  const seen = new Set<string>();
  for (const path of queue) {
    for (const next of graph.get(path.at(-1) ?? first) ?? []) {
      if (next === first) return [...path, first];
      if (!members.has(next) || seen.has(next)) continue;
      seen.add(next);
      queue.push([...path, next]);
    }
  }
  return undefined;
}
